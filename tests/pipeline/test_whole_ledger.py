"""The whole product under a stream of cases: every service dies once, and what remains is as if none had."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import pytest
import pytest_asyncio
from balance_chain.adapters.recap import map_dockets, parse_docket
from balance_chain.core.casenumber import parse_subject
from balance_chain.core.topics import ALERTS
from balance_chain.simulator import generate
from balance_chain.simulator.plans import ROUND
from balance_chain.simulator.sources import RECAP
from balance_verify.note import VerifierKey
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle
from independent.reader import read_topic
from support.clearnames import full_names, invented_names, names_in, texts_of_tables, texts_of_topic
from support.needs import DOCKETS, needs_dockets
from support.waiting import wait_until
from support.wholestack import CHUNK_CASES, Whole, Written, get, get_bytes, projection_problems, standing, whole_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEED = 11
MOST_CASES = 600
KILLED = ("gateway", "normaliser", "sealer", "notary", "verifier", "judge-audit")
PAUSE_SECONDS = 0.2
"""Between two chunks of cases: so that the stream lasts as long as the kills."""
DOCKETS_FROM, DOCKETS_READ = 100, 20
"""Which of the docket files, by size: neither the empty nor the largest."""
GRACE_SECONDS = 15.0
"""Longer than the gateway is away: a case whose feed was cut off is not called late."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def whole(kafka: str, postgres: str) -> AsyncIterator[Whole]:
    """One running product for the tests of this module."""
    async with whole_stack(kafka, postgres, grace_seconds=GRACE_SECONDS, lateness_seconds=GRACE_SECONDS) as started:
        yield started


async def stream(whole: Whole, stop: asyncio.Event) -> int:
    """Publish case after case until stopped, whole rounds at least; how many cases it were."""
    cases, sent = 0, {event_id for _, event_id in whole.published}
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


async def fed(whole: Whole) -> None:
    """At least one round of cases is published, sealed and judged."""
    if not whole.published:
        enough = asyncio.Event()
        enough.set()
        await stream(whole, enough)
    await whole.sealed()
    await whole.verified()
    await whole.judged()


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
            restarts = supervisor.restarts(name)
            supervisor.signal(name, signal.SIGKILL)
            await wait_until(lambda n=name, r=restarts: supervisor.restarts(n) > r, 30, f"{name} is started again")
            await wait_until(lambda: supervisor.not_ready() == [], 60, f"all are ready after {name} died")
    finally:
        stop.set()
    cases = await streaming
    await whole.sealed()
    await whole.verified()
    await whole.judged()
    written = await whole.read()
    # What a dying writer left twice does not count, and the verifier tells of each such record and of nothing else.
    twice = Counter(place.split("/")[0] for place in written.found.not_counting)
    told = {
        "event_not_counting": twice["events"],
        "block_not_counting": twice["blocks"],
        "checkpoint_not_counting": sum(count for place, count in twice.items() if place.startswith("checkpoints@")),
    }
    await wait_until(lambda: _findings(whole, told), 90, "the verifier tells what does not count")
    places = written.places()
    assert {name: len(places[name]) for name in whole.published} == dict.fromkeys(whole.published, 1)
    # A promise names a time: the block that keeps it is no later, or an alert says so, and of no other promise.
    late = {
        f"receipts/{each['source']}/{each['id']}"
        for each in whole.receipts
        if (time := written.block_time(*places[each["source"], each["id"]][0])) is None or time > each["by"]
    }
    await wait_until(lambda: _broken_promises(whole, late), 120, "every promise is kept or said to be broken")
    await wait_until(lambda: _equal(whole, written), 30, "the verifier's projection is the log")
    labels = {(label.rule, label.subject) for label in generate(cases, SEED).labels if label.expected}
    assert standing(await whole.alerts()) == labels


async def _findings(whole: Whole, expected: dict[str, int]) -> bool:
    found = (await get(whole.stack.urls.verifier + "/v1/status"))["findings"]["by_code"]
    assert found == {code: count for code, count in expected.items() if count}
    return True


async def _broken_promises(whole: Whole, expected: set[str]) -> bool:
    settings = whole.stack.settings
    records = await read_topic(settings.kafka, settings.topic(ALERTS), settings.partitions)
    alerts = [json.loads(record.value) for each in records for record in each]
    assert {alert["subject"] for alert in alerts if alert["rule"] == "receipt.broken"} == expected
    return True


async def _equal(whole: Whole, written: Written) -> bool:
    problems = await projection_problems(whole.database, written)
    assert problems == []
    return True


async def test_the_same_log_gives_the_same_projection_and_the_same_alerts(whole: Whole) -> None:
    """A second verifier and a second judge-audit start from nothing beside the first, which had been killed."""
    await fed(whole)
    schemas = {"BALANCE_VERIFIER_SCHEMA": "verifier2", "BALANCE_AUDIT_SCHEMA": "audit2"}
    others = {"BALANCE_AUDIT_GROUP": "again", "BALANCE_AUDIT_TOKEN_FILE": "/nonexistent"}
    written = await whole.read()
    for name in ("verifier", "judge-audit"):
        await whole.start(name, f"{name}-again", **schemas, **others)

    async def same() -> bool:
        first, second = await asyncio.gather(*(rows(whole, written, suffix) for suffix in ("", "2")))
        for table, content in first.items():
            assert content == second[table], table
        assert all(first.values())
        return True

    await wait_until(same, 120, "rows of both are equal")


async def rows(whole: Whole, written: Written, suffix: str) -> dict[str, list[tuple[object, ...]]]:
    """What a verifier and a judge-audit hold of the log as it was read, without the order in which they came to it."""
    connection = await asyncpg.connect(whole.database, timeout=30)
    found: dict[str, list[tuple[object, ...]]] = {}
    try:
        for shard, (events, blocks) in enumerate(zip(written.lengths, written.blocks, strict=True)):
            for query, bound in (
                ("select * from verifier{}.event where shard = $1 and pos < $2 order by pos", events),
                ("select * from verifier{}.digest where shard = $1 and pos < $2 order by 1, 2, 3, 4", events),
                ("select * from verifier{}.block where shard = $1 and height < $2 order by height", len(blocks)),
            ):
                content = await connection.fetch(query.format(suffix), shard, bound)
                found.setdefault(query, []).extend(tuple(row) for row in content)
        size = written.found.size
        for query in (
            f"select * from verifier{suffix}.log_node where (index + 1) << level <= {size} order by 1, 2",
            f"select * from verifier{suffix}.checkpoint where size <= {size} order by 1",
            f"select id, revision, private, body::text from audit{suffix}.alert_revision order by 1, 2",
            f"select id, revision, rule, severity, state, private, subject, courtcode, raised, judged, body::text"
            f" from audit{suffix}.alert order by 1",
        ):
            found[query.replace(f"{suffix}.", ".")] = [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close(timeout=30)
    return found


@needs_dockets
async def test_no_name_of_a_person_leaves_raw_and_an_erased_key_breaks_no_proof(whole: Whole) -> None:
    await fed(whole)
    files = sorted(DOCKETS.glob("docket-*.json"), key=lambda path: path.stat().st_size)[DOCKETS_FROM:][:DOCKETS_READ]
    dockets = [parse_docket(path.read_bytes(), path.name) for path in files]
    mapped = map_dockets(dockets, RECAP)
    assert len(mapped.events) > DOCKETS_READ
    await whole.publish(mapped.events)
    await whole.sealed()
    await whole.verified()
    await whole.judged()
    names = {full for docket in dockets for full in full_names(docket)} | invented_names(whole.published.values())
    assert len(names) > DOCKETS_READ
    prefix, settings = whole.stack.settings.topic_prefix, whole.stack.settings
    raw = await texts_of_topic(settings.kafka, f"{prefix}litigation.raw", settings.partitions)
    assert names_in(names, raw), "the search finds the names where they are"
    for topic in ("litigation.events", "ledger.blocks", "integrity.alerts"):
        assert names_in(names, await texts_of_topic(settings.kafka, prefix + topic, settings.partitions)) == [], topic
    assert names_in(names, await texts_of_topic(settings.kafka, f"{prefix}ledger.checkpoints", 1)) == []
    assert names_in(names, await texts_of_tables(whole.database, besides={"intake.registry"})) == []
    logs = [path.read_text(errors="replace") for path in whole.stack.folder.logs.glob("*.log")]
    assert len(logs) >= 8
    assert names_in(names, logs) == []

    subject = parse_subject(mapped.events[0]["subject"]).caseid
    connection = await asyncpg.connect(whole.database, timeout=30)
    erased = await connection.execute("delete from casekeys.key where caseid = $1", subject)
    await connection.close(timeout=30)
    assert erased == "DELETE 1"
    key = VerifierKey.parse(whole.stack.log_vkey.read_text().strip())
    for event in [event for event in mapped.events if parse_subject(event["subject"]).caseid == subject][:5]:
        path = f"{quote(event['source'], safe='')}/{quote(event['id'], safe='')}/proof"
        bundle = await get_bytes(f"{whole.stack.urls.verifier}/v1/events/{path}")
        report = verify_bundle(ProofBundle.parse(bundle), key)
        assert report.ok, report
