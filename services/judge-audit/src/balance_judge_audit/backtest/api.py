"""`POST /v1/rules/backtest`: back-tests as background jobs, one at a time and bounded in time and memory.

A job is a process, so a long history neither stops the API's answers nor outlives it. Jobs are forgotten with the
process that ran them, the oldest first.
"""

import asyncio
import contextlib
import os
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from balance_chain.core.times import format_ms
from balance_chain.runtime.logs import get_logger
from balance_chain.web.problems import FieldError, ProblemError
from fastapi import FastAPI, Path, Request, Response
from pydantic import BaseModel, Field

from balance_judge_audit.backtest.job import Line, Problem, Question
from balance_judge_audit.guarding import sees_all
from balance_judge_audit.life.access import Access
from balance_judge_audit.settings import ApiSettings

KEPT: Final = 20
LINE_BYTES: Final = 64 * 1024 * 1024
MODULE: Final = "balance_judge_audit.backtest.job"
PATH: Final = "/v1/rules/backtest"
State = Literal["running", "done", "failed"]

_log: Final = get_logger("balance_judge_audit.backtest")
_line: Final = msgspec.json.Decoder(Line)


class BacktestAsked(BaseModel):
    """What to hold against what. `rule_file` is the YAML of the new rule; without it the current one stands alone."""

    rule: str = Field(pattern=r"^R[0-9]{2,3}$", description="The rule, e.g. R05.")
    rule_file: str | None = Field(None, max_length=200_000, description="The new rule as YAML.")
    since: datetime = Field(alias="from", description="Ledger time, with offset: alerts raised at or after it.")
    until: datetime = Field(alias="to", description="Ledger time, with offset: alerts raised before it.")
    most: int = Field(100, ge=0, le=1000, description="Cases listed of each kind.")


class Backtest(BaseModel):
    """A job: how far it is, and its answer or why there is none."""

    id: str
    rule: str
    state: State
    records: int
    total: int | None
    answer: dict[str, Any] | None
    problem: dict[str, Any] | None


class _Job:
    def __init__(self, rule: str) -> None:
        self.id = secrets.token_hex(8)
        self.rule = rule
        self.state: State = "running"
        self.last = Line()

    def shown(self) -> Backtest:
        last = msgspec.to_builtins(self.last)
        return Backtest(
            id=self.id,
            rule=self.rule,
            state=self.state,
            records=self.last.answer.records if self.last.answer else self.last.records,
            total=self.last.total,
            answer=last.get("answer"),
            problem=last.get("problem"),
        )


class Jobs:
    """The back-tests of this process."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._running: asyncio.Task[None] | None = None

    def begin(self, question: Question) -> Backtest:
        """Starts a job; 409 while one runs."""
        if self._running is not None and not self._running.done():
            busy = next(reversed(self._jobs))
            raise ProblemError(409, "A back-test is running", f"See {PATH}/{busy}; ask again when it has ended.")
        job = _Job(question.rule)
        self._jobs[job.id] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        self._running = asyncio.create_task(self._run(job, question))
        return job.shown()

    def get(self, job_id: str) -> Backtest:
        """One job; 404 where there is none, or it was forgotten."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ProblemError(404, "No such back-test", f"The last {KEPT} are kept until the service stops.")
        return job.shown()

    async def close(self) -> None:
        """Ends what runs."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _run(self, job: _Job, question: Question) -> None:
        process: Process | None = None
        limit = self._settings.backtest_seconds
        try:
            async with asyncio.timeout(limit):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES, env=dict(os.environ)
                )
                await _follow(job, process, question)
        except TimeoutError:
            job.last = _failed(
                "/to", f"not done after {limit:.0f} s", "ask for an earlier end, or use the command line"
            )
        except Exception as error:
            _log.exception("backtest_failed", rule=job.rule)
            job.last = _failed("/rule", f"failed: {type(error).__name__}", "see the service's log")
        finally:
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
        job.state = "done" if job.last.answer is not None else "failed"


async def _follow(job: _Job, process: Process, question: Question) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(question))
    process.stdin.close()
    async for line in process.stdout:
        job.last = _line.decode(line)
    code = await process.wait()
    if job.last.answer is None and job.last.problem is None:
        job.last = _failed("/rule", f"the back-test ended with {code}", "see the service's log")


def _failed(field: str, problem: str, remedy: str) -> Line:
    return Line(problem=Problem(503, "Not possible now", field, problem, remedy))


def add_backtest(app: FastAPI, access: Access, settings: ApiSettings) -> Jobs:
    """The routes; what is returned is to be closed."""
    jobs = Jobs(settings)

    @app.post(PATH, status_code=202)
    async def begin_backtest(request: Request, asked: BacktestAsked, response: Response) -> Backtest:
        """Start holding a new or changed rule against the current one over history; 409 while another is running."""
        await sees_all(access, request)
        since, until = _ms(asked.since, "from"), _ms(asked.until, "to")
        if since >= until:
            fault = FieldError("/body/from", f"{format_ms(since)} is not before `to`", "give an earlier time")
            raise ProblemError(422, "The request is not valid", errors=(fault,))
        memory = settings.backtest_memory_mib * 1024 * 1024
        job = jobs.begin(Question(asked.rule, since, until, asked.most, memory, asked.rule_file))
        response.headers["Location"] = f"{PATH}/{job.id}"
        return job

    @app.get(PATH + "/{job_id}")
    async def one_backtest(request: Request, job_id: Annotated[str, Path()]) -> Backtest:
        """How far a back-test is, and its answer once it has one."""
        await sees_all(access, request)
        return jobs.get(job_id)

    return jobs


def _ms(moment: datetime, name: str) -> int:
    if moment.tzinfo is None:
        fault = FieldError(f"/body/{name}", "has no offset", "add Z or one like +08:00")
        raise ProblemError(422, "The request is not valid", errors=(fault,))
    try:
        return int(moment.timestamp() * 1000)
    except OverflowError:
        fault = FieldError(f"/body/{name}", "is beyond all calendars", "give a time between the years 2 and 9998")
        raise ProblemError(422, "The request is not valid", errors=(fault,)) from None
