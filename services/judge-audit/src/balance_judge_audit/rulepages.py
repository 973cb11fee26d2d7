"""The rule book for people, and its history: which rule says what by which law, how it changed, and rules on trial."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

from balance_chain.core.times import format_ms
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Path, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from balance_judge_audit import repository_rules
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.guarding import sees_all
from balance_judge_audit.life.access import Access
from balance_judge_audit.life.people import Person
from balance_judge_audit.queries import EVERYTHING
from balance_judge_audit.repository import Pool
from balance_judge_audit.repository_rules import ShadowPair
from balance_judge_audit.rulechanges import texts
from balance_judge_audit.settings import ApiSettings
from balance_judge_audit.site import SITE

SHOWN: Final = 100


class RuleChange(BaseModel):
    """A sealed change of a rule: `rule.changed`, with its place in the log."""

    rule: str
    to: str
    digest: str | None
    time: str
    received: str
    source: str
    id: str
    leaf: str
    shard: int
    offset: int
    before: str | None


class ShadowRule(BaseModel):
    """A rule on trial, and how its alerts stand to the live one's."""

    rule: str
    version: str
    live: str | None
    added: int
    gone: int
    same: int
    changed: int


class Shadow(BaseModel):
    """The rules on trial; `behind` records have been judged by the live book and not yet by them."""

    behind: int | None
    rules: list[ShadowRule]


class ShadowDifference(BaseModel):
    """One episode on which the live rule and the one on trial differ."""

    verdict: str
    subject: str
    start: str
    live: dict[str, Any] | None
    shadow: dict[str, Any] | None


def add_rule_pages(
    app: FastAPI,
    book: RuleBook,
    trial: RuleBook | None,
    access: Access,
    pool: Callable[[], Pool],
    settings: ApiSettings,
) -> None:
    """The pages and the API of the rule book's history and of rules on trial."""
    desk = _RuleDesk(book, trial, access, pool, settings)
    app.get("/v1/rules/{rule_id}/history")(desk.history)
    app.get("/v1/shadow")(desk.shadow)
    app.get("/v1/shadow/{rule_id}")(desk.differences)
    options: dict[str, Any] = {"include_in_schema": False, "response_class": HTMLResponse}
    app.get("/rules", **options)(desk.rules_page)
    app.get("/rules/{rule_id}", **options)(desk.rule_page)


class _RuleDesk:
    def __init__(
        self,
        book: RuleBook,
        trial: RuleBook | None,
        access: Access,
        pool: Callable[[], Pool],
        settings: ApiSettings,
    ) -> None:
        self._book = book
        self._access = access
        self._trial: dict[str, Rule] = trial.rules if trial else {}
        self._pool = pool
        self._names = (settings.audit_schema, settings.shadow_schema)

    async def history(self, rule_id: Annotated[str, Path()]) -> list[RuleChange]:
        """Sealed changes of a rule, the latest first."""
        changes = texts(await repository_rules.history(self._pool(), rule_id)) if "\0" not in rule_id else []
        if not changes and rule_id not in self._book.rules:
            raise ProblemError(404, "No such rule", "GET /v1/rules lists them.")
        return [RuleChange(**{**each, "before": each["from"]}) for each in changes]

    async def shadow(self, request: Request) -> Shadow:
        """Rules on trial: judged beside the live ones, never published."""
        await sees_all(self._access, request)
        return await self._compared()

    async def _compared(self) -> Shadow:
        pool = self._pool()
        if not self._trial or not await repository_rules.has_shadow(pool, self._names[1]):
            return Shadow(behind=None, rules=[])
        counts = await repository_rules.shadow_counts(pool, *self._names, sorted(self._trial))
        rules = []
        for each in counts:
            live = self._book.rules.get(each.rule)
            told = {"added": each.added, "gone": each.gone, "same": each.same, "changed": each.changed}
            version = self._trial[each.rule].version
            rules.append(ShadowRule(rule=each.rule, version=version, live=live.version if live else None, **told))
        return Shadow(behind=await repository_rules.shadow_behind(pool, *self._names), rules=rules)

    async def differences(self, request: Request, rule_id: Annotated[str, Path()]) -> list[ShadowDifference]:
        """The alerts on which a rule on trial differs from the live one, the first of them."""
        await sees_all(self._access, request)
        return await self._differences(rule_id)

    async def _differences(self, rule_id: str) -> list[ShadowDifference]:
        pool = self._pool()
        if rule_id not in self._trial or not await repository_rules.has_shadow(pool, self._names[1]):
            raise ProblemError(404, "No such rule on trial", "GET /v1/shadow lists them.")
        pairs = await repository_rules.shadow_pairs(pool, *self._names, rule_id, SHOWN)
        return [_difference(each) for each in pairs]

    async def rules_page(self, request: Request) -> HTMLResponse:
        """The whole book."""
        changes = texts((await repository_rules.history(self._pool()))[:SHOWN])
        person, all_courts = await self._reader(request)
        trial = self._trial if all_courts else {}
        return SITE.render(
            request,
            "rules.html",
            rules=list(self._book.rules.values()),
            changes=changes,
            shadow=await self._compared() if trial else None,
            trial=trial,
            person=person,
            may_sign_in=self._access.people is not None,
        )

    async def _reader(self, request: Request) -> tuple[Person | None, bool]:
        """Who asks, and whether he may see what speaks of all courts. The book itself is everybody's."""
        person = await self._access.person(request)
        try:
            return person, await self._access.scope(person) == EVERYTHING
        except ProblemError:
            return person, False

    async def rule_page(self, request: Request, rule_id: Annotated[str, Path()]) -> HTMLResponse:
        """One rule."""
        rule = self._book.rules.get(rule_id) or self._trial.get(rule_id)
        if rule is None:
            return SITE.render(request, "message.html", 404, message="no_rule")
        changes = texts(await repository_rules.history(self._pool(), rule_id))
        person, all_courts = await self._reader(request)
        compared = (await self._compared()).rules if all_courts else []
        shadow = next((each for each in compared if each.rule == rule_id), None)
        pairs = await self._differences(rule_id) if shadow else []
        live = rule_id in self._book.rules
        return SITE.render(
            request,
            "rule.html",
            rule=rule,
            live=live,
            changes=changes,
            shadow=shadow,
            pairs=pairs,
            person=person,
            may_sign_in=self._access.people is not None,
        )


def _difference(pair: ShadowPair) -> ShadowDifference:
    return ShadowDifference(
        verdict=pair.verdict,
        subject=pair.subject,
        start=pair.start,
        live=_side(pair.live_raised, pair.live),
        shadow=_side(pair.shadow_raised, pair.shadow),
    )


def _side(raised: int | None, body: str | None) -> dict[str, Any] | None:
    if raised is None or body is None:
        return None
    said = json.loads(body)
    told = {name: said[name] for name in ("version", "severity", "state", "revision", "judged", "numbers")}
    return {"raised": format_ms(raised), **told}
