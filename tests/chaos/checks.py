"""Whether nothing was lost or doubled: the list of acknowledged events against the log as the independent reader sees
it, what the verifier tells against what the reader saw, and each receipt against the block that keeps it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from balance_chain.core.events import ledger_source
from chaos.load import Promise
from chaos.world import World
from independent import reader
from support.waiting import wait_until
from support.wholestack import Written, get, read_written

SETTLE_SECONDS = 180.0
READ_SECONDS = 60.0
ALERT_SECONDS = 120.0
"""A receipt is looked at a while after its time."""
JUDGE_AUDIT = "urn:balance-demo:judge-audit"
NOT_COUNTING = ("event_not_counting", "block_not_counting", "checkpoint_not_counting")
EXPLAINED_REJECTS = frozenset({"duplicate"})
"""An event that was sent again is sealed as a reject of its own."""


@dataclass
class Verdict:
    """What a round left behind; `problems` is empty when nothing is wrong."""

    problems: list[str] = field(default_factory=list)
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    foreign: int = 0
    rejects: int = 0
    not_counting: int = 0
    promises: int = 0
    late: int = 0
    late_by_clock: int = 0
    size: int = 0


async def settle(world: World) -> None:
    """Until the load is idle, all run, and everything is sealed, recomputed, covered and judged."""
    whole = world.whole
    await world.ready()
    world.note("all are ready")
    await world.load.pause()
    world.note("the load is idle")
    whole.published = dict(world.load.acknowledged)
    await whole.sealed(SETTLE_SECONDS)
    world.note("all is sealed")
    await whole.verified(SETTLE_SECONDS)
    world.note("all is recomputed and covered")
    await whole.judged(SETTLE_SECONDS)
    world.note("all is judged")


async def judge(world: World) -> Verdict:
    """Hold the log against the list; what only lags is looked at again, what is wrong stays so."""
    verdict = Verdict(acknowledged=len(world.load.acknowledged), promises=len(world.load.promises))

    async def look() -> Written:
        written = await read_written(world.whole.stack)
        assert written.found.problems == [], "; ".join(written.found.problems[:3])
        return written

    try:
        written: Written = await wait_until(look, READ_SECONDS, "the independent reader finds nothing wrong")
    except AssertionError as error:
        verdict.problems.append(str(error))
        written = await read_written(world.whole.stack)
    verdict.size = written.found.size
    _count_events(world, written, verdict)
    await _explain_findings(world, written, verdict)
    await _hold_receipts(world, written, verdict)
    return verdict


def _count_events(world: World, written: Written, verdict: Verdict) -> None:
    places = written.places()
    for name in world.load.acknowledged:
        count = len(places.get(name, ()))
        verdict.lost += count == 0 or name not in written.found.sealed_ids
        verdict.doubled += count > 1
    # The product's own: rejects and ticks, and the alerts raised.
    own = (ledger_source(world.whole.stack.settings.origin), JUDGE_AUDIT)
    strangers = [name for name in places if name not in world.load.attempted and name[0] not in own]
    verdict.foreign = len(strangers)
    verdict.rejects = sum(written.found.rejects.values())
    if verdict.lost:
        verdict.problems.append(f"{verdict.lost} acknowledged events have no sealed record")
    if verdict.doubled:
        verdict.problems.append(f"{verdict.doubled} acknowledged events have more than one counting record")
    if strangers:
        verdict.problems.append(f"{len(strangers)} events that nobody sent: {strangers[:3]}")
    if other := set(written.found.rejects) - EXPLAINED_REJECTS:
        verdict.problems.append(f"valid events were rejected: {other}")


async def _explain_findings(world: World, written: Written, verdict: Verdict) -> None:
    """The verifier tells exactly what the independent reader saw not counting, and nothing else."""
    url = world.whole.stack.urls.verifier
    kinds = (re.match("events|blocks|checkpoints", place) for place in written.found.not_counting)
    seen = Counter(f"{kind[0].removesuffix('s')}_not_counting" for kind in kinds if kind)
    verdict.not_counting = seen.total()
    told: Counter[str] = Counter((await get(url + "/v1/status"))["findings"]["by_code"])
    if other := set(told) - set(NOT_COUNTING):
        places = [each for each in (await get(url + "/v1/findings"))["findings"] if each["code"] in other]
        verdict.problems.append(f"the verifier found {dict(told)}: {places[:3]}")
    for code in NOT_COUNTING:
        if told[code] != seen[code]:
            verdict.problems.append(f"{code}: the verifier tells {told[code]}, the reader saw {seen[code]}")


async def _hold_receipts(world: World, written: Written, verdict: Verdict) -> None:
    """A promise is kept by a block whose time is not later, or a critical alert says that it was not."""
    places = written.places()
    late: dict[str, Promise] = {}
    for promise in world.load.promises:
        where = places.get(promise.name)
        if not where:
            continue  # told already as lost
        time = written.block_time(*where[0])
        if time is None or time > promise.by:
            if promise.round in world.load.clock_rounds or world.clocks_were_ahead:
                verdict.late_by_clock += 1
            late[f"receipts/{promise.name[0]}/{promise.name[1]}"] = promise
    verdict.late = len(late)
    if not late:
        return

    async def alerted() -> bool:
        missing = set(late) - await broken_promises(world)
        assert not missing, f"{len(missing)}, such as {sorted(missing)[:3]}"
        return True

    try:
        await wait_until(alerted, ALERT_SECONDS, "each receipt that was not kept in time is alerted")
    except AssertionError as error:
        verdict.problems.append(str(error))


async def broken_promises(world: World) -> set[str]:
    """The subjects of the critical alerts that say that a receipt was not kept."""
    settings = world.whole.stack.settings
    topic = await reader.read_topic(settings.kafka, settings.topic_prefix + "integrity.alerts", settings.partitions)
    alerts = [json.loads(record.value) for records in topic for record in records]
    return {each["subject"] for each in alerts if each["severity"] == "C" and each["subject"].startswith("receipts/")}
