"""What would have been in order: a rule's own conditions, said the other way round, in Chinese and English."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from balance_judge_audit.engine.model import Deadline, ForbiddenTransition, Rule, Segregation, Sequence, Threshold
from balance_judge_audit.engine.modelparts import ANY_TYPE, Selector

Text = dict[str, str]
Titles = Mapping[str, Text]
"""The name of each event type."""
LANGUAGES: Final = ("zh", "en")
_SAYINGS: Final[dict[str, Text]] = {
    "by": {"zh": "{last_day} 届满前有：{ends}", "en": "By the end of {last_day}: {ends}"},
    "not_before": {"zh": "{ends}不早于 {last_day}", "en": "{ends} not before {last_day}"},
    "fewer": {"zh": "{acts}少于 {number} 次", "en": "Fewer than {number} of: {acts}"},
    "first": {"zh": "先有：{other}；后有：{acts}", "en": "First: {other}; then: {acts}"},
    "not_after": {"zh": "{other}之后不再有：{acts}", "en": "After {other}, no more of: {acts}"},
    "never": {"zh": "不在所述情形下发生：{acts}", "en": "Not under the conditions that the rule names: {acts}"},
    "apart": {
        "zh": "有申报关系的人员不在同一案件中分处两方",
        "en": "People with a declared relation do not meet in one case",
    },
    "requires": {"zh": "{acts}之前有：{other}", "en": "Before {acts}: {other}"},
    "any_order": {"zh": "除{acts}外还有：{other}", "en": "Beside {acts}: {other}"},
    "then": {"zh": "{acts}后 {number}内有：{other}", "en": "Within {number} of {acts}: {other}"},
    "everyone": {"zh": "名单上的每个人都参加：{acts}", "en": "Everybody on the list takes part in: {acts}"},
    "duties": {"zh": "{acts}由规则允许的人进行", "en": "{acts} by somebody whom the rule allows it"},
    "no_gap": {
        "zh": "来源的每个序号都到达，且不长时间静默",
        "en": "Every number of the source arrives, and it is not silent for long",
    },
    "reports": {"zh": "每月按期报告，无情况也报告", "en": "A report every month, also when there is nothing to report"},
    "chance": {"zh": "差异不超出偶然可能的范围", "en": "Differences no greater than chance would bring"},
    "touched": {"zh": "在期限内有人处理该预警", "en": "Somebody acts on the alert within its time"},
}
_UNITS: Final[dict[str, Text]] = {
    "hours": {"zh": "小时", "en": "hours"},
    "days": {"zh": "日", "en": "days"},
    "working_days": {"zh": "个工作日", "en": "working days"},
    "months": {"zh": "个月", "en": "months"},
}


def in_order(rule: Rule | None, numbers: Mapping[str, str | int], titles: Titles) -> list[Text]:
    """One sentence a clause of the rule; an escalation has no rule."""
    if rule is None:
        return [_SAYINGS["touched"]] if "of_rule" in numbers else []
    found = list(_sentences(rule, numbers, titles))
    for each in rule.also:
        found += _clauses(rule, each, numbers, titles)
    return found


def _sentences(rule: Rule, numbers: Mapping[str, str | int], titles: Titles) -> Iterator[Text]:
    yield from _clauses(rule, rule, numbers, titles)
    if rule.gap is not None:
        yield _SAYINGS["reports" if rule.gap.reports is not None else "no_gap"]
    if rule.peer_deviation is not None or rule.concentration is not None:
        yield _SAYINGS["chance"]


def _clauses(rule: Rule, part: object, numbers: Mapping[str, str | int], titles: Titles) -> Iterator[Text]:
    for name, say in (
        ("deadline", _deadline),
        ("threshold", _threshold),
        ("forbidden_transition", _transition),
        ("sequence", _sequence),
        ("segregation", _segregation),
    ):
        section = getattr(part, name)
        if section is not None:
            key, values = say(rule, section, titles)
            yield {
                language: _SAYINGS[key][language].format(
                    last_day=numbers.get("last_day", "…"), **{name: text[language] for name, text in values.items()}
                )
                for language in LANGUAGES
            }


def _deadline(rule: Rule, section: Deadline, titles: Titles) -> tuple[str, dict[str, Text]]:
    return ("not_before" if section.minimum else "by", {"ends": _names(section.ends, titles)})


def _threshold(rule: Rule, section: Threshold, titles: Titles) -> tuple[str, dict[str, Text]]:
    return "fewer", {"acts": _names(section.count, titles), "number": _number(rule, section.at_least)}


def _transition(rule: Rule, section: ForbiddenTransition, titles: Titles) -> tuple[str, dict[str, Text]]:
    if section.conflict is not None:
        return "apart", {}
    acts = {"acts": _names(section.act, titles)}
    if section.before:
        return "first", {**acts, "other": _names(section.before, titles)}
    if section.after:
        return "not_after", {**acts, "other": _names(section.after, titles)}
    return "never", acts


def _sequence(rule: Rule, section: Sequence, titles: Titles) -> tuple[str, dict[str, Text]]:
    acts = {"acts": _names(section.act, titles)}
    if section.requires:
        return ("any_order" if section.any_order else "requires"), {**acts, "other": _names(section.requires, titles)}
    if section.then and section.within:
        return "then", {**acts, "other": _names(section.then, titles), "number": _number(rule, section.within)}
    return "everyone", acts


def _segregation(rule: Rule, section: Segregation, titles: Titles) -> tuple[str, dict[str, Text]]:
    return "duties", {"acts": _names(section.act, titles)}


def _names(selectors: Iterable[Selector], titles: Titles) -> Text:
    types = list(dict.fromkeys(each.event for each in selectors))
    anything = {"zh": "任何事件", "en": "any event"}
    named = [anything if each == ANY_TYPE else titles.get(each, {"zh": each, "en": each}) for each in types]
    return {
        language: ("、" if language == "zh" else ", ").join(each[language] for each in named) for language in LANGUAGES
    }


def _number(rule: Rule, reference: str | int) -> Text:
    parameter = rule.parameters.get(reference[1:]) if isinstance(reference, str) else None
    if parameter is None:
        return dict.fromkeys(LANGUAGES, str(reference))
    unit = _UNITS.get(parameter.unit, {"zh": "", "en": ""})
    return {"zh": f"{parameter.value} {unit['zh']}".strip(), "en": f"{parameter.value} {unit['en']}".strip()}
