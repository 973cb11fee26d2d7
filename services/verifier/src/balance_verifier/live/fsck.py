"""Recomputes a running ledger from its topics, a process a shard, and holds the projection against it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import connect
from balance_chain.runtime.policyfile import load_policy
from balance_verify.errors import VerifyError
from balance_verify.keyset import KeyHistory, open_checkpoint
from balance_verify.merkle import tree_root

from balance_verifier.archive.faults import Fault, fault_of
from balance_verifier.archive.fsck import Advance, Options, Report, finality_of
from balance_verifier.live.log import LiveLog
from balance_verifier.live.shard import LiveShard, ShardResult
from balance_verifier.live.tables import Tables
from balance_verifier.logcheck import LogState, history_of
from balance_verifier.settings import WorkerSettings


def fsck_live(settings: WorkerSettings, options: Options, advance: Advance, *, projection: bool) -> Report:
    """Check all topics, and the projection where that is asked for. `advance` is told of each shard that is done."""
    started = time.monotonic()
    key = options.log_key or KeyDirectory.load(settings.keys).log_vkey
    report = Report(origin=settings.origin, key=key.id, key_given=True)
    live = LiveLog(settings, key, load_policy(settings.witness_policy))
    projected = asyncio.run(_log_row(settings)) if projection else None
    asyncio.run(live.read())
    offset = live.begin()
    if live.state.genesis:
        results = _shards(settings, live.keys(), options, advance, projection=projection)
        for result in results:
            report.faults += result.faults
            live.notes += result.notes
            report.events += result.events
            report.bytes += result.bytes
        live.go_on(offset, [result.entries for result in results])
        if projection and all(result.whole for result in results):
            asyncio.run(_compare(settings, live, projected))
    report.faults += live.faults
    report.notes = live.notes
    report.size, report.root = live.state.size, live.state.root.hex()
    report.checkpoints, report.bytes = len(live.checkpoints), report.bytes + live.read_bytes
    if live.state.genesis:
        _outside(live, options, report)
    if live.checkpoints:
        report.finality = finality_of(live.checkpoints[-1].note.encode(), options.policy, report)
    report.seconds = time.monotonic() - started
    return report


def _shards(
    settings: WorkerSettings, keys: KeyHistory, options: Options, advance: Advance, *, projection: bool
) -> list[ShardResult]:
    shards = range(settings.partitions)
    rate = options.rate / settings.partitions if options.rate else None
    work = [(settings.model_dump(mode="json"), shard, keys, rate, projection) for shard in shards]
    results = []
    if options.jobs <= 1:
        for each in work:
            results.append(run_shard(*each))
            advance(1)
        return results
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        for future in [pool.submit(run_shard, *each) for each in work]:
            results.append(future.result())
            advance(1)
    return results


def run_shard(
    settings_json: dict[str, object], shard: int, keys: KeyHistory, rate: float | None, projection: bool
) -> ShardResult:
    """One shard, in this process."""
    settings = WorkerSettings.model_validate(settings_json)

    async def run() -> ShardResult:
        if not projection:
            return await LiveShard(settings, shard, keys, None, rate).run()
        pool = await connect(settings, settings.verifier_schema, size=1)
        try:
            return await LiveShard(settings, shard, keys, Tables(pool), rate).run()
        finally:
            pool.terminate()

    return asyncio.run(run())


async def _log_row(settings: WorkerSettings) -> LogState | None:
    pool = await asyncio.wait_for(
        connect(settings, settings.verifier_schema, size=1), settings.database_timeout_seconds
    )
    try:
        return await Tables(pool).log()
    finally:
        pool.terminate()


async def _compare(settings: WorkerSettings, live: LiveLog, projected: LogState | None) -> None:
    pool = await connect(settings, settings.verifier_schema, size=1)
    try:
        tables = Tables(pool)
        await live.compare(tables, projected)
        for table, shard in await tables.strange_shards(settings.partitions):
            live.faults.append(Fault(f"table {table}", "shard", f"below {settings.partitions}", str(shard)))
    finally:
        pool.terminate()


def _outside(live: LiveLog, options: Options, report: Report) -> None:
    """Checkpoints kept elsewhere: each must be of the log as it is now."""
    keys = history_of(live.state).last
    for name, note in options.outside:
        try:
            checkpoint, _ = open_checkpoint(note, keys)
        except VerifyError as error:
            report.faults.append(fault_of(name, "outside checkpoint", "a note signed by the log's key", error))
            continue
        if checkpoint.size > live.state.size:
            due = f"a log of {checkpoint.size} entries or more"
            report.faults.append(Fault(name, "outside checkpoint", due, f"{live.state.size} entries"))
            continue
        root = tree_root(live.leaves[: checkpoint.size])
        if root != checkpoint.root:
            step = f"outside checkpoint of size {checkpoint.size}"
            report.faults.append(Fault(name, step, checkpoint.root.hex(), root.hex()))
