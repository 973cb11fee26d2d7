"""`balance-chain archive export | restore` and `balance-chain fsck`: what a person or a timer runs.

Exit 0: all is as it must be; 1: it is not, each fault named; 2: usage; 3: something could not be reached.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from balance_chain.cli.exits import CommandFailed, Exit, read_bytes
from balance_chain.cli.output import people, progress, results, show_json
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import BROKEN, connect
from balance_chain.runtime.kafka import KafkaUnavailable
from balance_verify.errors import VerifyError
from balance_verify.note import VerifierKey
from balance_verify.policy import Policy

from balance_verifier.archive.export import Exported, Exporter
from balance_verifier.archive.fsck import Options, Report, fsck_archive, size_of
from balance_verifier.archive.restore import Restored, Restorer
from balance_verifier.archive.source import ArchiveSource
from balance_verifier.archive.stores import open_store
from balance_verifier.errors import ArchiveUnreadable, StoreUnavailable
from balance_verifier.live.fsck import fsck_live
from balance_verifier.settings import WorkerSettings

MEGABYTE = 1_000_000
AWAY: tuple[type[Exception], ...] = (KafkaUnavailable, *BROKEN)
"""What says that Kafka or PostgreSQL does not answer."""

T = TypeVar("T")

archive = typer.Typer(no_args_is_help=True, help="Write the archive, and restore from it.")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for machines.")]
VkeyFile = Annotated[
    Path | None, typer.Option("--vkey", help="File with the log's public key; without it BALANCE_KEYS has it.")
]


@archive.callback()
def _archive() -> None:
    """Write the archive, and restore from it."""


@archive.command("export")
def export(
    location: Annotated[str, typer.Argument(help="A folder, or an object store's URL such as s3://bucket/prefix.")],
    vkey: VkeyFile = None,
    as_json: Json = False,
) -> Exit:
    """Add to the archive all that checkpoints cover now; every hash and signature is made again on the way.

    Reads the verifier's projection (BALANCE_DATABASE). Stopped at any moment, it leaves an archive that holds together,
    and goes on from there when it is run again.
    """
    settings = WorkerSettings()
    key = _vkey(vkey) if vkey is not None else KeyDirectory.load(settings.keys).log_vkey
    done = _reached(lambda: asyncio.run(_export(settings, location, key, quiet=as_json)))
    if as_json:
        show_json(vars(done))
    else:
        results.print(
            f"added {done.blocks} blocks with {done.events} events, {done.checkpoints} checkpoints and "
            f"{done.timestamps} timestamps; "
            f"the archive is at size {done.size}, root {done.root}",
            markup=False,
            soft_wrap=True,
        )
    return Exit.DONE


async def _export(settings: WorkerSettings, location: str, key: VerifierKey, *, quiet: bool) -> Exported:
    store = open_store(location, create=True)
    pool = await asyncio.wait_for(
        connect(settings, settings.verifier_schema, size=1), settings.database_timeout_seconds
    )
    try:
        source = ArchiveSource(pool)
        _, size = await source.end()
        exporter = Exporter(store, source, key, lambda count: advance(count))
        with progress("archiving", size - exporter.begin(), quiet=quiet) as advance:
            return await exporter.run()
    finally:
        pool.terminate()


@archive.command("restore")
def restore(
    location: Annotated[str, typer.Argument(help="The archive: a folder, or an object store's URL.")],
    vkey: VkeyFile = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A signed checkpoint kept elsewhere, which the archive must reach."),
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Witness policy that must be met.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes that check; 0 for one a core.")] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before the topics are filled.")] = False,
    as_json: Json = False,
) -> Exit:
    """Fill new topics from the archive, once all of it was recomputed and is whole.

    Stopped at any moment it goes on when it is run again; topics that hold anything else are refused. Afterwards
    `balance-sealer generation` signs that the log goes on in them.
    """
    settings = WorkerSettings()
    key = _vkey(vkey) if vkey is not None else KeyDirectory.load(settings.keys).log_vkey
    options = Options(
        log_key=key,
        outside=tuple((f"{path} (kept outside)", read_bytes(path)) for path in checkpoint or ()),
        policy=_policy(policy) if policy is not None else None,
        jobs=jobs or os.cpu_count() or 1,
    )
    report = _reached(lambda: _fsck_archive(location, options, quiet=as_json))
    if report.faults:
        if as_json:
            show_json(report_json(report))
        else:
            _show(report)
        raise CommandFailed(Exit.REFUSED, "the archive is not whole: nothing was restored")
    told = f"{report.events} events, {report.size} entries, {report.checkpoints} checkpoints; root {report.root}"
    people.print(f"the archive of {report.origin} is whole: {told}", markup=False, soft_wrap=True)
    if not yes and not typer.confirm(f"Fill the topics {settings.topic_prefix}* on {settings.kafka}?", err=True):
        raise CommandFailed(Exit.REFUSED, "nothing was restored")
    done = _reached(lambda: asyncio.run(_restore(settings, location, report.size, quiet=as_json)))
    if as_json:
        show_json(vars(done))
        return Exit.DONE
    results.print(
        f"wrote {done.events} events, {done.blocks} blocks and {done.checkpoints} checkpoints; the topics end at size "
        f"{done.size}, root {done.root}. Now: balance-sealer generation {done.generation}",
        markup=False,
        soft_wrap=True,
    )
    return Exit.DONE


async def _restore(settings: WorkerSettings, location: str, size: int, *, quiet: bool) -> Restored:
    with progress("restoring", size, quiet=quiet) as advance:
        return await Restorer(settings, open_store(location), advance).run()


def fsck(
    location: Annotated[str | None, typer.Option("--archive", help="Check this archive: a folder or a URL.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Check topics and projection of a running ledger.")] = False,
    topics_only: Annotated[
        bool, typer.Option("--topics-only", help="With --live: leave the projection (BALANCE_DATABASE) alone.")
    ] = False,
    vkey: Annotated[
        Path | None,
        typer.Option("--vkey", help="File with the log's public key; without it the archive's own, or BALANCE_KEYS."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="A signed checkpoint kept elsewhere, which must be of the same log."),
    ] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="Witness policy that must be met.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=0, help="Processes; 0 for one a core.")] = 0,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Most megabytes a second; 0 for no bound.")] = 0.0,
    state: Annotated[
        Path | None, typer.Option("--state", help="Keep here how far it has come, and go on from there.")
    ] = None,
    as_json: Json = False,
) -> Exit:
    """Recompute everything, from the bytes of the events to every checkpoint, and name each fault."""
    if (location is None) == (not live):
        raise CommandFailed(Exit.USAGE, "give --archive PATH or --live")
    outside = tuple((f"{path} (kept outside)", read_bytes(path)) for path in checkpoint or ())
    options = Options(
        log_key=_vkey(vkey) if vkey is not None else None,
        outside=outside,
        policy=_policy(policy) if policy is not None else None,
        jobs=jobs or os.cpu_count() or 1,
        rate=rate * MEGABYTE or None,
        state=state,
    )
    if location is None:
        report = _reached(lambda: _fsck_live(options, projection=not topics_only, quiet=as_json))
    else:
        report = _reached(lambda: _fsck_archive(location, options, quiet=as_json))
    if as_json:
        show_json(report_json(report))
    else:
        _show(report)
    return Exit.REFUSED if report.faults else Exit.DONE


def _fsck_archive(location: str, options: Options, *, quiet: bool) -> Report:
    with progress("checking", size_of(location), quiet=quiet) as advance:
        return fsck_archive(location, options, advance)


def _fsck_live(options: Options, *, projection: bool, quiet: bool) -> Report:
    settings = WorkerSettings()
    with progress("checking shards", settings.partitions, quiet=quiet) as advance:
        return fsck_live(settings, options, advance, projection=projection)


def report_json(report: Report) -> dict[str, Any]:
    """A report for machines."""
    faults = [msgspec.structs.asdict(fault) for fault in report.faults]
    notes = [msgspec.structs.asdict(note) for note in report.notes]
    return {"ok": not report.faults, **vars(report), "faults": faults, "notes": notes}


def _show(report: Report) -> None:
    for fault in report.faults:
        results.print(fault.line(), markup=False, soft_wrap=True)
    for note in report.notes:
        people.print(f"does not count: {note.line()}", markup=False, soft_wrap=True)
    told = "" if report.key_given else " (the archive's own: give --vkey to be independent of it)"
    people.print(f"log {report.origin or 'unknown'}, key {report.key or 'unknown'}{told}", markup=False, soft_wrap=True)
    people.print(
        f"{report.events} events, {report.size} entries, {report.checkpoints} checkpoints, "
        f"{report.bytes / MEGABYTE:.1f} MB in {report.seconds:.1f} s; {report.finality or 'not checked to the end'}",
        markup=False,
        soft_wrap=True,
    )
    if report.unpublished:
        people.print(f"{report.unpublished} files of an export that did not end; run it again", markup=False)
    line = f"{len(report.faults)} faults" if report.faults else f"all of size {report.size} root {report.root} matches"
    results.print(line, markup=False, soft_wrap=True)


def _vkey(path: Path) -> VerifierKey:
    try:
        return VerifierKey.parse(read_bytes(path).decode("ascii", "replace"))
    except VerifyError as error:
        raise CommandFailed(Exit.USAGE, f"{path}: {error}") from None


def _policy(path: Path) -> Policy:
    try:
        return Policy.parse(read_bytes(path))
    except VerifyError as error:
        raise CommandFailed(Exit.USAGE, f"{path}: {error}") from None


def _reached(work: Callable[[], T]) -> T:
    """What `work` gives; whatever cannot be reached ends the command with 3."""
    try:
        return work()
    except (ArchiveUnreadable, StoreUnavailable) as error:
        raise CommandFailed(Exit.UNAVAILABLE, str(error)) from None
    except AWAY as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"not reachable: {error!r}") from None
