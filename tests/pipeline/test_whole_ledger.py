"""The whole product under a stream of cases: every service dies once, and what remains is as if none had."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from balance_chain.simulator import generate
from balance_chain.simulator.plans import ROUND
from support.wholestack import CHUNK_CASES, Whole, projection_problems, standing, whole_stack
from support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 11
MOST_CASES = 600
KILLED = ("gateway", "normaliser", "sealer", "notary", "verifier", "judge-audit")
PAUSE_SECONDS = 0.2
"""Between two chunks of cases: so that the stream lasts as long as the kills."""
GRACE_SECONDS = 15.0
"""Longer than the gateway is away: a case whose feed was cut off is not called late."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    """One running product for the tests of this module."""
    async with whole_stack(kafka, postgres, grace_seconds=GRACE_SECONDS, lateness_seconds=GRACE_SECONDS) as started:
        yield started


async def stream(whole: Whole, stop: asyncio.Event) -> int:
    """Publish case after case until stopped, whole rounds at least; how many cases it were."""
    cases, sent = 0, set()
    while cases < len(ROUND) or (not stop.is_set() and cases < MOST_CASES):
        cases += CHUNK_CASES
        new = [event for event in generate(cases, SEED).events if event["id"] not in sent]
        await whole.publish(new)
        sent |= {event["id"] for event in new}
        try:
            await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
        except TimeoutError:
            continue
    return cases


async def test_each_service_is_killed_once_in_mid_stream_and_nothing_is_lost_or_doubled(whole: Whole) -> None:
    supervisor, stop = whole.stack.supervisor, asyncio.Event()
    streaming = asyncio.create_task(stream(whole, stop))
    try:
        for name in KILLED:
            before = len(whole.published)
            await wait_until(
                lambda before=before: len(whole.published) > before or streaming.done(), 60, "stream flows"
            )
            assert not streaming.done()
            supervisor.signal(name, signal.SIGKILL)
            await wait_until(lambda name=name: supervisor.restarts(name) == 1, 30, f"{name} is started again")
            await wait_until(lambda: supervisor.not_ready() == [], 60, f"all are ready after {name} died")
    finally:
        stop.set()
    cases = await streaming
    await whole.sealed()
    status = await whole.verified()
    assert status["findings"]["by_code"] == {}
    await whole.judged()
    written = await whole.read()
    assert written.found.not_counting == []
    places = written.places()
    assert {name: len(places[name]) for name in whole.published} == dict.fromkeys(whole.published, 1)
    # A promise names a time; the block that keeps it is no later.
    late = [
        (each["id"], each["by"], time)
        for each in whole.receipts
        if (time := written.block_time(*places[each["source"], each["id"]][0])) is None or time > each["by"]
    ]
    assert late == []
    await wait_until(lambda: _equal(whole, written), 30, "the verifier's projection is the log")
    labels = {(label.rule, label.subject) for label in generate(cases, SEED).labels if label.expected}
    assert standing(await whole.alerts()) == labels


async def _equal(whole: Whole, written: object) -> bool:
    problems = await projection_problems(whole.database, written)
    assert problems == []
    return True
