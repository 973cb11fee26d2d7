"""Which rules hold in a jurisdiction, and with which parameters: a policy, which is data like the rules themselves.

A rule's file is written for one procedure law. A policy takes single rules over for another, with parameters and a
basis of its own; no rule that it does not name runs there. So days of one country's law are never counted on another
country's dates.
"""

from collections.abc import Collection, Iterable
from datetime import date

import msgspec
from msgspec.structs import replace

from balance_judge_audit.engine.conditions import RuleError
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelparts import Base, Basis, Parameter, Scalar, Text


class Taken(Base, frozen=True, kw_only=True):
    """A rule that a policy takes over, and why; `parameters` are values in the place of the rule's own."""

    why: Text
    basis: tuple[Basis, ...]
    parameters: dict[str, Scalar | tuple[str, ...]] = msgspec.field(default_factory=dict)
    false_alarms: dict[str, tuple[str, ...]] | None = None
    valid_from: date


class Policy(Base, frozen=True, kw_only=True):
    """One file of `rules/policies`. `left_out`: why the other rules do not hold there."""

    id: str
    jurisdiction: str
    title: Text
    rules: dict[str, Taken]
    left_out: Text
    owner: str


def apply_policies(rules: Iterable[Rule], policies: Iterable[Policy]) -> list[Rule]:
    """The rules as they hold everywhere: each as it is written, less the jurisdictions that have a policy, and each
    policy's own.
    """
    written = {rule.id: rule for rule in rules}
    given = list(policies)
    ruled = {policy.jurisdiction for policy in given}
    if len(ruled) < len(given):
        raise RuleError("jurisdiction", "has two policies", "keep one for each jurisdiction")
    result = []
    for rule in written.values():
        left = tuple(each for each in rule.jurisdiction if each not in ruled)
        result.append(replace(rule, jurisdiction=left) if left != rule.jurisdiction else rule)
    for policy in given:
        for name, taken in policy.rules.items():
            if name not in written:
                raise RuleError(f"rules.{name}", "is no rule of the book", "name one")
            result.append(_taken(written[name], policy, taken))
    return result


def narrowed(policies: Iterable[Policy], rules: Collection[str]) -> list[Policy]:
    """The policies as far as they speak of these rules."""
    return [
        replace(each, rules={name: taken for name, taken in each.rules.items() if name in rules}) for each in policies
    ]


def _taken(rule: Rule, policy: Policy, taken: Taken) -> Rule:
    parameters = dict(rule.parameters)
    for name, value in taken.parameters.items():
        known = parameters.get(name)
        if known is None:
            raise RuleError(f"rules.{rule.id}.parameters.{name}", "is no parameter of the rule", "name one")
        parameters[name] = Parameter(value=value, unit=known.unit, zh=known.zh, en=known.en)
    return replace(
        rule,
        jurisdiction=(policy.jurisdiction,),
        parameters=parameters,
        basis=taken.basis,
        false_alarms=taken.false_alarms or rule.false_alarms,
        valid_from=taken.valid_from,
        valid_to=None,
        policy=policy.id,
    )
