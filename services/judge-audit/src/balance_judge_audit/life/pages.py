"""The page of one alert: it explains itself, shows what was done with it, and takes acts; and signing in and out.

Forms work without scripts. A form carries an id of its own, so that a repeated click is one act.
"""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from balance_chain.web.pages import language_of
from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from balance_judge_audit import queries
from balance_judge_audit.engine.escalation import RULE
from balance_judge_audit.explaining import Explainer
from balance_judge_audit.life.access import COOKIE, Access
from balance_judge_audit.life.acting import TYPE, Acting, Asked
from balance_judge_audit.life.lives import Lives
from balance_judge_audit.life.people import MAY, Person
from balance_judge_audit.life.routes import ActionRequest, actor, visible
from balance_judge_audit.repository import Pool
from balance_judge_audit.settings import ApiSettings
from balance_judge_audit.shown import ordered, shown
from balance_judge_audit.site import SITE
from balance_judge_audit.wallclock import now_ms

FORM_BYTES: Final = 65_536
FIELDS: Final = ("id", "act", "reason", "verdict", "assignee", "revision")
HTML: Final[dict[str, Any]] = {"include_in_schema": False, "response_class": HTMLResponse}


class AlertPages:
    """Routes of one alert's page and of signing in."""

    def __init__(
        self,
        settings: ApiSettings,
        access: Access,
        acting: Acting,
        lives: Lives,
        explainer: Explainer,
        pool: Callable[[], Pool],
    ) -> None:
        self._hours = settings.session_hours
        self._access = access
        self._acting = acting
        self._lives = lives
        self._explainer = explainer
        self._pool = pool

    def add(self, app: FastAPI) -> None:
        """The routes."""
        app.get("/alerts/{alert_id}", **HTML)(self.alert)
        app.post("/alerts/{alert_id}/act", **HTML)(self.act)
        app.get("/sign-in", **HTML)(self.sign_in_page)
        app.post("/sign-in", **HTML)(self.sign_in)
        app.post("/sign-out", **HTML)(self.sign_out)

    async def alert(self, request: Request, alert_id: Annotated[str, Path()]) -> Response:
        """One alert."""
        person = await self._access.person(request)
        return await self._alert(request, alert_id, person)

    async def act(self, request: Request, alert_id: Annotated[str, Path()]) -> Response:
        """One act, and back to the alert, where it waits to be sealed."""
        form = await _form(request)
        try:
            person = await actor(request, self._access)
        except ProblemError:
            return self._to_sign_in(request)
        try:
            await visible(self._pool(), self._access, person, alert_id)
            asked = ActionRequest.model_validate({name: form[name] for name in FIELDS if form.get(name)})
            await self._acting.act(self._pool(), person, alert_id, Asked(**asked.model_dump()), now_ms())
        except (ProblemError, ValidationError) as error:
            code = "other"
            if isinstance(error, ProblemError) and error.type.startswith(TYPE):
                code = error.type.removeprefix(TYPE + ":")
            status = error.status if isinstance(error, ProblemError) else HTTPStatus.UNPROCESSABLE_ENTITY
            return await self._alert(request, alert_id, person, status, code)
        back = f"/alerts/{quote(alert_id, safe='')}?{urlencode({'lang': language_of(request)})}#life"
        return RedirectResponse(back, HTTPStatus.SEE_OTHER)

    async def sign_in_page(self, request: Request) -> HTMLResponse:
        """The form."""
        return SITE.render(request, "signin.html", wrong=False, next=_local(request.query_params.get("next", "/")))

    async def sign_in(self, request: Request) -> Response:
        """Opens a session where the token is somebody's."""
        form = await _form(request)
        after = _local(form.get("next", "/"))
        cookie = await self._access.sign_in(form.get("token", ""))
        if cookie is None:
            return SITE.render(request, "signin.html", HTTPStatus.FORBIDDEN, wrong=True, next=after)
        answer = RedirectResponse(after, HTTPStatus.SEE_OTHER)
        secure = request.url.scheme == "https"
        age = int(self._hours * 3600)
        answer.set_cookie(COOKIE, cookie, max_age=age, httponly=True, samesite="strict", secure=secure)
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Ends the session."""
        await _form(request)
        await self._access.sign_out(request)
        answer = RedirectResponse(f"/?{urlencode({'lang': language_of(request)})}", HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def _alert(
        self, request: Request, alert_id: str, person: Person | None, status: int = 200, refused: str | None = None
    ) -> Response:
        try:
            scope = await self._access.scope(person)
        except ProblemError:
            return self._to_sign_in(request)
        found = await queries.alert(self._pool(), alert_id, scope)
        if found is None:
            return SITE.render(request, "message.html", 404, message="not_found", person=person)
        alert = shown(found)
        revisions = await queries.revisions(self._pool(), alert_id)
        explanation = self._explainer.explain([each.body for each in revisions])
        people = self._access.people.all if self._access.people else ()
        return SITE.render(
            request,
            "alert.html",
            status,
            alert=alert,
            revisions=[shown(each) for each in revisions],
            explanation=explanation,
            numbers=ordered(explanation.numbers),
            titles=self._explainer.titles,
            life=await self._lives.answer(alert_id, person),
            person=person,
            may_sign_in=bool(people),
            acts=[] if person is None else await self._lives.offered(alert_id, person),
            assignees=[each for each in people if "acknowledge" in MAY[each.role]],
            once=secrets.token_hex(12),
            refused=refused,
            escalation=alert["rule"] == RULE,
        )

    def _to_sign_in(self, request: Request) -> Response:
        after = request.url.path.removesuffix("/act")
        where = urlencode({"lang": language_of(request), "next": after})
        return RedirectResponse(f"/sign-in?{where}", HTTPStatus.SEE_OTHER)


async def _form(request: Request) -> dict[str, str]:
    """What a form of our own pages sent. Another site's form has no session (the cookie is SameSite) and is refused."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ProblemError(403, "Not from this page", "use the form of this site")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise ProblemError(413, "Too much", f"send at most {FORM_BYTES} bytes")
    try:
        pairs = parse_qsl(body.decode("utf-8"), max_num_fields=20)
    except ValueError:
        raise ProblemError(400, "Not a form", "send application/x-www-form-urlencoded in UTF-8") from None
    return {name: value.replace("\0", "").strip() for name, value in pairs}


def _local(address: str) -> str:
    """An address of this site: nobody is sent elsewhere after signing in."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"
