"""Acts on alerts over HTTP: `POST /v1/alerts/{id}/actions`, and signing in and out on the pages."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from balance_chain.web.problems import ProblemError
from fastapi import FastAPI, Path, Request
from pydantic import BaseModel, Field

from balance_judge_audit import queries
from balance_judge_audit.engine.life import ActName
from balance_judge_audit.life.access import KNOCK, Access
from balance_judge_audit.life.acting import Acting, Asked
from balance_judge_audit.life.people import Person
from balance_judge_audit.queries_life import StoredAction
from balance_judge_audit.repository import Pool
from balance_judge_audit.wallclock import now_ms

NO_NUL: Final = r"^[^\x00]*$"
Verdict = Literal["breach", "no_breach", "data_error", "excused"]


class ActionRequest(BaseModel, extra="forbid"):
    """What somebody does. `id` is chosen by the client: the same request again is the same act.

    `reason` is encrypted on the chain. `revision`: the one that was read; an act that settles an alert is refused where
    the rule has said more since.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
    act: ActName
    reason: Annotated[str | None, Field(min_length=1, max_length=4000, pattern=NO_NUL)] = None
    verdict: Verdict | None = None
    assignee: Annotated[str | None, Field(max_length=64, pattern=NO_NUL)] = None
    revision: Annotated[int | None, Field(ge=1, le=1_000_000)] = None


class ActionAnswer(BaseModel):
    """Where an act is: pending (not at the gateway yet), sent (a receipt promises its sealing), sealed, or refused."""

    id: str
    event: str
    source: str
    state: Literal["pending", "sent", "sealed", "refused"]
    receipt: dict[str, Any] | None
    problem: str | None


STATE_TEXT: Final = "Where the act is; repeat the request, or read the alert, to follow it."


REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "Nobody's token."},
    403: {"description": "Not for you: your role, an alert about yourself or your principal, or nobody acts here."},
    404: {"description": "No such alert, or not yours to see."},
    409: {
        "description": "Not now: the stage, an unheard subject, a missing reason or verdict, or an id that is taken."
    },
    503: {"description": "Your role is not sealed yet."},
}
"""Problem details; the last part of `type` is the code (docs/alerts.md)."""


def add_actions(app: FastAPI, acting: Acting, access: Access, pool: Callable[[], Pool], source: str) -> None:
    """The routes."""

    @app.post("/v1/alerts/{alert_id}/actions", status_code=202, response_description=STATE_TEXT, responses=REFUSALS)
    async def act(request: Request, alert_id: Annotated[str, Path()], body: ActionRequest) -> ActionAnswer:
        """Acts on an alert. The answer is a promise at most: what counts is what comes back from the sealed log."""
        person = await actor(request, access)
        await visible(pool(), access, person, alert_id)
        asked = Asked(**body.model_dump())
        return action_answer(body.id, source, await acting.act(pool(), person, alert_id, asked, now_ms()))


async def actor(request: Request, access: Access) -> Person:
    """Who acts; nobody does without a name."""
    if access.people is None:
        raise ProblemError(403, "Nobody acts here", "this installation has no people file (BALANCE_PEOPLE)")
    person = await access.person(request)
    if person is None:
        raise ProblemError(401, "Who are you?", "send the token of somebody in the people file", headers=KNOCK)
    return person


async def visible(pool: Pool, access: Access, person: Person, alert_id: str) -> None:
    """An alert that somebody may not see looks absent to him."""
    if await queries.alert(pool, alert_id, await access.scope(person)) is None:
        raise ProblemError(404, "No such alert", "GET /v1/alerts lists them.")


def action_answer(id_: str, source: str, action: StoredAction) -> ActionAnswer:
    """The answer to an act."""
    receipt = json.loads(action.answer) if action.answer and action.state in ("sent", "sealed") else None
    return ActionAnswer.model_validate(
        {
            "id": id_,
            "event": action.event_id,
            "source": source,
            "state": action.state,
            "receipt": receipt,
            "problem": action.answer if action.state == "refused" else None,
        }
    )
