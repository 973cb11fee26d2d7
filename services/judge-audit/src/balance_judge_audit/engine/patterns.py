"""Forbidden transitions, sequences and thresholds within one case (R14, R18, R20, R36)."""

from collections.abc import Callable
from typing import Final

from balance_judge_audit.engine.alerts import WHOLE_CASE, Episode
from balance_judge_audit.engine.conditions import Parameters
from balance_judge_audit.engine.facts import Fact
from balance_judge_audit.engine.model import Threshold
from balance_judge_audit.engine.view import View

EVERY_COUNT: Final = 4
"""Up to this count a threshold says each one; then a revision comes when the count has doubled, so that none
floods its readers.
"""


def forbidden_transition(view: View) -> list[Episode]:
    """An act before the state is reached; or the state is never reached, which is judged when the case is
    quiet.
    """
    acts = view.role("act")
    if not acts:
        return []
    gates = view.role("before")
    if gates:
        gate = gates[0]
        early = [act for act in acts if view.earlier(act, gate)]
        if not early:
            return []
        named = [*(("act", act) for act in early), ("before", gate)]
        return [Episode(WHOLE_CASE, "open", view.triggers(named), {"acts": len(early)})]
    if view.absent(WHOLE_CASE, 0):
        return [Episode(WHOLE_CASE, "open", view.triggers(("act", act) for act in acts), {"acts": len(acts)})]
    return []


def sequence(view: View, conditional: bool) -> list[Episode]:
    """An act without the earlier one that it needs; `conditional` where only some cases need it."""
    given, required = view.role("given"), view.role("requires")
    mark = f"{view.rule}:given"
    bare: list[tuple[str, Fact]] = []
    for act in view.role("act"):
        if conditional:
            # What a case was when the act was done is said by the last such event not after it.
            standing = [fact for fact in given if not view.earlier(act, fact)]
            if not standing or mark not in standing[-1].met:
                continue
            reasons = [("given", standing[-1])]
        else:
            reasons = []
        if any(not view.earlier(act, fact) for fact in required):
            continue
        if view.absent(f"{act.source} {act.id}", 0):
            bare += [*reasons, ("act", act)]
    if not bare:
        return []
    return [Episode(WHOLE_CASE, "open", view.triggers(bare), {"acts": sum(role == "act" for role, _ in bare)})]


def compile_threshold(spec: Threshold, parameters: Parameters) -> Callable[[View], list[Episode]]:
    """The judgement of one threshold rule."""
    least = parameters.scalar(spec.at_least, "threshold.at_least")

    def judge(view: View) -> list[Episode]:
        count = view.count("count")
        if count < least:
            return []
        said = count if count <= max(EVERY_COUNT, least) else 1 << (count.bit_length() - 1)
        named = [("count", fact) for fact in sorted(view.role("count"), key=lambda fact: fact.offset)]
        return [Episode(WHOLE_CASE, "open", view.triggers(named[:said]), {"count_at_least": said, "limit": least})]

    return judge
