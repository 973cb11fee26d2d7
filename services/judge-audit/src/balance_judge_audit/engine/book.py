"""The rule book, compiled: an index from event type to the rules that name it, so that most events cost
little.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from balance_judge_audit.engine import patterns
from balance_judge_audit.engine.alerts import Episode
from balance_judge_audit.engine.conditions import Parameters, Read, RuleError, Test, compile_all, reader
from balance_judge_audit.engine.deadline import compile_deadline
from balance_judge_audit.engine.model import ANY_TYPE, Condition, Deadline, Rule, Selector
from balance_judge_audit.engine.view import View

OWN_TYPES: Final = ("ledger.", "alert.")
"""Events of the ledger itself: no rule over `*` sees them, so no alert breeds another."""


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


@dataclass(frozen=True, slots=True)
class CaseRule:
    """A rule that judges one case."""

    rule: Rule
    judge: Callable[[View], list[Episode]]


@dataclass(frozen=True, slots=True)
class GapRule:
    """A rule that reads the counters of sources across shards."""

    rule: Rule
    heartbeat_ms: int | None
    ignored_rejects: frozenset[str]


@dataclass(slots=True)
class RuleBook:
    """All rules in force."""

    rules: dict[str, Rule] = field(default_factory=dict)
    cases: dict[str, CaseRule] = field(default_factory=dict)
    gap: GapRule | None = None
    _by_type: dict[str, list[Watch]] = field(default_factory=dict)
    _any: list[tuple[tuple[str, ...], Watch]] = field(default_factory=list)

    def watches(self, event_type: str) -> list[Watch]:
        """Who is interested in events of this type."""
        found = self._by_type.get(event_type)
        if found is None:
            own = event_type.startswith(OWN_TYPES)
            found = [] if own else [watch for without, watch in self._any if event_type not in without]
            self._by_type[event_type] = found
        return found

    @property
    def types(self) -> frozenset[str]:
        """Types of event that some rule names."""
        return frozenset(each for each, watches in self._by_type.items() if watches)


def compile_book(rules: Iterable[Rule]) -> RuleBook:
    """All rules compiled; a rule that cannot mean anything is a RuleError that names its key."""
    book = RuleBook()
    named: dict[str, list[Watch]] = {}
    for rule in sorted(rules, key=lambda each: each.id):
        if rule.id in book.rules:
            raise RuleError("id", f"{rule.id} is there twice", "give each rule one file")
        book.rules[rule.id] = rule
        parameters = Parameters(rule.parameters)
        if rule.gap is not None:
            if book.gap is not None:
                raise RuleError("kind", f"{rule.id} is a second gap rule", f"change {book.gap.rule.id}")
            heartbeat = parameters.length_ms(rule.gap.heartbeat, "gap.heartbeat")
            book.gap = GapRule(rule, heartbeat, frozenset(rule.gap.ignored_rejects))
            continue
        judge, roles, without = _compile_kind(rule, parameters)
        book.cases[rule.id] = CaseRule(rule, judge)
        for role in roles:
            watch = _watch(rule, parameters, role)
            if role.event == ANY_TYPE:
                book._any.append((without, watch))
            else:
                named.setdefault(role.event, []).append(watch)
    for event_type, watches in named.items():
        book._by_type[event_type] = watches + book.watches(event_type)
    return book


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    event: str
    where: tuple[Condition, ...]
    key: str
    fields: tuple[str, ...] = ()
    keep_unmet: bool = False


def _compile_kind(
    rule: Rule, parameters: Parameters
) -> tuple[Callable[[View], list[Episode]], list[_Role], tuple[str, ...]]:
    if rule.deadline is not None:
        return compile_deadline(rule.deadline, parameters), _deadline_roles(rule.deadline), ()
    if rule.threshold is not None:
        roles = list(_roles("count", rule.threshold.count, "threshold.count"))
        return patterns.compile_threshold(rule.threshold, parameters), roles, rule.threshold.except_types
    if rule.forbidden_transition is not None:
        spec = rule.forbidden_transition
        roles = [
            *_roles("act", spec.act, "forbidden_transition.act"),
            *_roles("before", spec.before, "forbidden_transition.before"),
        ]
        return patterns.forbidden_transition, roles, ()
    if rule.sequence is not None:
        order = rule.sequence
        roles = [
            *_roles("act", order.act, "sequence.act"),
            *_roles("requires", order.requires, "sequence.requires"),
            *_roles("given", order.given, "sequence.given", keep_unmet=True),
        ]
        conditional = bool(order.given)
        return lambda view: patterns.sequence(view, conditional), roles, ()
    raise RuleError(rule.kind, "the section of the rule's kind is absent", f"add {rule.kind}: with its keys")


def _roles(name: str, selectors: tuple[Selector, ...], key: str, keep_unmet: bool = False) -> Iterable[_Role]:
    for number, each in enumerate(selectors):
        yield _Role(name, each.event, each.where, f"{key}[{number}]", keep_unmet=keep_unmet)


def _deadline_roles(spec: Deadline) -> list[_Role]:
    choice = (spec.limit.by,) if spec.limit.by else ()
    roles = [_Role("start", each.event, each.where, "deadline.starts", choice) for each in spec.starts]
    roles += _roles("stop", spec.stops, "deadline.stops")
    for number, end in enumerate(spec.ends):
        roles.append(_Role("end", end.event, end.where, f"deadline.ends[{number}]"))
        if end.final:
            roles.append(_Role("final", end.event, end.where, f"deadline.ends[{number}]"))
    for extension in spec.extended_by:
        roles.append(_Role("extend", extension.event, extension.where, "deadline.extended_by", (extension.until,)))
    for suspension in spec.suspended_by:
        fields = (suspension.action, suspension.key) if suspension.key else (suspension.action,)
        roles.append(_Role("suspend", suspension.event, suspension.where, "deadline.suspended_by", fields))
    for rebase in spec.rebased_by:
        roles.append(_Role("rebase", rebase.event, rebase.where, "deadline.rebased_by", (rebase.to,)))
    return roles


def _watch(rule: Rule, parameters: Parameters, role: _Role) -> Watch:
    return Watch(
        rule=rule.id,
        mark=f"{rule.id}:{role.name}",
        test=compile_all(role.where, parameters, role.key),
        jurisdictions=frozenset(rule.jurisdiction),
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
        fields=tuple((path, reader(path, role.key)) for path in role.fields),
        keep_unmet=role.keep_unmet,
    )
