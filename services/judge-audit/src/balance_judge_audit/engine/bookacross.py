"""Compiles the sections of rules across cases, and says which events they need and in which roles."""

from dataclasses import dataclass

from balance_judge_audit.engine.across import AcrossJudge
from balance_judge_audit.engine.acrosskinds import Bursts, Reports
from balance_judge_audit.engine.clauses import PeopleFields
from balance_judge_audit.engine.concentration import Draws, Limits, Pairs
from balance_judge_audit.engine.conditions import Parameters, RuleError
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelacross import Concentration, PeerDeviation
from balance_judge_audit.engine.modelparts import Condition, Selector
from balance_judge_audit.engine.peers import Ratios, Shares
from balance_judge_audit.engine.related import Related
from balance_judge_audit.engine.windows import COURT, span_of


@dataclass(frozen=True, slots=True)
class Role:
    """An event's part in a rule."""

    name: str
    event: str
    where: tuple[Condition, ...]
    key: str
    fields: tuple[str, ...] = ()
    keep_unmet: bool = False
    distinct: PeopleFields | None = None
    without: tuple[str, ...] = ()


def compile_across(rule: Rule, parameters: Parameters, lateness_ms: int) -> tuple[AcrossJudge, list[Role]] | None:
    """The rule's own section, where it is one across cases."""
    if rule.threshold is not None and rule.threshold.across is not None:
        spec = rule.threshold.across
        window = parameters.length_ms(spec.window, "threshold.across.window")
        if not window:
            raise RuleError("threshold.across.window", "is no length of time", "give a number of hours or days")
        least = parameters.scalar(rule.threshold.at_least, "threshold.at_least")
        counted = enumerate(rule.threshold.count)
        roles = [Role("count", each.event, each.where, f"threshold.count[{n}]", (spec.by,)) for n, each in counted]
        return Bursts(rule, spec.by, window, least), roles
    if rule.gap is not None and rule.gap.reports is not None:
        due = rule.gap.reports
        day = parameters.scalar(due.day, "gap.reports.day")
        roles = [Role("report", due.event, due.where, "gap.reports", (due.unit, due.month))]
        return Reports(rule, due.unit, due.month, day, lateness_ms), roles
    if rule.forbidden_transition is not None and rule.forbidden_transition.conflict is not None:
        conflict = rule.forbidden_transition.conflict
        first = conflict.declared
        where = "forbidden_transition.conflict."
        fields = (first.person, first.other, first.until)
        roles = [Role("declared", first.event, first.where, where + "declared", fields)]
        for name, sources in (("court", conflict.court), ("side", conflict.side), ("ended", conflict.ended)):
            roles += [Role(name, each.event, each.where, where + name, each.fields) for each in sources]
        return Related(rule, conflict), roles
    if rule.peer_deviation is not None:
        return _peers(rule, rule.peer_deviation, parameters)
    if rule.concentration is not None:
        return _concentration(rule, rule.concentration, parameters)
    return None


def _peers(rule: Rule, spec: PeerDeviation, parameters: Parameters) -> tuple[AcrossJudge, list[Role]]:
    key = "peer_deviation"
    span, group = span_of(spec, parameters, key), spec.group
    least, far = parameters.scalar(spec.least, f"{key}.least"), parameters.scalar(spec.far, f"{key}.far")
    if (spec.share is None) == (spec.measure is None):
        raise RuleError(key, "says not exactly one of share and measure", "give one of them")
    if spec.share is not None:
        share, where = spec.share, f"{key}.share"
        fields = (share.person, *group)
        roles = _selected("of", share.of, where, fields) + _selected("marked", share.marked, where, fields)
        alpha = parameters.scalar(share.alpha, f"{where}.alpha")
        return Shares(rule, group, span, share.person, least, far, alpha), roles
    assert spec.measure is not None
    measure, where = spec.measure, f"{key}.measure"
    floor = parameters.scalar(measure.floor, f"{where}.floor")
    if floor < 1:
        raise RuleError(f"{where}.floor", "is no spread", "give at least 1 per mille")
    roles = _selected("whole", measure.whole, where, (measure.whole_field,))
    roles += _selected("part", measure.part, where, (measure.part_field, *group))
    roles += _selected("unless", measure.unless, where, ())
    return Ratios(rule, group, span, measure.whole_field, measure.part_field, least, far, floor), roles


def _concentration(rule: Rule, spec: Concentration, parameters: Parameters) -> tuple[AcrossJudge, list[Role]]:
    key = "concentration"
    span, group = span_of(spec, parameters, key), spec.group
    names = {"least": spec.least, "together": spec.together, "chance": spec.chance, "alpha": spec.alpha}
    limits = Limits(**{name: parameters.scalar(each, f"{key}.{name}") for name, each in names.items()})
    if (spec.pair is None) == (spec.draw is None):
        raise RuleError(key, "says not exactly one of pair and draw", "give one of them")
    if spec.draw is not None:
        draw = spec.draw
        roles = _selected("of", draw.of, f"{key}.draw", (draw.person, draw.size, *group))
        return Draws(rule, group, span, limits, draw.person, draw.size), roles
    assert spec.pair is not None
    roles = []
    for name, sources in (("one", spec.pair.one), ("other", spec.pair.other)):
        where = f"{key}.pair.{name}"
        roles += [
            Role(name, each.event, each.where, f"{where}[{n}]", (*each.fields, *_read(group)))
            for n, each in enumerate(sources)
        ]
    return Pairs(rule, group, span, limits), roles


def _selected(name: str, selectors: tuple[Selector, ...], where: str, fields: tuple[str, ...]) -> list[Role]:
    return [
        Role(name, each.event, each.where, f"{where}.{name}[{n}]", _read(fields)) for n, each in enumerate(selectors)
    ]


def _read(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The fields that are read from the event: the court is the case's own, as it is known when the event comes."""
    return tuple(each for each in fields if each != COURT)
