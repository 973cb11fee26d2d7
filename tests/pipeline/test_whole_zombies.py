"""A process frozen just before it writes, beside one that has taken over: when it goes on, it harms nothing."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from balance_chain.simulator import generate
from support.waiting import wait_until
from support.wholestack import Whole, get, whole_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITH = frozenset({"gateway", "notary", "verifier", "verifier-api"})
CASES = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    """A product without the two processes that the tests freeze: those are started here, and by the tests."""
    async with whole_stack(kafka, postgres, WITH, partitions=2) as started:
        yield started


@pytest.mark.parametrize(
    ("service", "other", "point", "code"),
    [
        ("normaliser", "sealer", "normaliser.before_append:3", "event_not_counting"),
        ("sealer", "normaliser", "sealer.before_append:3", "block_not_counting"),
    ],
)
async def test_a_zombie_that_writes_late_is_not_counted_and_told(
    whole: Whole, service: str, other: str, point: str, code: str, tmp_path: Path
) -> None:
    seed = 21 + len(whole.published)
    events = generate(CASES, seed).events
    first, second, third = events[0::3], events[1::3], events[2::3]
    supervisor = whole.stack.supervisor
    if other not in supervisor.pids():
        await whole.start(other, other)
    zombie = await whole.start(
        service,
        f"{service}-zombie-{seed}",
        BALANCE_KILL_POINT=point,
        BALANCE_KILL_SIGNAL="SIGSTOP",
        BALANCE_KILL_MARKER=tmp_path / "marker",
    )
    await whole.publish(first)
    frozen = psutil.Process(supervisor.pids()[zombie])
    await wait_until(lambda: frozen.status() == psutil.STATUS_STOPPED, 30, f"{zombie} is frozen before it writes")
    if service not in supervisor.pids():
        await whole.start(service, service)
    await whole.publish(second)
    await whole.sealed()
    supervisor.signal(zombie, signal.SIGCONT)
    await whole.publish(third)
    await whole.sealed()

    async def told() -> bool:
        return bool((await get(whole.stack.urls.verifier + "/v1/status"))["findings"]["by_code"].get(code))

    await wait_until(told, 60, "the verifier tells of what does not count")
    status = await whole.verified()
    assert set(status["findings"]["by_code"]) <= {"event_not_counting", "block_not_counting"}
    written = await whole.read()
    places = written.places()
    assert {name: len(places[name]) for name in whole.published} == dict.fromkeys(whole.published, 1)
    assert supervisor.restarts(zombie) == 0
