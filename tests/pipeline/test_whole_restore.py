"""The drill: Kafka's topics are lost, and lost once more; each time the log goes on, and everything verifies."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from balance_chain.cli.publishing import Event
from balance_chain.core.topics import CHECKPOINTS, SPECS
from balance_chain.simulator import generate
from balance_local.children import script_argv
from balance_local.sealed import SealedScan
from balance_local.stack import environment, services
from balance_verify.__main__ import main as verify
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry
from balance_verify.merkle import consistency_path, leaf_hash, verify_consistency
from balance_verify.note import SignedNote, VerifierKey, open_note
from balance_verify.tiles import TILE_WIDTH, parse_bundle
from balance_verify.topicvalues import CheckpointRecord
from support.ledger import read_values
from support.waiting import wait_until
from support.wholestack import SOURCES, Whole, get, get_bytes, whole_stack

SEED = 11
COMMAND_SECONDS = 180
SECONDS = 120.0
RECEIPT_SECONDS = 20
PROMISES = {"BALANCE_RECEIPT_SECONDS": str(RECEIPT_SECONDS), "BALANCE_RECEIPT_SLACK_SECONDS": "2"}


class Drill:
    """One ledger, its archive, and the loss of everything on Kafka."""

    def __init__(self, whole: Whole, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.whole = whole
        self.archive = folder / "archive"
        self._folder = folder
        self._patch = patch

    async def command(self, script: str, *arguments: str) -> str:
        """One of our commands with the stack's settings; it must succeed."""
        code, out = await self.asked(script, *arguments)
        assert code == 0, f"{script} {' '.join(arguments)} ended with {code}:\n{out}"
        return out

    async def asked(self, script: str, *arguments: str) -> tuple[int, str]:
        options = self.whole.stack.options
        clocks = {"grace_seconds": options.grace_seconds, "lateness_seconds": options.lateness_seconds}
        process = await asyncio.create_subprocess_exec(
            *script_argv(script, *arguments),
            env={**os.environ, **environment(self.whole.stack.settings, **clocks)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), COMMAND_SECONDS)
        return process.returncode or 0, out.decode()

    async def no_more_checkpoints(self) -> None:
        """The notary dies with nothing guarded that is not published, and finds no Kafka when it is back."""
        settings, supervisor = self.whole.stack.settings, self.whole.stack.supervisor

        async def frozen() -> bool:
            supervisor.signal("notary", signal.SIGSTOP)
            size = self._size((await read_values(settings, CHECKPOINTS, 0))[-1])
            if size == await self.fetch("SELECT size FROM notary.guard"):
                return True
            supervisor.signal("notary", signal.SIGCONT)
            return False

        await wait_until(frozen, SECONDS, "the notary is frozen between two checkpoints")
        supervisor.set_environment("notary", BALANCE_KAFKA="127.0.0.1:9")
        supervisor.signal("notary", signal.SIGKILL)

    def _size(self, value: bytes) -> int:
        return Checkpoint.parse(SignedNote.parse(CheckpointRecord.parse(value).note.encode()).text).size

    async def fetch(self, query: str, *values: Any) -> Any:
        connection = await asyncpg.connect(self.whole.database, timeout=20)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close(timeout=20)

    async def judged(self, event: Event) -> bool:
        """Whether the gateway has looked at what its receipt promised."""
        query = "SELECT j.due >= r.due FROM intake.judged j, intake.reservation r WHERE r.source = $1 AND r.id = $2"
        return bool(await self.fetch(query, event["source"], event["id"]))

    async def export(self) -> bytes:
        """The archive up to the last checkpoint that there is; the note of that."""
        settings = self.whole.stack.settings
        last = self._size((await read_values(settings, CHECKPOINTS, 0))[-1])

        async def recomputed() -> bool:
            return await self.fetch("SELECT size FROM verifier.log") == last

        await wait_until(recomputed, SECONDS, "the verifier has recomputed all that is covered")
        await self.command("balance-chain", "archive", "export", str(self.archive))
        return (self.archive / "checkpoint").read_bytes()

    async def lose_kafka(self) -> None:
        """Every process ends, every topic is gone."""
        settings = self.whole.stack.settings
        await self.whole.stack.supervisor.stop()
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=20_000)
        await admin.start()
        try:
            names = {settings.topic(spec.name) for spec in SPECS}
            await admin.delete_topics(list(names))

            async def gone() -> bool:
                return not names & set(await admin.list_topics())

            await wait_until(gone, SECONDS, "the topics are gone")
        finally:
            await admin.close()

    async def restore(self, number: int) -> None:
        """What docs/archive.md tells an operator to do."""
        await self.command("balance-chain", "topics", "create")
        await self.command("balance-chain", "archive", "restore", str(self.archive), "--yes")
        await self.command("balance-sealer", "generation", str(number))
        for name in ("intake", "verifier", "judge-audit"):
            await self.command("balance-chain", "rebuild", name)
        self._patch.setenv("BALANCE_RAW_GENERATION", str(number))

    async def start(self) -> None:
        stack = self.whole.stack
        await stack.supervisor.start(services(stack.settings, stack.options, genesis=False), SECONDS)

    async def whole_and_consistent(self, old: bytes) -> list[Entry]:
        """Live, archived and read independently, nothing is wrong, and the log of the old checkpoint only grew."""
        vkey = self.whole.stack.log_vkey
        kept = self._folder / f"kept-{secrets.token_hex(4)}.note"
        kept.write_bytes(old)
        await self.command("balance-chain", "archive", "export", str(self.archive))
        checks = ("--vkey", str(vkey), "--checkpoint", str(kept), "--json")
        report = json.loads(await self.command("balance-chain", "fsck", "--archive", str(self.archive), *checks))
        assert report["ok"], report
        await self.command("balance-chain", "fsck", "--live", "--checkpoint", str(kept))
        await self.whole.projected()
        assert (await get(f"{self.whole.stack.urls.verifier}/v1/status"))["findings"]["by_code"] == {}
        return await self._consistent(old, VerifierKey.parse(vkey.read_text().strip()))

    async def _consistent(self, old: bytes, key: VerifierKey) -> list[Entry]:
        log = f"{self.whole.stack.urls.verifier}/log"
        new = Checkpoint.parse(open_note(await get_bytes(f"{log}/checkpoint"), [key]).text)
        entries: list[bytes] = []
        for first in range(0, new.size, TILE_WIDTH):
            width = min(TILE_WIDTH, new.size - first)
            part = "" if width == TILE_WIDTH else f".p/{width}"
            entries += parse_bundle(await get_bytes(f"{log}/tile/entries/{first // TILE_WIDTH:03}{part}"), width)
        before = Checkpoint.parse(open_note(old, [key]).text)
        path = consistency_path([*map(leaf_hash, entries)], before.size)
        verify_consistency(before.size, before.root, new.size, new.root, path)
        return [*map(Entry.parse, entries)]


def part(first: int, last: int) -> list[Event]:
    """The cases of a run from number `first` on; the same seed gives the same ones each time."""
    known = {event["id"] for event in generate(first, SEED).events}
    return [event for event in generate(last, SEED).events if event["id"] not in known]


async def settled(whole: Whole) -> None:
    await whole.sealed()
    await whole.verified()


async def proof(whole: Whole, event: dict[str, Any], path: Path) -> Path:
    name = "/".join(quote(event[each], safe="") for each in ("source", "id"))
    found = await get_bytes(f"{whole.stack.urls.verifier}/v1/events/{name}/proof")
    await asyncio.to_thread(path.write_bytes, found)
    return path


def holds(whole: Whole, bundle: Path) -> bool:
    return verify([str(bundle), "--vkey", str(whole.stack.log_vkey), "--operator-only"]) == 0


async def test_a_log_lost_twice_is_the_same_log_and_what_was_lost_is_sent_again(
    kafka: str, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with whole_stack(kafka, postgres, env=PROMISES) as whole:
        drill = Drill(whole, tmp_path, monkeypatch)
        await whole.publish(generate(4, SEED).events)
        await settled(whole)
        first = next(event for event in whole.published.values() if SOURCES[event["source"]].transport == "http")
        old_bundle = await proof(whole, first, tmp_path / "old.proof.json")
        # One more is accepted and sealed, and never comes under a checkpoint.
        lost = next(event for event in part(4, 6) if SOURCES[event["source"]].transport == "http")
        await drill.no_more_checkpoints()
        before = dict(whole.published)
        await whole.publish([lost])
        receipt = whole.receipts[-1]
        await whole.sealed()
        old = await drill.export()
        # That block keeps the promise, and is lost: then the promise is not kept after all.
        await wait_until(lambda: drill.judged(lost), SECONDS, "the promise has been looked at")
        assert not await broken(whole, lost)
        await drill.lose_kafka()
        await drill.restore(1)
        await drill.start()
        async with SealedScan(whole.stack.settings) as scan:
            whole.scan = scan
            whole.published = before
            await settled(whole)
            assert (lost["source"], lost["id"]) not in scan.places
            await wait_until(lambda: broken(whole, lost), SECONDS, "the promise that was lost is told broken")
            # Sent again, it is taken again under the receipt that it has, which says truly that it was not kept.
            await whole.publish([lost])
            assert whole.receipts[-1] == receipt
            await whole.publish(part(4, 6))
            await settled(whole)
            entries = await drill.whole_and_consistent(old)
            begun = [each.generation_header() for each in entries if "generation" in each.header_bytes.decode()]
            assert [(each.gen, each.size) for each in begun] == [(1, Checkpoint.parse(SignedNote.parse(old).text).size)]
            gens = [each.block_header().gen for each in entries[1:] if "generation" not in each.header_bytes.decode()]
            assert gens[begun[0].size - 2] == 0
            assert set(gens[begun[0].size - 1 :]) == {1}
            assert holds(whole, old_bundle)
            assert holds(whole, await proof(whole, first, tmp_path / "first.proof.json"))
            assert holds(whole, await proof(whole, lost, tmp_path / "lost.proof.json"))
            await drill.no_more_checkpoints()
            second = await drill.export()
        await drill.lose_kafka()
        await drill.restore(2)
        await drill.start()
        async with SealedScan(whole.stack.settings) as scan:
            whole.scan = scan
            await whole.publish(part(6, 8))
            await settled(whole)
            for note in (old, second):
                entries = await drill.whole_and_consistent(note)
            assert entries[-1].block_header().gen == 2
            assert holds(whole, await proof(whole, first, tmp_path / "again.proof.json"))


async def broken(whole: Whole, event: dict[str, Any]) -> bool:
    connection = await asyncpg.connect(whole.database, timeout=20)
    try:
        row = await connection.fetchrow(
            "SELECT published FROM intake.broken_receipt WHERE source = $1 AND id = $2", event["source"], event["id"]
        )
    finally:
        await connection.close(timeout=20)
    return row is not None and bool(row["published"])
