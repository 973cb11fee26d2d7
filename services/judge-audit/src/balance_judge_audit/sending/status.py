"""`GET /v1/sending`: what waits for which target, and what was given up, with the receiver's last answer."""

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI, Request
from pydantic import BaseModel

from balance_judge_audit import repository_sending
from balance_judge_audit.guarding import sees_all
from balance_judge_audit.life.access import Access
from balance_judge_audit.repository import Pool

SHOWN: Final = 200


class TargetState(BaseModel):
    """Deliveries of one target that wait, and those given up."""

    target: str
    waiting: int
    dead: int


class GivenUp(BaseModel):
    """A delivery that was given up; `balance-judge-audit resend` tries it once more."""

    id: str
    target: str
    alert: str
    revision: int
    attempts: int
    problem: str


class Sending(BaseModel):
    """How sending out stands."""

    targets: list[TargetState]
    dead: list[GivenUp]


def add_sending(app: FastAPI, access: Access, pool: Callable[[], Pool]) -> None:
    """The route."""

    @app.get("/v1/sending")
    async def sending(request: Request) -> Sending:
        """What waits to be sent out, and what was given up, the latest first."""
        await sees_all(access, request)
        counts = await repository_sending.counts(pool())
        dead = await repository_sending.dead(pool(), SHOWN)
        return Sending(
            targets=[
                TargetState(target=name, waiting=waiting, dead=given_up)
                for name, (waiting, given_up) in sorted(counts.items())
            ],
            dead=[
                GivenUp(
                    id=each.id,
                    target=each.target,
                    alert=each.alert,
                    revision=each.revision,
                    attempts=each.attempts,
                    problem=each.problem,
                )
                for each in dead
            ],
        )
