"""Gaps in a source's own counter across all shards, and sources that fall silent (R38).

Facts of all shards are taken in one order, (ledger time, number, leaf hash), once every shard's ledger time has passed
them; a gap is spoken of when it has stayed open for the lateness. So the answer depends neither on how the
shards are read nor on who reads them.
"""

from collections.abc import Iterable, MutableMapping
from heapq import heapify, heappop, heappush
from typing import Final, Literal

import msgspec
from balance_chain.core.times import format_ms

from balance_judge_audit.engine.alerts import Revision, State, Trigger, alert_id
from balance_judge_audit.engine.book import GapRule

SILENCE: Final = "silence"


class SequenceFact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One number of a source's counter that arrived; `time` is its shard's ledger time, which never goes back."""

    time: int
    leaf: bytes
    source: str
    sequence: int
    id: str
    type: str
    shard: int
    offset: int
    least: int = 1
    """A gap of fewer numbers is passed over."""
    partial: bool = False
    """The counter may begin anywhere: what is before its first number is no gap."""


class Gap(msgspec.Struct, array_like=True):
    """Numbers that were passed over: `missing` are closed ranges."""

    start: int
    end: int
    missing: list[tuple[int, int]]
    noticed: int
    seen: SequenceFact
    """The first number after the gap."""
    revision: int = 0
    said: int = 0
    """How many numbers were missing when it was last spoken of."""

    @property
    def open(self) -> int:
        """How many numbers are missing."""
        return sum(last - first + 1 for first, last in self.missing)


class SourceState(msgspec.Struct, array_like=True):
    """One source's counter as far as all shards have passed."""

    top: int = 0
    gaps: list[Gap] = []
    last: SequenceFact | None = None
    silent_revision: int = 0

    @property
    def watched(self) -> bool:
        """Whether it is a source, which must not fall silent; a case may."""
        return self.last is not None and not self.last.partial

    def wake(self, rule: GapRule, lateness: int) -> int | None:
        """When there is next something to say if no number comes."""
        dues = [gap.noticed + lateness for gap in self.gaps if gap.revision == 0]
        if rule.heartbeat_ms is not None and self.watched and self.last is not None and self.silent_revision == 0:
            dues.append(self.last.time + rule.heartbeat_ms)
        return min(dues, default=None)


class GapEngine:
    """Applies the facts of all shards. Pure, like the shards' engine."""

    def __init__(self, rule: GapRule, lateness_ms: int) -> None:
        self._rule = rule
        self._lateness = lateness_ms

    def apply(
        self, sources: MutableMapping[str, SourceState], facts: Iterable[SequenceFact], watermark: int
    ) -> list[Revision]:
        """Takes the facts before the watermark, which every shard's ledger time has passed, and fires what is
        due before it.

        `sources` has those of the facts, and all that are due.
        """
        said: list[Revision] = []
        timers = [
            (wake, name)
            for name, each in sources.items()
            if (wake := each.wake(self._rule, self._lateness)) is not None
        ]
        heapify(timers)
        for fact in sorted(facts, key=lambda each: (each.time, each.sequence, each.leaf)):
            self._fire(sources, timers, fact.time, said)
            state = sources.get(fact.source)
            if state is None:
                state = sources[fact.source] = SourceState()
            self._take(state, fact, said)
            if (wake := state.wake(self._rule, self._lateness)) is not None:
                heappush(timers, (wake, fact.source))
        self._fire(sources, timers, watermark, said)
        return said

    def _take(self, state: SourceState, fact: SequenceFact, said: list[Revision]) -> None:
        if state.silent_revision and state.last is not None:
            said.append(self._silence(state, state.last, 2, "cured", fact.time, fact))
            state.silent_revision = 0
        state.last = fact
        number = fact.sequence
        if fact.partial and state.top == 0:
            state.top = number - 1
        if number > state.top:
            if number > state.top + fact.least:
                first, last = state.top + 1, number - 1
                state.gaps.append(Gap(first, last, [(first, last)], fact.time, fact))
            state.top = number
            return
        for gap in state.gaps:
            if gap.start <= number <= gap.end:
                gap.missing = _without(gap.missing, number)
                if gap.revision and (not gap.missing or gap.open * 2 <= gap.said):
                    said.append(self._say(gap, fact.time, "open" if gap.missing else "cured"))
                break
        state.gaps = [gap for gap in state.gaps if gap.missing]

    def _fire(
        self, sources: MutableMapping[str, SourceState], timers: list[tuple[int, str]], until: int, said: list[Revision]
    ) -> None:
        while timers and timers[0][0] < until:
            wake, name = heappop(timers)
            state = sources[name]
            if state.wake(self._rule, self._lateness) != wake:
                continue  # a number came meanwhile
            for gap in state.gaps:
                if gap.revision == 0 and gap.noticed + self._lateness <= wake:
                    said.append(self._say(gap, wake, "open"))
            heartbeat = self._rule.heartbeat_ms
            if (
                heartbeat is not None
                and state.watched
                and state.last is not None
                and state.silent_revision == 0
                and state.last.time + heartbeat <= wake
            ):
                state.silent_revision = 1
                said.append(self._silence(state, state.last, 1, "open", wake, None))
            if (again := state.wake(self._rule, self._lateness)) is not None:
                heappush(timers, (again, name))

    def _say(self, gap: Gap, now: int, state: State) -> Revision:
        gap.revision += 1
        gap.said = gap.open
        numbers: dict[str, str | int] = {"first_missing": gap.start, "last_missing": gap.end, "missing": gap.open}
        if gap.missing:
            numbers["still_missing_from"] = gap.missing[0][0]
        return self._revision(
            gap.seen, str(gap.start), gap.revision, state, now, (_trigger("after", gap.seen),), numbers
        )

    def _silence(
        self, state: SourceState, last: SequenceFact, revision: int, name: State, now: int, next_: SequenceFact | None
    ) -> Revision:
        triggers = [_trigger("before", last)] + ([_trigger("after", next_)] if next_ else [])
        numbers: dict[str, str | int] = {"last_sequence": state.top, "silent_since": format_ms(last.time)}
        return self._revision(last, f"{SILENCE} {last.time}", revision, name, now, tuple(triggers), numbers)

    def _revision(
        self,
        fact: SequenceFact,
        start: str,
        revision: int,
        state: State,
        now: int,
        triggers: tuple[Trigger, ...],
        numbers: dict[str, str | int],
    ) -> Revision:
        rule = self._rule.rule
        return Revision(
            id=alert_id(rule.id, rule.major, fact.source, start),
            revision=revision,
            rule=rule.id,
            version=rule.version,
            severity=rule.severity,
            state=state,
            private=False,
            subject=fact.source,
            start=start,
            courtcode=None,
            shard=fact.shard,
            judged=format_ms(now),
            triggers=triggers,
            numbers=numbers,
        )


def _without(ranges: list[tuple[int, int]], number: int) -> list[tuple[int, int]]:
    """The same closed ranges without one number."""
    result: list[tuple[int, int]] = []
    for first, last in ranges:
        if not first <= number <= last:
            result.append((first, last))
            continue
        if first < number:
            result.append((first, number - 1))
        if number < last:
            result.append((number + 1, last))
    return result


def _trigger(role: Literal["before", "after"], fact: SequenceFact) -> Trigger:
    return Trigger(
        role, fact.source, fact.id, fact.type, format_ms(fact.time), fact.leaf.hex(), fact.offset, fact.shard
    )
