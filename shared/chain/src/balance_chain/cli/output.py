"""What commands show: results on stdout (a table for people, one JSON object for machines), all else on stderr."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

people = Console(stderr=True, highlight=False)
results = Console(highlight=False)

Advance = Callable[[int], None]
Reach = Callable[[int, int | None], None]
"""Told how much is done, and of how much where that is known."""


def show_json(value: dict[str, Any]) -> None:
    """One object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


@contextmanager
def progress(what: str, total: int, *, quiet: bool) -> Iterator[Advance]:
    """A bar on stderr where a person watches; nothing in a pipe."""
    if quiet or not people.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=people, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def reaching(what: str, *, quiet: bool) -> Iterator[Reach]:
    """The same for work whose size is not known before it has begun."""
    if quiet or not people.is_terminal:
        yield lambda *_: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=people, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
