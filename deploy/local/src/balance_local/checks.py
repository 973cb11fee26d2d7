"""What the demo waits for and checks: sealed, recomputed, judged, proved; each with a bound, each with its own words.

The bound is on standing still: as long as something moves, a slow machine is given time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
from balance_chain.core.casenumber import parse_subject
from balance_chain.simulator import Simulation
from balance_verify.note import VerifierKey
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle

from balance_local.children import script_argv
from balance_local.sealed import EventName, SealedScan
from balance_local.stack import Stack
from balance_local.summary import Summary

STILL_SECONDS = 60.0
"""How long nothing may move before the demo gives up on it."""
POLL_SECONDS = 0.3
HTTP_SECONDS = 30.0
PROOF_SECONDS = 30.0
SHOWN = 10
"""How many names of a long list a fault tells."""


class Watch:
    """Waits on one running stack."""

    def __init__(self, stack: Stack, scan: SealedScan) -> None:
        self._stack = stack
        self._scan = scan

    async def read_log(self) -> None:
        """Read what is there already."""
        while await self._scan.advance():
            pass

    async def sealed(self, names: set[EventName], summary: Summary) -> None:
        """Until each of these events is in a block that counts."""
        missing = set(names)

        async def done() -> tuple[bool, object]:
            moved = await self._scan.advance()
            missing.difference_update([name for name in missing if self._scan.sealed(name)])
            return not missing, (moved, len(missing))

        if not await _until(done):
            summary.faults.append(f"{len(missing)} accepted events are not sealed, e.g. {sorted(missing)[:3]}")
        summary.sealed = len(names) - len(missing)

    async def verified(self, summary: Summary) -> None:
        """Until the verifier has recomputed every block there is and the log covers them."""
        status: dict[str, Any] = {}

        async def done() -> tuple[bool, object]:
            nonlocal status
            await self._scan.advance()
            status = await get(self._stack.urls.verifier + "/v1/status")
            blocks = self._scan.blocks
            seen = status["blocks_verified"], status["blocks_covered"]
            return min(seen) >= blocks, (blocks, seen)

        if not await _until(done):
            summary.faults.append(f"the verifier has recomputed {status.get('blocks_verified')} of {self._scan.blocks}")
        if status["findings"]["total"]:
            summary.faults.append(f"the verifier found faults in the log: {status['findings']['by_code']}")
        # A block that the verifier has recomputed since the last look exists as well.
        summary.blocks = max(self._scan.blocks, status["blocks_verified"])
        summary.blocks_verified = status["blocks_verified"]
        summary.checkpoint = {"size": status["log"]["size"], "root": status["log"]["root"]}

    async def judged(self, summary: Summary) -> None:
        """Until judge-audit has applied everything and nothing known is still to be judged."""

        async def done() -> tuple[bool, object]:
            status = await get(self._stack.urls.judge_audit + "/v1/status")
            applied = {each["shard"]: each["applied"] for each in status["shards"]}
            reached = all(applied.get(number, 0) >= shard.events_due for number, shard in self._scan.shards.items())
            return reached and status["settled"], status

        if not await _until(done):
            summary.faults.append("judge-audit has not judged everything in time")


async def take_proof(stack: Stack, name: EventName, summary: Summary) -> None:
    """Fetch one event's bundle and check it by a process that has public keys, a witness policy and no network."""
    source, event_id = name
    folder = stack.folder.root / "proofs"
    folder.mkdir(exist_ok=True)
    file = folder / f"{event_id}.proof.json"
    url = f"{stack.urls.verifier}/v1/events/{quote(source, safe='')}/{quote(event_id, safe='')}/proof"
    witnessed = stack.options.witness_port is not None
    bundle = await _bundle(url, stack, witnessed=witnessed)
    if isinstance(bundle, str):
        summary.faults.append(f"no proof of {source} {event_id}: {bundle}")
        return
    file.write_bytes(bundle)
    trusted = ["--policy", str(stack.policy_file)] if witnessed else ["--operator-only"]
    argv = [*script_argv("balance-chain", "verify"), str(file), "--vkey", str(stack.log_vkey), *trusted]
    process = await asyncio.create_subprocess_exec(*argv, stdout=sys.stderr, stderr=sys.stderr)
    code = await asyncio.wait_for(process.wait(), PROOF_SECONDS)
    summary.proof_verified = code == 0
    if code != 0:
        summary.faults.append(f"the proof of {source} {event_id} does not verify: exit {code}, see {file}")


async def _bundle(url: str, stack: Stack, *, witnessed: bool) -> bytes | str:
    """The bundle, once its checkpoint carries the cosignatures that the policy asks for; or what the verifier said."""
    log_key = VerifierKey.parse(stack.log_vkey.read_text().strip())
    policy = Policy.parse(stack.policy_file.read_bytes()) if witnessed else None
    until = time.monotonic() + HTTP_SECONDS
    async with httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False) as client:
        while True:
            response = await client.get(url)
            if response.status_code != httpx.codes.OK:
                return f"the verifier answered {response.status_code}"
            cosigned = policy is None or verify_bundle(ProofBundle.parse(response.content), log_key, policy=policy).ok
            if cosigned or time.monotonic() > until:
                return response.content
            await asyncio.sleep(POLL_SECONDS)


async def compare_alerts(stack: Stack, simulation: Simulation, summary: Summary) -> None:
    """Open alerts by rule, and those on the simulator's cases against its labels.

    A cured alert spoke of something that was absent while a slow machine was still sending it.
    """
    alerts = [each for each in await all_alerts(stack.urls.judge_audit) if each["state"] == "open"]
    summary.alerts = dict(Counter(each["rule"] for each in alerts))
    subjects = {label.subject for label in simulation.labels} | {
        parse_subject(event["subject"]).caseid for event in simulation.events
    }
    found = {(each["rule"], each["subject"]) for each in alerts if each["subject"] in subjects}
    planted = {(label.rule, label.subject) for label in simulation.labels if label.expected}
    summary.missed = _named(planted - found)
    summary.unexpected = _named(found - planted)
    if summary.missed:
        summary.faults.append(f"planted and not found: {', '.join(summary.missed[:SHOWN])}")
    if summary.unexpected:
        summary.faults.append(f"found and not planted: {', '.join(summary.unexpected[:SHOWN])}")


async def all_alerts(url: str) -> list[dict[str, Any]]:
    """Every alert of judge-audit, page by page."""
    alerts: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await get(f"{url}/v1/alerts", params={"limit": "1000"} | ({"cursor": cursor} if cursor else {}))
        alerts += page["alerts"]
        cursor = page["next"]
        if cursor is None:
            return alerts


async def get(url: str, params: dict[str, str] | None = None) -> dict[str, Any]:
    """One JSON answer."""
    async with httpx.AsyncClient(timeout=HTTP_SECONDS, trust_env=False) as client:
        response = await client.get(url, params=params)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


async def _until(done: Callable[[], Awaitable[tuple[bool, object]]]) -> bool:
    """Ask until done; give up when what it reports has not changed for `STILL_SECONDS`."""
    last: object = None
    moved = time.monotonic()
    while True:
        finished, seen = await done()
        if finished:
            return True
        if seen != last:
            last, moved = seen, time.monotonic()
        if time.monotonic() - moved > STILL_SECONDS:
            return False
        await asyncio.sleep(POLL_SECONDS)


def _named(pairs: set[tuple[str, str]]) -> list[str]:
    return [f"{rule} {subject}" for rule, subject in sorted(pairs)]
