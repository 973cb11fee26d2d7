"""Runs the whole rule book over events in memory, in the order in which they were entered: for scores of detection and
trials of a policy, without Kafka and PostgreSQL.

The engine is the real one. Only protection is left out: people become plain references, and texts, which no rule
reads, are dropped.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from balance_chain.core.casenumber import parse_subject
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.events import TYPE_TICK, CanonicalEvent
from balance_chain.core.partition import partition_for
from balance_chain.core.privacy import BYNAME_PREFIX, PSEUDONYM_PREFIX, REGISTRY_PREFIX
from balance_chain.core.times import format_ms, parse_time
from msgspec.structs import replace

from balance_judge_audit.engine.across import AcrossEngine, HeldFact, KeyState
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.facts import CaseState
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState
from balance_judge_audit.engine.shard import Clocks, Incoming, Places, ShardEngine, ShardState

ZONE: Final = ZoneInfo("Asia/Shanghai")
_MARKS: Final = ("encrypted", "pseudonym", "registry")


class Plain:
    """Makes canonical events of what sources send."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._marks: dict[str, dict[str, str]] = {
            name: {field.name: field.privacy for field in kind.fields if field.privacy in _MARKS}
            for name, kind in catalogue.types.items()
        }
        self._registry_roles = {name for name, role in catalogue.roles.items() if role.privacy == "registry"}
        self._zone = ZONE

    def event(self, sent: Mapping[str, Any], received_ms: int | None = None, zone: ZoneInfo = ZONE) -> CanonicalEvent:
        """The event as rules see it; received when it was entered, where no time is given."""
        case = parse_subject(sent["subject"])
        time = parse_time(sent["time"], zone)
        recorded = sent.get("recordedtime")
        recorded_ms = parse_time(recorded, zone).ms if recorded else None
        received = received_ms if received_ms is not None else max(recorded_ms or time.ms, time.ms)
        data = self._data(sent["type"], sent["data"], case.courtcode)
        first = data["actors"][0] if data.get("actors") else {}
        return CanonicalEvent(
            specversion="1.0",
            id=sent["id"],
            source=sent["source"],
            type=sent["type"],
            time=format_ms(time.ms),
            precision="day" if time.precision == "day" else None,
            recordedtime=format_ms(recorded_ms) if recorded_ms is not None else None,
            receivedtime=format_ms(received),
            sequence=sent["sequence"],
            phase="replay",
            rawgen=0,
            rawpos=0,
            subject=case.caseid,
            caseid=None if case.form == "source" else case.caseid,
            courtcode=case.courtcode,
            actorref=first.get("ref"),
            actorrole=first.get("role"),
            data=data,
        )

    def _data(self, kind: str, data: Mapping[str, Any], court: str | None) -> dict[str, Any]:
        result = dict(data)
        if "actors" in result:
            result["actors"] = [
                {"role": each["role"], "ref": _reference(each, each["role"] in self._registry_roles, court)}
                for each in result["actors"]
            ]
        for name, mark in self._marks[kind].items():
            if name not in result:
                continue
            if mark == "encrypted":
                del result[name]
                continue
            value = result[name]
            registry = mark == "registry"
            if isinstance(value, list):
                result[name] = [_reference(each, registry, court) for each in value]
            else:
                result[name] = _reference(value, registry, court)
        return result


def _reference(person: Mapping[str, str], registry: bool, court: str | None) -> str:
    if not registry:
        return PSEUDONYM_PREFIX + (person.get("id") or person["name"])
    return REGISTRY_PREFIX + person["id"] if "id" in person else f"{BYNAME_PREFIX}{court or ''} {person['name']}"


class Replay:
    """The rule book over a stream of events, shard by shard and across them, batch by batch."""

    def __init__(self, book: RuleBook, places: Places, clocks: Clocks, shards: int = 2) -> None:
        self._engine = ShardEngine(book, places, clocks)
        self._gaps = GapEngine(book.gap, clocks.lateness_ms) if book.gap else None
        self._across = AcrossEngine(book.across)
        self._shards = [ShardState(number) for number in range(shards)]
        self._cases: list[dict[str, CaseState]] = [{} for _ in range(shards)]
        self._offsets = [0] * shards
        self._sources: dict[str, SourceState] = {}
        self._states: dict[str, KeyState] = {}
        self._held: list[SequenceFact] = []
        self._facts: list[HeldFact] = []

    def shard_of(self, event: CanonicalEvent) -> int:
        """Where an event of this subject is carried."""
        return partition_for(event.caseid or event.source, len(self._shards))

    def take(self, events: Iterable[CanonicalEvent]) -> list[Revision]:
        """Everything that is said once these events have come."""
        batches: list[list[Incoming]] = [[] for _ in self._shards]
        for event in events:
            shard = self.shard_of(event)
            offset = self._offsets[shard]
            self._offsets[shard] += 1
            batches[shard].append(
                Incoming(offset, replace(event, rawpos=offset), f"{event.source} {event.id}".encode())
            )
        return self._apply(batches)

    def pass_time(self, now_ms: int) -> list[Revision]:
        """Everything that is said once ledger time has passed on every shard."""
        batches = []
        for shard, offset in enumerate(self._offsets):
            self._offsets[shard] += 1
            batches.append([Incoming(offset, _tick(shard, offset, now_ms), b"tick %d %d" % (shard, offset))])
        return self._apply(batches)

    def _apply(self, batches: list[list[Incoming]]) -> list[Revision]:
        said: list[Revision] = []
        for state, cases, batch in zip(self._shards, self._cases, batches, strict=True):
            applied = self._engine.apply(state, cases, batch)
            said += applied.revisions
            self._held += applied.held
            self._facts += applied.across
        watermark = min(state.ledger_time for state in self._shards)
        if self._gaps is not None:
            due = [fact for fact in self._held if fact.time < watermark]
            self._held = [fact for fact in self._held if fact.time >= watermark]
            said += self._gaps.apply(self._sources, due, watermark)
        passed = [fact for fact in self._facts if fact.time < watermark]
        self._facts = [fact for fact in self._facts if fact.time >= watermark]
        return said + self._across.apply(self._states, passed, watermark)


def _tick(shard: int, offset: int, now_ms: int) -> CanonicalEvent:
    now = format_ms(now_ms)
    return CanonicalEvent(
        specversion="1.0",
        id=f"{shard}-0-{offset}",
        source="urn:balance:replay",
        type=TYPE_TICK,
        time=now,
        receivedtime=now,
        phase="ledger",
        rawgen=0,
        rawpos=offset,
        data={},
    )
