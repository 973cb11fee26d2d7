"""How an event becomes a fact: kept in its case for the rules that name it, or held for the rules across cases."""

from zoneinfo import ZoneInfo

from balance_chain.core.events import CanonicalEvent

from balance_judge_audit.engine.about import court_actor
from balance_judge_audit.engine.across import HeldFact
from balance_judge_audit.engine.book import Watch
from balance_judge_audit.engine.clauses import names_in, people_of
from balance_judge_audit.engine.facts import FACTS_KEPT, LIST_KEPT, CaseState, Fact, Value


def held(
    watch: Watch, event: CanonicalEvent, at: tuple[int, int, int], court: str | None, zone: ZoneInfo, leaf: bytes
) -> HeldFact:
    """The event as a fact for a rule across cases; `at` is its shard's ledger time, the shard and the offset."""
    return HeldFact(
        time=at[0],
        leaf=leaf,
        rule=watch.rule,
        role=watch.mark.partition(":")[2],
        at=event.time_ms,
        zone=zone.key,
        case=event.caseid or "",
        court=court,
        values={path: _value(read(event)) for path, read in watch.fields},
        source=event.source,
        id=event.id,
        type=event.type,
        shard=at[1],
        offset=at[2],
    )


def remember(
    state: CaseState, event: CanonicalEvent, offset: int, leaf: bytes, marks: list[tuple[Watch, bool]]
) -> set[str]:
    """Keeps the event as a fact for the rules that name it, or only counts it where there are too many; says
    which rules.
    """
    kept: list[Watch] = []
    met: list[str] = []
    changed: set[str] = set()
    for watch, holds in marks:
        if watch.distinct is not None and not _names_anyone_new(state, watch, event):
            continue
        changed.add(watch.rule)
        if len(state.by_mark.get(watch.mark, ())) >= FACTS_KEPT:
            state.extra[watch.mark] = state.extra.get(watch.mark, 0) + 1
            continue
        kept.append(watch)
        if holds and watch.keep_unmet:
            met.append(watch.mark)
    if kept:
        fact = Fact(
            time=event.time_ms,
            day=event.precision == "day",
            offset=offset,
            type=event.type,
            source=event.source,
            id=event.id,
            leaf=leaf.hex(),
            marks=tuple([watch.mark for watch in kept]),
            values={path: _value(read(event)) for watch in kept for path, read in watch.fields},
            met=tuple(met),
            actor=court_actor(event),
        )
        state.keep(fact)
        for watch in kept:
            if watch.distinct is not None:
                state.people[watch.mark] |= people_of(watch.distinct, fact)
    return changed


def _names_anyone_new(state: CaseState, watch: Watch, event: CanonicalEvent) -> bool:
    """Whether a fact kept for the people that it names would add one to those of the same role."""
    assert watch.distinct is not None
    known = state.people.get(watch.mark)
    if known is None:
        facts = state.by_mark.get(watch.mark, ())
        known = state.people[watch.mark] = {name for fact in facts for name in people_of(watch.distinct, fact)}
    for _, read in watch.fields:
        value = read(event)
        if isinstance(value, str):
            if value not in known:
                return True
        elif value is not None and not names_in(value) <= known:
            return True
    return False


def _value(value: object) -> Value:
    if isinstance(value, list):
        return [each for each in value if isinstance(each, str)][:LIST_KEPT]
    return value if isinstance(value, str | int) else None
