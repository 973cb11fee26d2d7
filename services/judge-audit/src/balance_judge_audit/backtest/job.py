"""A back-test in a process of its own, for the API: the question on stdin, progress and the answer as JSON lines.

Promises lines of `Line` alone on stdout, the last one with an answer or with a problem.
"""

import asyncio
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
from balance_chain.core.data import data_dir
from balance_chain.core.errors import BalanceError

from balance_judge_audit.backtest.history import KafkaHistory
from balance_judge_audit.backtest.run import Answer, backtest, chosen
from balance_judge_audit.loading import clocks
from balance_judge_audit.rulebook import RuleFileError
from balance_judge_audit.settings import AuditSettings

TELL_SECONDS: Final = 0.5


class Question(msgspec.Struct, frozen=True):
    """What is asked: times in milliseconds, `text` the YAML of the new rule."""

    rule: str
    since: int
    until: int
    most: int
    memory_bytes: int
    text: str | None = None


class Problem(msgspec.Struct, frozen=True):
    """Why there is no answer; `status` as in HTTP."""

    status: int
    title: str
    field: str
    problem: str
    remedy: str


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line to the API."""

    records: int = 0
    total: int | None = None
    answer: Answer | None = None
    problem: Problem | None = None


def main() -> None:
    """Answers one question."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    resource.setrlimit(resource.RLIMIT_AS, (question.memory_bytes, question.memory_bytes))
    _tell(answered(question))


def answered(question: Question) -> Line:
    """The last line."""
    try:
        return Line(answer=asyncio.run(_answer(question)))
    except RuleFileError as error:
        place = f"/rule_file/{error.key.replace('.', '/')}" if error.key else "/rule_file"
        problem = f"line {error.line}: {error.problem}" if error.line else error.problem
        return Line(problem=Problem(422, "The rule cannot be used", place, problem, "correct the file"))
    except MemoryError:
        remedy = "ask for an earlier end, or use the command line"
        return Line(problem=Problem(503, "Not enough memory", "/memory", "the back-test outgrew its bound", remedy))
    except BalanceError as error:
        status = 404 if error.field == "rule" else 503
        return Line(problem=Problem(status, "Not possible", error.field, error.problem, error.remedy))


async def _answer(question: Question) -> Answer:
    settings = AuditSettings()
    with tempfile.TemporaryDirectory(prefix="balance-backtest-") as folder:
        candidate = None
        if question.text is not None:
            candidate = Path(folder) / f"{question.rule}.yaml"
            candidate.write_text(question.text, encoding="utf-8")
        rules = chosen(question.rule, settings.rules or data_dir("rules"), candidate)
    last = time.monotonic()

    def show(records: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last > TELL_SECONDS:
            last = time.monotonic()
            _tell(Line(records, total))

    span = (question.since, question.until)
    return await backtest(KafkaHistory(settings), rules, span, clocks(settings), question.most, show)


def _tell(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
