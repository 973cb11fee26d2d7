"""Forbidden transitions, sequences, thresholds and segregation of duties within one case."""

from typing import Final

from balance_chain.core.privacy import BYNAME_PREFIX

from balance_judge_audit.engine.alerts import WHOLE_CASE, Episode
from balance_judge_audit.engine.clauses import (
    Judge,
    PeopleFields,
    named_key,
    names_in,
    people_of,
    reasons,
    together,
)
from balance_judge_audit.engine.conditions import Parameters, RuleError
from balance_judge_audit.engine.facts import Fact
from balance_judge_audit.engine.model import (
    ForbiddenTransition,
    People,
    Segregation,
    Sequence,
    Threshold,
)
from balance_judge_audit.engine.view import ALMOST_DAY_MS, View

EVERY_COUNT: Final = 4
"""Up to this count a threshold says each one; then a revision comes when the count has doubled, so that none
floods its readers.
"""
Named = list[tuple[str, Fact]]


def compile_transition(spec: ForbiddenTransition) -> Judge:
    """An act before a state is reached (or the state is never reached, which is judged when the case is quiet), after
    one that was not re-opened, or in any state.
    """

    def judge(view: View) -> list[Episode]:
        if spec.after and not spec.before and not view.role("after"):
            return []
        acts = [(act, why) for act in view.role("act") if (why := reasons(spec, view, act)) is not None]
        if not acts:
            return []
        if spec.before:
            found = _before(spec, view, acts)
        elif spec.after:
            found = _after(spec, view, acts)
        else:
            found = acts
        if not found:
            return []
        triggers: Named = [(role, fact) for _, why in found for role, fact in why]
        named = [*(("act", act) for act, _ in found), *triggers]
        return [Episode(WHOLE_CASE, "open", view.triggers(named), {"acts": len(found)})]

    return judge


def _before(spec: ForbiddenTransition, view: View, acts: list[tuple[Fact, Named]]) -> list[tuple[Fact, Named]]:
    gates = view.role("before")
    found: list[tuple[Fact, Named]] = []
    for act, why in acts:
        own = together(spec, ("act", act), "before", gates)
        if own:
            if all(view.earlier(act, gate) for gate in own):
                found.append((act, [*why, ("before", own[0])]))
        elif view.absent(named_key(act), 0):
            found.append((act, why))
    return found


def _after(spec: ForbiddenTransition, view: View, acts: list[tuple[Fact, Named]]) -> list[tuple[Fact, Named]]:
    gates, reopenings = view.role("after"), view.role("reopened_by")
    found: list[tuple[Fact, Named]] = []
    for act, why in acts:
        passed = [gate for gate in together(spec, ("act", act), "after", gates) if view.earlier(gate, act)]
        # What re-opens one need not re-open another: of two requests for recusal each is decided by itself.
        standing = [gate for gate in passed if not _reopened(spec, view, gate, act, reopenings)]
        if not standing:
            continue
        gate = standing[-1]
        if spec.differs is not None:
            one, other = act.values.get(spec.differs), gate.values.get(spec.differs)
            if one is None or other is None or one == other:
                continue
        found.append((act, [*why, ("after", gate)]))
    return found


def _reopened(spec: ForbiddenTransition, view: View, gate: Fact, act: Fact, reopenings: list[Fact]) -> bool:
    own = together(spec, ("after", gate), "reopened_by", reopenings)
    return any(not view.earlier(each, gate) and not view.earlier(act, each) for each in own)


def compile_sequence(spec: Sequence, parameters: Parameters) -> Judge:
    """An act without the other one that it needs, or without all the people that it needs."""
    if sum(map(bool, (spec.requires, spec.then, spec.people))) != 1:
        raise RuleError("sequence", "says not exactly one of requires, then, people", "give one of them")
    within = parameters.length_ms(spec.within, "sequence.within") if spec.within else None
    if spec.then and within is None:
        raise RuleError("sequence.within", "then has no time to follow in", "give a number of hours or days")
    besides = PeopleFields(spec.people.besides if spec.people else ())

    def judge(view: View) -> list[Episode]:
        bare: Named = []
        numbers: dict[str, str | int] = {}
        for act in view.role("act"):
            why = reasons(spec, view, act)
            if why is None:
                continue
            if spec.people is not None:
                short = _short(spec.people, besides, view, act)
                if short is None or not view.absent(named_key(act), 0):
                    continue
                panel, counts = short
                numbers |= {name: int(numbers.get(name, 0)) + count for name, count in counts.items()}
                bare += [*why, *panel, ("act", act)]
            elif within is not None:
                late = _not_followed(spec, view, act, within)
                if late is not None:
                    bare += [*why, ("act", act), *late]
            elif not _done(spec, view, act) and view.absent(named_key(act), 0):
                bare += [*why, ("act", act)]
        if not bare:
            return []
        acts = sum(role == "act" for role, _ in bare)
        return [Episode(WHOLE_CASE, "open", view.triggers(bare), {"acts": acts, **numbers})]

    return judge


def _done(spec: Sequence, view: View, act: Fact) -> bool:
    own = together(spec, ("act", act), "requires", view.role("requires"))
    return any(spec.any_order or not view.earlier(act, fact) for fact in own)


def _not_followed(spec: Sequence, view: View, act: Fact, within: int) -> Named | None:
    """What followed too late, or nothing where nothing did; None where all is in order."""
    # Where only the day is known, the time runs from its end, and what follows counts from its beginning.
    due = act.time + (ALMOST_DAY_MS if act.day else 0) + within
    after = [fact for fact in together(spec, ("act", act), "then", view.role("then")) if not view.earlier(fact, act)]
    if any(fact.time <= due for fact in after):
        return None
    if after:
        return [("then", after[0])]
    return [] if view.absent(named_key(act), due) else None


def _short(people: People, besides: PeopleFields, view: View, act: Fact) -> tuple[Named, dict[str, int]] | None:
    """How many of the standing list do not take part in the act, and how many do who are not on it."""
    present = names_in(act.values.get(people.present))
    standing: set[str] = set()
    named: Named = []
    for fact in view.role("list"):
        if view.earlier(act, fact):
            break
        listed = names_in(fact.values.get(people.all_of))
        if listed:
            standing, named = listed, [("list", fact)]
        else:
            standing = standing - names_in(fact.values.get(people.removed or "")) | names_in(
                fact.values.get(people.added or "")
            )
            named = [*named, ("list", fact)]
    if not standing or not present:
        return None
    counts = {"missing": len(standing - present)}
    if people.besides:
        others = {name for fact in view.role("besides") for name in people_of(besides, fact)}
        counts["outsiders"] = len(present - standing - others)
    counts = {name: count for name, count in counts.items() if count}
    return (named, counts) if counts else None


def compile_threshold(spec: Threshold, parameters: Parameters) -> Judge:
    """The judgement of one threshold rule."""
    least = parameters.scalar(spec.at_least, "threshold.at_least")
    conditional = bool(spec.given or spec.if_any)

    def judge(view: View) -> list[Episode]:
        facts = view.role("count")
        if conditional:
            facts = [fact for fact in facts if reasons(spec, view, fact) is not None]
        count = len(facts) if conditional else view.count("count")
        if count < least:
            return []
        said = count if count <= max(EVERY_COUNT, least) else 1 << (count.bit_length() - 1)
        named = [("count", fact) for fact in sorted(facts, key=lambda fact: fact.offset)]
        return [Episode(WHOLE_CASE, "open", view.triggers(named[:said]), {"count_at_least": said, "limit": least})]

    return judge


def compile_segregation(spec: Segregation) -> Judge:
    """One person in two duties that must be apart, or one who acts in a case that is not his."""
    if not (spec.not_in or spec.not_of or spec.team):
        raise RuleError("segregation", "says not from whom the person must differ", "give not_in, not_of or team")

    others_paths, team_paths = PeopleFields(spec.not_of), PeopleFields(spec.team)

    def judge(view: View) -> list[Episode]:
        found: Named = []
        team: set[str] | None = None
        for act in view.role("act"):
            people = names_in(act.values.get(spec.person))
            if spec.registered:
                people = {name for name in people if not name.startswith(BYNAME_PREFIX)}
            if not people or reasons(spec, view, act) is None:
                continue
            if any(people & names_in(act.values.get(path)) for path in spec.not_in):
                found.append(("act", act))
                continue
            others = together(spec, ("act", act), "not_of", view.role("not_of"))
            same = [fact for fact in others if people & people_of(others_paths, fact)]
            if same:
                found += [("act", act), ("not_of", same[0])]
                continue
            if spec.team:
                if team is None:
                    team = {name for fact in view.role("team") for name in people_of(team_paths, fact)}
                if people - team and view.absent(named_key(act), 0):
                    found.append(("act", act))
        if not found:
            return []
        acts = sum(role == "act" for role, _ in found)
        return [Episode(WHOLE_CASE, "open", view.triggers(found), {"acts": acts})]

    return judge
