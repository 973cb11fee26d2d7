"""`balance-chain rules backtest`: what a new or changed rule would have raised over history."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from balance_chain.cli.exits import CommandFailed, Exit
from balance_chain.cli.output import people, reaching, results
from balance_chain.core.data import data_dir
from balance_chain.core.times import parse_time
from rich.table import Table

from balance_judge_audit.backtest.compare import Difference, Side
from balance_judge_audit.backtest.history import ArchiveHistory, History, KafkaHistory
from balance_judge_audit.backtest.run import Answer, backtest, chosen
from balance_judge_audit.loading import clocks
from balance_judge_audit.places import CN_ZONE
from balance_judge_audit.rulebook import RuleFileError
from balance_judge_audit.settings import AuditSettings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def backtest_command(
    rule: Annotated[str, typer.Argument(help="The rule, e.g. R05.")],
    since: Annotated[
        str, typer.Option("--from", help="Ledger time: alerts raised at or after it. A day is a day in China.")
    ],
    until: Annotated[str, typer.Option("--to", help="Ledger time: alerts raised before it.")],
    file: Annotated[Path | None, typer.Option("--file", help="The new rule's file.")] = None,
    directory: Annotated[
        Path | None, typer.Option("--rules", help="A directory of rules that has the new one.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Read this archive's folder instead of Kafka.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=0, help="Cases listed of each kind.")] = 100,
    as_json: Json = False,
) -> Exit:
    """Hold a new or changed rule against the current one over all of history; without --file and --rules, show what the
    current one says alone.
    """
    if file is not None and directory is not None:
        raise CommandFailed(Exit.USAGE, "give --file or --rules, not both")
    settings = AuditSettings()
    span = (parse_time(since, CN_ZONE).ms, parse_time(until, CN_ZONE).ms)
    if span[0] >= span[1]:
        raise CommandFailed(Exit.USAGE, f"--from {since} is not before --to {until}")
    try:
        rules = chosen(rule, settings.rules or data_dir("rules"), file or directory)
    except RuleFileError as error:
        raise CommandFailed(Exit.REFUSED, str(error)) from None
    history: History = ArchiveHistory(archive) if archive else KafkaHistory(settings)
    with reaching(f"back-testing {rule}", quiet=as_json) as show:
        answer = asyncio.run(backtest(history, rules, span, clocks(settings), most, show))
    if as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        _show(answer)
    return Exit.DONE


def _show(answer: Answer) -> None:
    against = answer.versions.current or "nothing"
    counts = ", ".join(f"{verdict} {count}" for verdict, count in answer.counts.items())
    results.print(
        f"{answer.rule} {answer.versions.new} against {against}, {answer.since} to {answer.until}: {counts}",
        markup=False,
    )
    table = Table("", "subject", "episode", "current", "new", "differs")
    for verdict, found in answer.cases.items():
        if verdict != "same":
            for each in found:
                table.add_row(verdict, each.subject, each.start, *_sides(each), ", ".join(each.differs))
    if table.row_count:
        results.print(table, markup=False)
    left = {
        verdict: count - len(answer.cases[verdict]) for verdict, count in answer.counts.items() if verdict != "same"
    }
    if any(left.values()):
        told = ", ".join(f"{verdict} {count}" for verdict, count in left.items() if count)
        people.print(f"not listed: {told}; --most lists more", markup=False)
    people.print(
        f"{answer.records} records, ledger time reached {answer.reached}, not readable {answer.unreadable}",
        markup=False,
    )


def _sides(each: Difference) -> tuple[str, str]:
    def told(side: Side | None) -> str:
        if side is None:
            return ""
        numbers = ", ".join(f"{name} {value}" for name, value in side.numbers.items())
        return f"{side.state} {side.severity} {side.raised[:10]} {numbers}".strip()

    return told(each.current), told(each.new)
