"""`balance-chain import recap`: docket files from disk through the adapter to the gateway."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from balance_chain.adapters.recap import Docket, DocketError, Mapped, map_dockets, parse_docket

from .exits import CommandFailed, Exit
from .output import people, progress, results, show_json
from .publishing import PublishReport, publish_http

_SHOWN = 10
"""Refused events and unmapped texts that a person is shown; --json has all."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not a docket, and why."""

    file: str
    problem: str


def docket_files(paths: Iterable[Path]) -> list[Path]:
    """The JSON files of these files and folders, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.json"))
        elif path.exists():
            found.append(path)
        else:
            raise CommandFailed(Exit.UNAVAILABLE, f"cannot read {path}: no such file or folder")
    return list(dict.fromkeys(found))


def load_dockets(files: Iterable[Path]) -> tuple[list[Docket], list[Refused]]:
    """Every file that is a docket, and each other one with its problem: one bad file stops no other."""
    dockets: list[Docket] = []
    refused: list[Refused] = []
    for file in files:
        try:
            dockets.append(parse_docket(file.read_bytes(), file.name))
        except DocketError as error:
            refused.append(Refused(str(file), str(error)))
        except OSError as error:
            refused.append(Refused(str(file), f"cannot be read: {error.strerror}"))
    return dockets, refused


def import_recap(paths: list[Path], *, source: str, url: str, token: str, dry_run: bool, as_json: bool) -> Exit:
    """Maps and publishes; says what became of every file, entry and event."""
    files = docket_files(paths)
    if not files:
        raise CommandFailed(Exit.USAGE, "no docket files there: give JSON files or folders with some")
    dockets, refused = load_dockets(files)
    mapped = map_dockets(dockets, source)
    report = None
    if not dry_run:
        with progress("publishing", len(mapped.events), quiet=as_json) as advance:
            report = asyncio.run(publish_http(mapped.events, url, token, advance=advance))
    if as_json:
        show_json(_summary(files, refused, mapped, report))
    else:
        _show(files, refused, mapped, report)
    return Exit.REFUSED if refused or (report is not None and report.rejected) else Exit.DONE


def _summary(files: list[Path], refused: list[Refused], mapped: Mapped, report: PublishReport | None) -> dict[str, Any]:
    """For machines. Texts of dockets hold names, so an unmapped entry is told by its place alone."""
    summary: dict[str, Any] = {
        "files": len(files),
        "refused_files": [{"file": each.file, "problem": each.problem} for each in refused],
        "superseded_files": mapped.superseded,
        "superseded_entries": mapped.superseded_entries,
        "cases": mapped.cases,
        "entries": mapped.entries,
        "mapped": mapped.mapped,
        "skipped": len(mapped.skipped),
        "unmapped": len(mapped.unmapped),
        "unmapped_share": round(mapped.unmapped_share, 4),
        "unmapped_entries": [{"file": each.file, "entry": each.index} for each in mapped.unmapped],
        "events": len(mapped.events),
        "types": dict(Counter(str(event["type"]) for event in mapped.events).most_common()),
    }
    if report is not None:
        summary |= {
            "accepted": report.accepted,
            "duplicates": report.duplicates,
            "rejected": [
                {"id": each.id, "status": each.status, "reason": each.reason, "faults": list(each.faults)}
                for each in report.rejected
            ],
        }
    return summary


def _show(files: list[Path], refused: list[Refused], mapped: Mapped, report: PublishReport | None) -> None:
    table = Table(show_header=False, box=None)
    rows: list[tuple[str, str]] = [
        ("docket files", f"{len(files)}"),
        ("not dockets", f"{len(refused)}"),
        ("superseded (same case)", f"{len(mapped.superseded)} files, {mapped.superseded_entries} entries"),
        ("cases", f"{mapped.cases}"),
        ("entries read", f"{mapped.entries}"),
        ("mapped", f"{mapped.mapped}"),
        ("skipped (clerk's notes)", f"{len(mapped.skipped)}"),
        ("unmapped", f"{len(mapped.unmapped)} ({mapped.unmapped_share:.1%})"),
        ("events", f"{len(mapped.events)}"),
    ]
    if report is not None:
        rows += [
            ("accepted", f"{report.accepted}"),
            ("accepted before", f"{report.duplicates}"),
            ("rejected", f"{len(report.rejected)}"),
        ]
    for name, value in rows:
        table.add_row(name, value)
    results.print(table)
    for each in refused:
        people.print(f"not imported: {each.problem}", markup=False, soft_wrap=True)
    for unread in mapped.unmapped[:_SHOWN]:
        people.print(f"unmapped: {unread.file} entry {unread.index}: {unread.text[:90]}", markup=False, soft_wrap=True)
    if len(mapped.unmapped) > _SHOWN:
        people.print(f"… and {len(mapped.unmapped) - _SHOWN} more; --json lists all")
    show_rejected(report)


def show_rejected(report: PublishReport | None) -> None:
    """The first refused events, each with what is wrong."""
    if report is None:
        return
    for each in report.rejected[:_SHOWN]:
        people.print(f"rejected: {each.id}: {each.reason}: {'; '.join(each.faults)}", markup=False, soft_wrap=True)
    if len(report.rejected) > _SHOWN:
        people.print(f"… and {len(report.rejected) - _SHOWN} more")
