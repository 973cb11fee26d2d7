"""Each raw record becomes exactly one event, whatever it is and whatever dies: on a real broker and a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from balance_chain.core.counting import EventCounter
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import RAW
from balance_chain.runtime.settings import CommonSettings
from support.intake import (
    CASE,
    HTTP_SOURCE,
    KAFKA_SOURCE,
    NARROW_SOURCE,
    an_event,
    as_bytes,
    put_raw,
    read_events,
    shard_of,
    signed,
    vouched,
    write_sources,
)
from support.ports import free_ports
from support.processes import Processes, Running
from support.waiting import wait_until

Start = Callable[..., Running]
Raw = tuple[int, bytes, list[tuple[str, bytes]]]


@pytest.fixture
def start(topics: CommonSettings, processes: Processes) -> Start:
    """Starts a normaliser over this test's own ledger."""
    write_sources(topics.sources)

    def start_one(genesis: bool = True, **env: object) -> Running:
        (port,) = free_ports(1)
        return processes.start(
            "balance-intake",
            "normaliser",
            *(["--genesis"] if genesis else []),
            settings=topics,
            env={"health_port": port, "tick_after_seconds": 3600, "poll_seconds": 0.1, **env},
        )

    return start_one


async def all_events(settings: CommonSettings, expected: int, seconds: float = 30.0) -> list[CanonicalEvent]:
    """Every event of every shard, once there are so many that count."""

    async def enough() -> list[CanonicalEvent] | None:
        found = [event for shard in range(settings.partitions) for event in await counting(settings, shard)]
        return found if len(found) >= expected else None

    found = await wait_until(enough, seconds, f"{expected} events")
    assert found is not None
    assert len(found) == expected
    return found


async def counting(settings: CommonSettings, shard: int) -> list[CanonicalEvent]:
    """The events of a shard that count; they must be gapless from 0 on."""
    counter = EventCounter()
    found = [event for event in await read_events(settings, shard) if counter.counts(event.rawgen, event.rawpos)]
    assert [event.rawpos for event in found] == list(range(len(found)))
    return found


def reasons(events: list[CanonicalEvent]) -> list[str]:
    """What became of each record, in the order of raw."""
    return [event.data["reason"] if event.is_rejected else event.type for event in events]


def raw(settings: CommonSettings, event: dict[str, Any]) -> Raw:
    """A signed record of the Kafka source, on the right partition."""
    value = as_bytes({**event, "source": KAFKA_SOURCE})
    return shard_of(settings, event["subject"]), value, signed(value)


async def test_an_event_is_normalised_and_its_personal_data_protected(topics: CommonSettings, start: Start) -> None:
    event = an_event(subject="(2026) 京0491民初123号")
    value = as_bytes({**event, "source": KAFKA_SOURCE})
    await put_raw(topics, [(shard_of(topics), value, signed(value))])
    start()
    (found,) = await all_events(topics, 1)
    assert found.caseid == found.subject == CASE
    assert (found.courtcode, found.phase, found.time) == ("京0491", "filing", "2026-03-02T01:00:00.000Z")
    assert (found.rawgen, found.rawpos, found.sequence) == (0, 0, "1")
    assert found.actorrole == "plaintiff"
    assert found.actorref is not None
    assert found.actorref.startswith("p_")
    assert found.keyid is not None
    assert found.sourcedigest is not None
    assert set(found.data["parties"]) == {"ct", "commit"}
    assert found.data["amount"] == 1_250_000
    assert "王小明" not in json.dumps(found.data, ensure_ascii=False)


async def test_every_bad_record_becomes_a_sealed_reject_and_the_stream_goes_on(
    topics: CommonSettings, start: Start, keys: KeyDirectory
) -> None:
    home = shard_of(topics)
    good = {**an_event(1), "source": KAFKA_SOURCE}
    value = as_bytes(good)

    def changed(**changes: Any) -> Raw:
        return (home, *_signed(as_bytes({**good, "id": f"bad-{len(cases)}", **changes})))

    cases: list[tuple[Raw, str, str | None]] = [((home, value, signed(value)), "case.submitted", None)]

    def add(record: Raw, reason: str, field: str | None = None) -> None:
        cases.append((record, reason, field))

    add((home, *_signed(b'{"a":')), "not_json")
    add((home, *_signed(b"\xff\xfe")), "not_utf8")
    add((home, *_signed(b"[]")), "not_object")
    add((home, *_signed(value.replace(b'"amount"', b'"cause": "x", "amount"'))), "duplicate_key")
    add((home, *_signed(value.replace(b"1250000", b"12500.5"))), "float_number")
    add((home, *_signed(value.replace(b"1250000", b"9007199254740992"))), "number_range")
    add((home, *_signed(value.replace("信息".encode(), b"\\ud800"))), "lone_surrogate")
    add((home, *_signed(b'{"a":"' + b"x" * 2_000_000 + b'"}')), "too_large")
    add((home, *_signed(b'{"a":' + b"[" * 100 + b"]" * 100 + b"}")), "too_deep")
    add((home, value, []), "header_missing")
    add((home, value, signed(value, "urn:nobody")), "source_unknown")
    add((home, value, signed(value, HTTP_SOURCE)), "source_transport")
    add((home, value, vouched(value, keys.gateway_mac, KAFKA_SOURCE)), "source_transport")
    add((home, value + b" ", signed(value)), "signature_bad")
    add((home, value, [("source", b"ledger"), ("authenticator", b"x" * 32)]), "signature_bad")
    add(changed(type="case.invented"), "type_unknown", "/type")
    add(changed(type="ledger.tick", data={}), "type_not_allowed", "/type")
    add(changed(data={**good["data"], "colour": "red"}), "field_unknown", "/data")
    add(changed(type="case.rejected", data={}), "field_missing", "/data/reason")
    add(changed(data={**good["data"], "amount": "much"}), "field_invalid", "/data/amount")
    add(changed(data={**good["data"], "cause": "a\0b"}), "field_invalid", "/data")
    add(changed(sequence="0"), "field_invalid", "/sequence")
    add(changed(subject="一个案子"), "subject_invalid", "/subject")
    add(changed(subject="（2026）京0491民初3827、3828号"), "several_cases", "/subject")
    add(changed(time="yesterday"), "time_invalid", "/time")
    add(changed(time="2036-01-01T00:00:00Z"), "time_future", "/time")
    add(changed(time="0001-01-01T00:00:00+08:00"), "time_invalid", "/time")
    narrow = as_bytes({**good, "source": NARROW_SOURCE})
    add((home, narrow, vouched(narrow, keys.gateway_mac, NARROW_SOURCE)), "court_not_allowed", "/subject")
    add((home, *_signed(as_bytes(good)[:-1] + b"  }")), "duplicate")
    add((home, *_signed(json.dumps(good, sort_keys=True).encode())), "duplicate")
    add((home, *_signed(as_bytes({**good, "sequence": "9"}))), "id_conflict")
    away = (home + 1) % topics.partitions
    wrong = as_bytes({**good, "id": "misplaced"})
    add((home, *_signed(as_bytes({**good, "id": "last"}))), "case.submitted")

    await put_raw(topics, [record for record, _, _ in cases])
    await put_raw(topics, [(away, wrong, signed(wrong))])
    start()
    await all_events(topics, len(cases) + 1)
    found = await counting(topics, home)
    assert reasons(found) == [reason for _, reason, _ in cases]
    assert [event.data.get("field") for event in found if event.is_rejected] == [
        field for _, reason, field in cases if "." not in reason
    ]
    for event in found:
        if event.is_rejected:
            assert set(event.data) <= {"reason", "field", "partition", "source", "id", "sequence", "digest"}
            assert event.caseid is None
            assert event.id == f"{home}-0-{event.rawpos}"
    (misplaced,) = await counting(topics, away)
    assert misplaced.data["reason"] == "wrong_partition"
    assert misplaced.data["partition"] == home
    assert misplaced.data["id"] == "misplaced"


@pytest.mark.parametrize("point", ["normaliser.after_dedup", "normaliser.after_append"])
async def test_a_normaliser_killed_in_mid_stream_loses_and_doubles_nothing(
    topics: CommonSettings, start: Start, point: str, tmp_path: Path
) -> None:
    total = 60
    events = [raw(topics, an_event(n, subject=f"（2026）京0491民初{n}号")) for n in range(1, total + 1)]
    await put_raw(topics, [*events, events[3]])
    marker = tmp_path / "killed"
    first = start(batch_records=7, BALANCE_KILL_POINT=f"{point}:3", BALANCE_KILL_MARKER=marker)
    assert await first.ended() == -9
    assert marker.exists()
    start()
    found = await all_events(topics, total + 1)
    assert sum(not event.is_rejected for event in found) == total
    assert len({event.id for event in found if not event.is_rejected}) == total
    assert [event.data["reason"] for event in found if event.is_rejected] == ["duplicate"]
    assert (await read_events(topics, 0)) == (await counting(topics, 0))


async def test_two_normalisers_at_once_leave_one_counting_event_for_each_record(
    topics: CommonSettings, start: Start
) -> None:
    total = 200
    events = [raw(topics, an_event(n, subject=f"（2026）京0491民初{n}号")) for n in range(1, total + 1)]
    first, second = start(batch_records=5), start(batch_records=5)
    await put_raw(topics, events[: total // 2])
    await all_events(topics, total // 2)
    first.stop()
    await put_raw(topics, events[total // 2 :])
    await all_events(topics, total, seconds=60)
    first.cont()
    await put_raw(topics, [raw(topics, an_event(total + 1))])
    found = await all_events(topics, total + 1, seconds=60)
    assert len({event.id for event in found}) == total + 1
    assert second.alive


async def test_the_same_id_on_two_partitions_is_accepted_once(topics: CommonSettings, start: Start) -> None:
    other = next(
        f"（2026）京0491民初{n}号"
        for n in range(1, 100)
        if shard_of(topics, f"（2026）京0491民初{n}号") != shard_of(topics)
    )
    await put_raw(topics, [raw(topics, an_event(1)), raw(topics, an_event(1, subject=other))])
    start()
    found = await all_events(topics, 2)
    assert sorted(reasons(found)) == ["case.submitted", "id_conflict"]


async def test_an_idle_partition_gets_ticks(topics: CommonSettings, start: Start) -> None:
    start(tick_after_seconds=0.3)

    async def ticks() -> bool:
        return all(
            [sum(event.is_tick for event in await counting(topics, shard)) >= 2 for shard in range(topics.partitions)]
        )

    await wait_until(ticks, 30)
    (tick, *_) = await counting(topics, 0)
    assert (tick.data, tick.caseid, tick.time) == ({}, None, tick.receivedtime)


async def test_an_empty_output_starts_only_on_the_genesis_word(topics: CommonSettings, start: Start) -> None:
    await put_raw(topics, [raw(topics, an_event(1))])
    refused = start(genesis=False)
    await wait_until(lambda: "GenesisNeeded" in refused.log, 20)
    assert await read_events(topics, shard_of(topics)) == []


def _signed(value: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    return value, signed(value)


async def test_raw_records_that_retention_took_before_they_were_normalised_stop_their_shard_and_nothing_is_skipped(
    topics: CommonSettings, start: Start
) -> None:
    home = shard_of(topics)
    await put_raw(topics, [raw(topics, an_event(number)) for number in (1, 2)])
    first = start()
    await all_events(topics, 2)
    first.terminate()
    assert await first.ended() == 0
    await put_raw(topics, [raw(topics, an_event(number)) for number in (3, 4, 5)])
    admin = AIOKafkaAdminClient(bootstrap_servers=topics.kafka)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topics.topic(RAW), home): RecordsToDelete(before_offset=4)})
    finally:
        await admin.close()
    second = start()

    said = "begins at 4, but the next record to normalise is 2"
    await wait_until(lambda: said in second.log, 60.0, "the normaliser says what is missing")
    assert len(await counting(topics, home)) == 2
