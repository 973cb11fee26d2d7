"""`balance-chain rules …`: checks the rule book and runs its readable cases."""

from pathlib import Path
from typing import Annotated, Final

import typer
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from rich.console import Console

from balance_judge_audit import rulebook
from balance_judge_audit.backtest.command import backtest_command
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.ruletest import load_cases, run_case

EXIT_WRONG: Final = 1

rules = typer.Typer(help="The rule book.", no_args_is_help=True)
_out: Final = Console(highlight=False)
rules.command("backtest")(backtest_command)
Directory = Annotated[Path | None, typer.Argument(help="Directory of the rules; the installed ones where absent.")]


@rules.command()
def check(directory: Directory = None) -> None:
    """Explain every mistake in the rule files by file and key; exit 1 if there is any."""
    where = directory or data_dir("rules")
    types = {name: dict(kind.schema) for name, kind in Catalogue.load(data_dir("catalogue")).types.items()}
    found = rulebook.problems(where, types)
    for problem in found:
        _out.print(str(problem), markup=False)
    if found:
        raise typer.Exit(EXIT_WRONG)
    _out.print(f"{len(rulebook.rule_files(where))} rules, no mistakes", markup=False)


@rules.command("test")
def run_cases(directory: Directory = None) -> None:
    """Run the readable cases in the directory's `tests`; exit 1 if a rule says something else than its case."""
    where = directory or data_dir("rules")
    book = rulebook.load(where)
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    outcomes = [run_case(book, places, each.rule, case) for each in load_cases(where / "tests") for case in each.cases]
    wrong = [outcome for outcome in outcomes if outcome.problem]
    for outcome in wrong:
        _out.print(f"{outcome.rule}: {outcome.name}: {outcome.problem}", markup=False)
    _out.print(f"{len(outcomes)} cases, {len(wrong)} wrong", markup=False)
    if wrong:
        raise typer.Exit(EXIT_WRONG)
