"""The rule book, compiled: an index from event type to the rules that name it, so that most events cost
little.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from balance_judge_audit.engine import patterns
from balance_judge_audit.engine.across import AcrossJudge
from balance_judge_audit.engine.alerts import Episode
from balance_judge_audit.engine.bookacross import Role, compile_across
from balance_judge_audit.engine.clauses import Judge, PeopleFields, all_clauses, key_path, prefix
from balance_judge_audit.engine.conditions import Parameters, Read, RuleError, Test, compile_all, reader
from balance_judge_audit.engine.deadline import compile_deadline
from balance_judge_audit.engine.entrynumbers import EntryNumbers, entry_numbers
from balance_judge_audit.engine.model import (
    Deadline,
    Extension,
    ForbiddenTransition,
    Rebase,
    Rule,
    Segregation,
    Sequence,
    Suspension,
    Threshold,
)
from balance_judge_audit.engine.modelparts import ANY_TYPE, Selector, TeamSource
from balance_judge_audit.engine.view import View

OWN_TYPES: Final = ("ledger.", "alert.")
"""Events of the ledger itself: only rules that name them see them, so no alert breeds another by itself."""
NOBODY: Final[list["Watch"]] = []
SPEAKING: Final = ("start", "act", "count")
"""Roles of the kinds within a case without which none of them finds anything or waits for anything."""
CASE_KINDS: Final = ("deadline", "threshold", "forbidden_transition", "sequence", "segregation")
Section = Deadline | Threshold | ForbiddenTransition | Sequence | Segregation


@dataclass(frozen=True, slots=True)
class Watch:
    """One rule's interest in one type of event: the role it plays, when, and which fields are read."""

    rule: str
    mark: str
    test: Test
    jurisdictions: frozenset[str]
    valid_from: date
    valid_to: date | None
    fields: tuple[tuple[str, Read], ...] = ()
    keep_unmet: bool = False
    distinct: PeopleFields | None = None
    """Where there is this, a fact is only kept if it names people that the kept ones do not."""


class Heard:
    """The watches of one type of event in one jurisdiction."""

    def __init__(self, watches: tuple[Watch, ...]) -> None:
        self._watches = watches
        ends = any(each.valid_to is not None for each in watches)
        self._all_from = date.max if ends else max((each.valid_from for each in watches), default=date.min)

    def on(self, day: date) -> tuple[Watch, ...]:
        """Those whose rules were in force on the day of the event."""
        if day >= self._all_from:
            return self._watches
        return tuple(each for each in self._watches if in_force(each, day))


def in_force(watch: Watch, day: date) -> bool:
    """Whether the rule was in force on the day of the event."""
    return watch.valid_from <= day and (watch.valid_to is None or day <= watch.valid_to)


@dataclass(frozen=True, slots=True)
class CaseRule:
    """A rule that judges one case."""

    rule: Rule
    judge: Callable[[View], list[Episode]]
    needs: frozenset[str]
    """Marks of which a case must have one before the rule can have anything to say."""


@dataclass(frozen=True, slots=True)
class GapRule:
    """A rule that reads the counters of sources across shards."""

    rule: Rule
    heartbeat_ms: int | None
    ignored_rejects: frozenset[str]
    entries: dict[str, EntryNumbers] = field(default_factory=dict)
    """By jurisdiction: how the entries of a case are numbered."""


@dataclass(slots=True)
class RuleBook:
    """All rules in force."""

    rules: dict[str, Rule] = field(default_factory=dict)
    policies: dict[str, Rule] = field(default_factory=dict)
    """Rules as a policy took them over, by their keys."""
    cases: dict[str, CaseRule] = field(default_factory=dict)
    gap: GapRule | None = None
    across: dict[str, AcrossJudge] = field(default_factory=dict)
    deadlines: frozenset[str] = frozenset()
    """Rules with a deadline: those that a court's calendar changes."""
    _across: dict[str, list[Watch]] = field(default_factory=dict)
    _by_type: dict[str, list[Watch]] = field(default_factory=dict)
    _heard: dict[tuple[str, str], "Heard"] = field(default_factory=dict)
    _any: list[tuple[tuple[str, ...], Watch]] = field(default_factory=list)

    def watches(self, event_type: str) -> list[Watch]:
        """Who is interested in events of this type."""
        found = self._by_type.get(event_type)
        if found is None:
            own = event_type.startswith(OWN_TYPES)
            found = [] if own else [watch for without, watch in self._any if event_type not in without]
            self._by_type[event_type] = found
        return found

    def heard(self, event_type: str, jurisdiction: str) -> "Heard":
        """The same for a case of this jurisdiction."""
        found = self._heard.get((event_type, jurisdiction))
        if found is None:
            watches = tuple(each for each in self.watches(event_type) if jurisdiction in each.jurisdictions)
            found = self._heard[event_type, jurisdiction] = Heard(watches)
        return found

    def across_watches(self, event_type: str) -> list[Watch]:
        """Which rules across cases are interested in events of this type."""
        return self._across.get(event_type, NOBODY)

    def names(self, event_type: str) -> bool:
        """Whether some rule names events of this type."""
        return bool(self.watches(event_type) or self.across_watches(event_type))

    @property
    def types(self) -> frozenset[str]:
        """Types of event that some rule names."""
        return frozenset(each for each, watches in self._by_type.items() if watches) | self._across.keys()


def compile_book(rules: Iterable[Rule], lateness_ms: int = 0) -> RuleBook:
    """All rules compiled; a rule that cannot mean anything is a RuleError that names its key. `lateness_ms` is how
    long the rules across cases wait for what is late.
    """
    book = RuleBook()
    named: dict[str, list[Watch]] = {}
    for rule in sorted(rules, key=lambda each: each.key):
        if rule.id in book.rules and rule.policy is None:
            raise RuleError("id", f"{rule.id} is there twice", "give each rule one file")
        (book.rules if rule.policy is None else book.policies)[rule.key] = rule
        if rule.policy is not None and book.gap is not None and book.gap.rule.id == rule.id:
            book.gap.entries.update(entry_numbers(rule))
            continue
        parameters = Parameters(rule.parameters)
        across = compile_across(rule, parameters, lateness_ms)
        if across is not None and rule.policy is not None:
            raise RuleError(f"rules.{rule.id}", "is a rule across cases", "a policy takes over rules within cases")
        if across is not None:
            book.across[rule.id], roles = across
            for role in roles:
                book._across.setdefault(role.event, []).append(_watch(rule, parameters, role))
        elif rule.gap is not None:
            if book.gap is not None:
                raise RuleError("kind", f"{rule.id} is a second gap rule", f"change {book.gap.rule.id}")
            if rule.gap.heartbeat is None:
                raise RuleError("gap", "says neither heartbeat nor reports", "give one of them")
            heartbeat = parameters.length_ms(rule.gap.heartbeat, "gap.heartbeat")
            book.gap = GapRule(rule, heartbeat, frozenset(rule.gap.ignored_rejects), entry_numbers(rule))
            continue
        clauses, roles = _compile_rule(rule, parameters, without_own=across is not None)
        if not clauses:
            continue
        needs = frozenset(f"{rule.key}:{role.name}" for role in roles if role.name.rpartition(".")[2] in SPEAKING)
        book.cases[rule.key] = CaseRule(rule, all_clauses(clauses), needs)
        for role in roles:
            watch = _watch(rule, parameters, role)
            if role.event == ANY_TYPE:
                book._any.append((role.without, watch))
            else:
                named.setdefault(role.event, []).append(watch)
    book.deadlines = frozenset(key for key, each in book.cases.items() if _has_deadline(each.rule))
    for event_type, watches in named.items():
        book._by_type[event_type] = watches + book.watches(event_type)
    return book


def _has_deadline(rule: Rule) -> bool:
    return rule.deadline is not None or any(each.deadline is not None for each in rule.also)


def _compile_rule(rule: Rule, parameters: Parameters, without_own: bool) -> tuple[list[tuple[str, Judge]], list[Role]]:
    """The rule's own section, unless that is one across cases, and its further clauses."""
    clauses: list[tuple[str, Judge]] = []
    roles: list[Role] = []
    for name, part, where in [("", rule, ""), *((each.name, each, f"also.{each.name}.") for each in rule.also)]:
        if not name and without_own:
            continue
        sections = [getattr(part, kind) for kind in CASE_KINDS if getattr(part, kind) is not None]
        if len(sections) != 1 or (name and name in dict(clauses)):
            raise RuleError(where or rule.kind, "is not one section of a name of its own", f"use one of {CASE_KINDS}")
        judge, own = _compile_section(sections[0], parameters)
        clauses.append((name, judge))
        roles += [replace(role, name=prefix(name) + role.name, key=where + role.key) for role in own]
    return clauses, roles


def _compile_section(spec: Section, parameters: Parameters) -> tuple[Judge, list[Role]]:
    roles: list[Role] = []

    def add(role: str, selectors: tuple[Selector, ...], *fields: str | None, **more: Any) -> None:
        named = tuple(each for each in (key_path(spec, role), *fields) if each is not None)
        for number, each in enumerate(selectors):
            roles.append(Role(role, each.event, each.where, f"{kind}.{role}[{number}]", named, **more))

    def people(role: str, sources: tuple[TeamSource, ...], distinct: PeopleFields | None = None) -> None:
        for number, each in enumerate(sources):
            key = key_path(spec, role)
            fields = (key, *each.fields) if key else each.fields
            where = f"{kind}.{role}[{number}]"
            roles.append(Role(role, each.event, each.where, where, fields, distinct=distinct, without=each.without))

    match spec:
        case Deadline():
            kind, judge = "deadline", compile_deadline(spec, parameters)
            roles += _deadline_roles(spec)
        case Threshold():
            kind, judge = "threshold", patterns.compile_threshold(spec, parameters)
            add("count", spec.count, without=spec.except_types)
        case ForbiddenTransition():
            kind, judge = "forbidden_transition", patterns.compile_transition(spec)
            add("act", spec.act, spec.differs)
            add("before", spec.before)
            add("after", spec.after, spec.differs)
            add("reopened_by", spec.reopened_by)
        case Sequence():
            kind, judge = "sequence", patterns.compile_sequence(spec, parameters)
            persons = spec.people
            add("act", spec.act, persons.present if persons else None)
            add("requires", spec.requires)
            add("then", spec.then)
            if persons:
                add("list", persons.listed, persons.all_of, persons.added, persons.removed)
                people("besides", persons.besides, PeopleFields(persons.besides))
        case Segregation():
            kind, judge = "segregation", patterns.compile_segregation(spec)
            add("act", spec.act, spec.person, *spec.not_in)
            people("not_of", spec.not_of)
            people("team", spec.team, PeopleFields(spec.team))
    add("given", spec.given, keep_unmet=True)
    add("if_any", spec.if_any)
    return judge, roles


def _deadline_roles(spec: Deadline) -> list[Role]:
    roles: list[Role] = []

    def add(role: str, each: Selector | Extension | Suspension | Rebase, key: str, *fields: str | None) -> None:
        named = tuple(path for path in (key_path(spec, role), *fields) if path is not None)
        roles.append(Role(role, each.event, each.where, f"deadline.{key}", named))

    for number, start in enumerate(spec.starts):
        add("start", start, f"starts[{number}]", spec.limit.by, spec.amount)
    for number, stop in enumerate(spec.stops):
        add("stop", stop, f"stops[{number}]")
    for number, end in enumerate(spec.ends):
        add("end", end, f"ends[{number}]", spec.amount)
        if end.final:
            add("final", end, f"ends[{number}]")
    for extension in spec.extended_by:
        add("extend", extension, "extended_by", extension.until)
    for suspension in spec.suspended_by:
        add("suspend", suspension, "suspended_by", suspension.action, suspension.key)
    for rebase in spec.rebased_by:
        add("rebase", rebase, "rebased_by", rebase.to)
    return roles


def _watch(rule: Rule, parameters: Parameters, role: Role) -> Watch:
    return Watch(
        rule=rule.key,
        mark=f"{rule.key}:{role.name}",
        test=compile_all(role.where, parameters, role.key),
        jurisdictions=frozenset(rule.jurisdiction),
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
        fields=tuple((path, reader(path, role.key)) for path in role.fields),
        keep_unmet=role.keep_unmet,
        distinct=role.distinct,
    )
