"""An alert explains itself: what triggered it with proofs, how its limit was counted day by day, the law, what would
have been in order, and what can make it a false alarm.
"""

import json
from collections.abc import Sequence
from typing import Any

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from pydantic import BaseModel

from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.counting import Run, count_days
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.statement import statement_of
from balance_judge_audit.inorder import LANGUAGES, Titles, in_order
from balance_judge_audit.life.answers import event_link, proof_link
from balance_judge_audit.places import PlaceFinder, rule_at

Text = dict[str, str]


class Evidence(BaseModel):
    """An event that the alert rests on: where the verifier shows it, and proves it."""

    role: str
    type: str
    title: Text
    time: str
    source: str
    id: str
    leaf: str
    event: str
    proof: str


class CountedDays(BaseModel):
    """Days one after the other that count alike. `counted`: days of the period over at their end. `confirmed`: whether
    the court's calendar is known for them.
    """

    first: str
    last: str
    days: int
    what: str
    counted: int
    confirmed: bool


class Count(BaseModel):
    """How a limit was counted."""

    period: str
    first: str
    last: str
    confirmed: bool
    days: list[CountedDays]


class Law(BaseModel):
    """An article; `confirmed` only where the text itself was read."""

    law: str
    article: str
    confirmed: bool


class Explanation(BaseModel):
    """Everything that makes an alert checkable."""

    rule: str
    version: str
    title: Text | None
    text: Text | None
    statement: Text | None
    evidence: list[Evidence]
    count: Count | None
    numbers: dict[str, str | int]
    basis: list[Law]
    in_order: list[Text]
    false_alarms: dict[str, list[str]]


class Explainer:
    """Explains alerts by the rule book, the catalogue and the courts' calendars."""

    def __init__(self, book: RuleBook, places: PlaceFinder, verifier: str) -> None:
        self._book = book
        self._places = places
        self._verifier = verifier
        catalogue = Catalogue.load(data_dir("catalogue"))
        self.titles: Titles = {name: {"zh": kind.zh, "en": kind.en} for name, kind in catalogue.types.items()}

    def explain(self, bodies: Sequence[str]) -> Explanation:
        """The explanation of an alert by its last revision, and by the last numbers: a cure has none."""
        history: list[dict[str, Any]] = [json.loads(body) for body in bodies]
        said = history[-1]
        rule = rule_at(self._book, self._places, said["rule"], said["courtcode"], said["subject"])
        numbers: dict[str, str | int] = next((each["numbers"] for each in reversed(history) if each["numbers"]), {})
        return Explanation(
            rule=said["rule"],
            version=said["version"],
            title=rule.title if rule else None,
            text=rule.explanation if rule else None,
            statement=statement_of(rule, [each["numbers"] for each in history]),
            evidence=[self._evidence(each) for each in said["triggers"]],
            count=self._count(said, numbers),
            numbers=numbers,
            basis=[Law(law=each.law, article=each.article, confirmed=each.confirmed) for each in _basis(rule, said)],
            in_order=in_order(rule, numbers, self.titles),
            false_alarms={name: list(texts) for name, texts in rule.false_alarms.items()} if rule else {},
        )

    def _evidence(self, trigger: dict[str, Any]) -> Evidence:
        title = self.titles.get(trigger["type"], dict.fromkeys(LANGUAGES, trigger["type"]))
        place = (self._verifier, trigger["source"], trigger["id"])
        named = {name: trigger[name] for name in ("role", "type", "time", "source", "id", "leaf")}
        return Evidence(**named, title=title, event=event_link(*place), proof=proof_link(*place))

    def _count(self, said: dict[str, Any], numbers: dict[str, str | int]) -> Count | None:
        calendar = self._places(said["courtcode"], said["subject"]).calendar
        runs = count_days(numbers, calendar)
        if not runs:
            return None
        return Count(
            period=str(numbers["period"]),
            first=runs[0].first.isoformat(),
            last=runs[-1].last.isoformat(),
            confirmed=all(each.confirmed for each in runs) and "calendar" not in numbers,
            days=[_days(each) for each in runs],
        )


def _days(run: Run) -> CountedDays:
    return CountedDays(
        first=run.first.isoformat(),
        last=run.last.isoformat(),
        days=run.days,
        what=run.what,
        counted=run.counted,
        confirmed=run.confirmed,
    )


def _basis(rule: Rule | None, said: dict[str, Any]) -> list[Any]:
    """The articles of the jurisdiction in which the alert was raised."""
    here = "us" if str(said["courtcode"] or said["subject"]).startswith("us-") else "cn"
    return [each for each in rule.basis if each.jurisdiction == here] if rule else []
