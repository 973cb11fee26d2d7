"""What clauses of every kind within a case share: which acts they speak of, and which facts belong together."""

from collections.abc import Callable, Iterable
from typing import Final

from balance_judge_audit.engine.alerts import Episode
from balance_judge_audit.engine.facts import Fact, Value
from balance_judge_audit.engine.model import Clause
from balance_judge_audit.engine.modelparts import ANY_TYPE, TeamSource
from balance_judge_audit.engine.view import View

Judge = Callable[[View], list[Episode]]
CLAUSE: Final = "clause"
"""Names, among an alert's numbers, which of a rule's further clauses speaks."""


def agree(one: Value, other: Value) -> bool:
    """Whether two keys belong together: equal, or one in the other's list; where either does not say, they do."""
    if one is None or other is None:
        return True
    if isinstance(one, list):
        return any(each in other for each in one) if isinstance(other, list) else other in one
    return one in other if isinstance(other, list) else one == other


def key_path(spec: Clause, role: str) -> str | None:
    """The field of the key in this role."""
    return spec.key.get(role) if isinstance(spec.key, dict) else spec.key


def key_of(spec: Clause, role: str, fact: Fact) -> Value:
    """What the fact says of the key in this role."""
    path = key_path(spec, role)
    return fact.values.get(path) if path else None


def together(spec: Clause, one: tuple[str, Fact], role: str, facts: Iterable[Fact]) -> list[Fact]:
    """Those of the facts in a role that belong to this one."""
    if spec.key is None:
        return list(facts)
    path, key = key_path(spec, role), key_of(spec, *one)
    if path is None or key is None:
        return list(facts)
    return [fact for fact in facts if agree(key, fact.values.get(path))]


def reasons(spec: Clause, view: View, act: Fact) -> list[tuple[str, Fact]] | None:
    """The facts for which a clause speaks of this act; None where it does not."""
    if not spec.given and not spec.if_any:
        return []
    named: list[tuple[str, Fact]] = []
    if spec.given:
        # What a case was when the act was done is said by the last such event not after it.
        standing = [fact for fact in view.role("given") if not view.earlier(act, fact)]
        if not standing or not view.met(standing[-1], "given"):
            return None
        named.append(("given", standing[-1]))
    if spec.if_any:
        found = next((fact for fact in view.role("if_any") if not view.earlier(act, fact)), None)
        if found is None:
            return None
        named.append(("if_any", found))
    return named


def named_key(fact: Fact) -> str:
    """Names an event within a case, for what was judged of it."""
    return f"{fact.source} {fact.id}"


def all_clauses(clauses: list[tuple[str, Judge]]) -> Judge:
    """The judgement of a rule of several clauses: each speaks of episodes of its own."""
    if len(clauses) == 1 and not clauses[0][0]:
        return clauses[0][1]

    def judge(view: View) -> list[Episode]:
        found: list[Episode] = []
        for name, clause in clauses:
            view.clause = prefix(name)
            found += [_of_clause(name, episode) for episode in clause(view)] if name else clause(view)
        view.clause = ""
        return found

    return judge


def prefix(name: str) -> str:
    """The prefix of the roles and keys of a clause."""
    return f"{name}." if name else ""


def _of_clause(name: str, episode: Episode) -> Episode:
    return Episode(f"{name} {episode.start}", episode.state, episode.triggers, {CLAUSE: name, **episode.numbers})


def names_in(value: object) -> set[str]:
    """The people that a field names."""
    if isinstance(value, list):
        return {each for each in value if isinstance(each, str)}
    return {value} if isinstance(value, str) else set()


class PeopleFields(dict[str, tuple[str, ...]]):
    """Which fields name people, by type of event; those of `*` are read of every type but those that it leaves out.

    A fact has more fields than these: what other rules read of the same event names nobody here.
    """

    def __init__(self, sources: Iterable[TeamSource]) -> None:
        super().__init__()
        self._sources = tuple(sources)

    def __missing__(self, event_type: str) -> tuple[str, ...]:
        read = [
            each.fields
            for each in self._sources
            if each.event == event_type or (each.event == ANY_TYPE and event_type not in each.without)
        ]
        found = self[event_type] = tuple(sorted({path for fields in read for path in fields}))
        return found


def people_of(paths: PeopleFields, fact: Fact) -> set[str]:
    """Whom the fact names in the fields that are read of its type."""
    found: set[str] = set()
    for path in paths[fact.type]:
        value = fact.values.get(path)
        if isinstance(value, str):
            found.add(value)
        elif value is not None:
            found |= names_in(value)
    return found
