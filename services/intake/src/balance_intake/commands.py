"""`balance-chain rejects …`: sealed rejects listed, explained, and sent again."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from balance_chain.cli.eventfile import read_events
from balance_chain.cli.exits import CommandFailed, Exit
from balance_chain.cli.output import results, show_json
from balance_chain.cli.publishing import publish_http
from balance_chain.core.errors import BalanceError
from balance_chain.core.rejects import EXPLANATIONS, Reason
from balance_chain.core.times import format_ms, parse_time
from rich.markup import escape
from rich.table import Table

from balance_intake.rejects import Refusal, Wanted, find, send_again
from balance_intake.settings import IntakeSettings

GATEWAY: Final = "http://127.0.0.1:8081"
UTC: Final = ZoneInfo("UTC")

rejects = typer.Typer(help="Records that were refused and sealed as that.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines, one object a reject.")]
Name = Annotated[str, typer.Argument(help="Shard, generation and raw position, as `rejects list` shows it: 2-0-1744.")]


@rejects.command("list")
def list_rejects(
    reason: Annotated[str, typer.Option("--reason", help="Only this reason, e.g. field_invalid.")] = "",
    source: Annotated[str, typer.Option("--source", help="Only this source's.")] = "",
    since: Annotated[str, typer.Option("--since", help="Received at this time or later (RFC 3339, or a date).")] = "",
    until: Annotated[str, typer.Option("--until", help="Received at this time or earlier.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show the last so many.")] = 100,
    as_json: Json = False,
) -> Exit:
    """List the rejects of the log, oldest first."""
    if reason and reason not in EXPLANATIONS:
        raise CommandFailed(
            Exit.USAGE, f"--reason {reason} is none of {', '.join(sorted(each.value for each in Reason))}"
        )
    wanted = Wanted(reason or None, source or None, _time(since, "--since"), _time(until, "--until"))
    found = sorted(asyncio.run(_all(wanted)), key=lambda each: (each.received, each.shard, each.rawpos))
    if as_json:
        for each in found[-limit:]:
            show_json(each.told())
        return Exit.DONE
    table = Table("name", "received", "reason", "source", "id", "field", box=None)
    for each in found[-limit:]:
        cells = (each.name, each.received, each.reason.value, each.source or "", each.event_id or "", each.field or "")
        table.add_row(*map(escape, cells))
    results.print(table)
    counts = ", ".join(f"{name.value} {count}" for name, count in Counter(each.reason for each in found).most_common())
    results.print(f"{len(found)} rejects" + (f": {counts}" if counts else ""), markup=False)
    return Exit.DONE


@rejects.command()
def show(name: Name, as_json: Json = False) -> Exit:
    """Explain one reject, in Chinese and English, with what to do."""
    refusal = _one(name)
    if as_json:
        show_json(refusal.told())
        return Exit.DONE
    for key, value in refusal.told().items():
        if value is not None:
            results.print(f"{key:16}{value}", markup=False, soft_wrap=True)
    return Exit.DONE


@rejects.command()
def resend(
    name: Name,
    file: Annotated[Path | None, typer.Option("--file", help="The corrected event, published over HTTP.")] = None,
    token: Annotated[str, typer.Option("--token", envvar="BALANCE_TOKEN", help="The source's bearer token.")] = "",
    url: Annotated[str, typer.Option("--url", envvar="BALANCE_GATEWAY_URL", help="Address of the gateway.")] = GATEWAY,
) -> Exit:
    """Send a corrected event, or without a file what was refused, unchanged, if it would be accepted now."""
    refusal = _one(name)
    if file is None:
        partition = asyncio.run(send_again(IntakeSettings(), refusal))
        results.print(f"{name} is on raw again, unchanged, on partition {partition}", markup=False)
        return Exit.DONE
    if not token:
        raise CommandFailed(Exit.USAGE, "give the source's --token (or BALANCE_TOKEN) with --file")
    report = asyncio.run(publish_http(read_events(str(file)), url, token))
    for each in report.rejected:
        results.print(f"{each.id}: {each.reason}: {'; '.join(each.faults)}", markup=False, soft_wrap=True)
    results.print(f"accepted {report.accepted}, before {report.duplicates}, rejected {len(report.rejected)}")
    return Exit.REFUSED if report.rejected else Exit.DONE


async def _all(wanted: Wanted) -> list[Refusal]:
    return [each async for each in find(IntakeSettings(), wanted)]


def _one(name: str) -> Refusal:
    for refusal in asyncio.run(_all(Wanted())):
        if refusal.name == name:
            return refusal
    raise CommandFailed(Exit.REFUSED, f"no reject {name} in the log; balance-chain rejects list shows them")


def _time(text: str, option: str) -> str | None:
    if not text:
        return None
    try:
        return format_ms(parse_time(text, UTC).ms)
    except BalanceError as error:
        raise CommandFailed(Exit.USAGE, f"{option} {text}: {error}") from None
