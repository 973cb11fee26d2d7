"""`balance-chain rebuild NAME`: makes a projection again from the log beside the running one, and swaps it in."""

import asyncio
from importlib.metadata import entry_points
from typing import Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from balance_chain.runtime.rebuild import GROUP, Rebuild, Rebuilt

from .exits import CommandFailed, Exit
from .output import people, results, show_json

EVENTS_A_LINE: Final = 250_000
"""Where nobody watches a bar, one line on stderr at each so many records."""


def rebuild(name: str, *, as_json: bool) -> Exit:
    """Rebuild the projection of that name; exit 1 where it refuses, with the running one untouched."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise CommandFailed(Exit.USAGE, f"no projection {name}; there are {', '.join(sorted(points)) or 'none'}")
    made = asyncio.run(_shown(points[name].load(), name, as_json))
    if as_json:
        show_json({"name": name, "records": made.records, "rows": made.rows})
    else:
        told = ", ".join(f"{table} {rows}" for table, rows in made.rows.items())
        results.print(f"{name} rebuilt from {made.records} records: {told}", markup=False, soft_wrap=True)
    return Exit.DONE


async def _shown(work: Rebuild, name: str, as_json: bool) -> Rebuilt:
    if as_json or not people.is_terminal:
        lines = 0

        def tell(done: int, total: int) -> None:
            nonlocal lines
            if not as_json and done // EVENTS_A_LINE > lines:
                lines = done // EVENTS_A_LINE
                people.print(f"rebuilding {name}: {done} of {total}", markup=False)

        return await work(tell)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=people, transient=True) as bar:
        task = bar.add_task(f"rebuilding {name}", total=None)
        return await work(lambda done, total: bar.update(task, completed=done, total=max(done, total)))
