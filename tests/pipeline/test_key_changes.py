"""Keys change while events flow, on a real Kafka and PostgreSQL: no event is lost, and every reader keeps up."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from balance_chain.core.counting import BlockChain
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import BLOCKS, CHECKPOINTS, EVENTS, RAW
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.tailwriter import OutRecord, TailWriter
from balance_chain.runtime.topics import create_topics
from balance_sealer.asking import ask_notary
from balance_sealer.blocks import build_block
from balance_sealer.settings import NotarySettings
from balance_verifier.proofs import proof_of
from balance_verifier.queries import Queries
from balance_verify.__main__ import main
from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry, Follows, GenesisHeader
from balance_verify.final import open_final
from balance_verify.note import SignedNote, SigningKey, VerifierKey
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from balance_verify.verify import SIGNER_NOT_RECOGNISED
from support.ledger import read_values
from support.processes import Processes, Running
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until

SEALER = {"max_events": 4, "max_wait_ms": 30, "genesis": True, "group_session_seconds": 2}
NOTARY = {"checkpoint_interval_ms": 20, "lease_seconds": 3}
VERIFIER = {"verifier_poll_seconds": 0.1, "verifier_retry_seconds": 0.5}
SECONDS = 90.0
NOW_MS = 1_800_000_000_000


class World:
    """A sealer, a notary and a verifier over events that a test puts on the topic."""

    def __init__(self, settings: CommonSettings, keys: KeyDirectory, processes: Processes, pool: asyncpg.Pool) -> None:
        self.settings, self.keys, self.processes, self.pool = settings, keys, processes, pool
        self.events = SmallLedger(keys.log, keys.sealer, keys.gateway, settings.partitions)

    def sealer(self) -> Running:
        return self.processes.start("balance-sealer", "sealer", settings=self.settings, env=SEALER)

    def notary(self) -> Running:
        return self.processes.start("balance-sealer", "notary", settings=self.settings, env=NOTARY)

    def verifier(self) -> Running:
        return self.processes.start("balance-verifier", "worker", settings=self.settings, env=VERIFIER)

    async def put(self, shard: int, count: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka, acks="all")
        await producer.start()
        try:
            headers = [("source", SOURCE.encode())]
            for _ in range(count):
                sent = await producer.send_and_wait(self.settings.topic(RAW), b"{}", partition=shard, headers=headers)
                self.events.add_event(shard, rawpos=sent.offset, received_ms=sent.timestamp)
                await producer.send_and_wait(
                    self.settings.topic(EVENTS), self.events.events[shard][-1], partition=shard
                )
        finally:
            await producer.stop()

    async def sealed(self) -> None:
        """Until the verifier has every event in a block that it has recomputed under a checkpoint."""
        want = [len(events) for events in self.events.events]

        async def done() -> bool:
            rows = await self.pool.fetch(
                "SELECT shard, sum(count) AS n FROM block WHERE log_index IS NOT NULL GROUP BY shard ORDER BY shard"
            )
            found = {row["shard"]: int(row["n"]) for row in rows}
            return [found.get(shard, 0) for shard in range(len(want))] == want

        await wait_until(done, SECONDS, f"{want} events covered and recomputed")

    async def signers(self) -> dict[int, str]:
        """Who signed the entry at each index of the log."""
        rows = await self.pool.fetch("SELECT log_index, entry FROM block WHERE log_index IS NOT NULL")
        return {row["log_index"]: Entry.parse(row["entry"]).key for row in rows}

    async def findings(self) -> list[tuple[str, str]]:
        return [tuple(row) for row in await self.pool.fetch("SELECT code, got FROM finding ORDER BY found")]

    async def command(self, *arguments: str) -> dict[str, object]:
        ended = await self.processes.run("balance-chain", "keys", *arguments, "--json", settings=self.settings)
        return dict(json.loads(ended.log.strip().splitlines()[-1]))

    async def has_finding(self, code: str) -> bool:
        return code in [each for each, _ in await self.findings()]

    async def recomputed(self, shard: int) -> int:
        """Events of a shard in blocks that the verifier has recomputed, covered or not."""
        return int(await self.pool.fetchval("SELECT coalesce(sum(count), 0) FROM block WHERE shard = $1", shard))

    async def signed_by(self, shard: int, who: str) -> bool:
        """Whether the shard's last block is by this key, with one more event where it is not yet."""
        values = await read_values(self.settings, BLOCKS, shard)
        if Entry.parse(BlockRecord.parse(values[-1]).entry).key == who:
            return True
        await self.put(shard, 1)
        return False

    async def log_signers(self) -> list[tuple[int, set[str]]]:
        """Of each checkpoint record that changes no key: its size and who signed it."""
        records = [CheckpointRecord.parse(value) for value in await read_values(self.settings, CHECKPOINTS, 0)]
        notes = [SignedNote.parse(record.note.encode()) for record in records if record.keys is None]
        return [
            (Checkpoint.parse(note.text).size, {f"{s.name}+{s.key_hash.hex()}" for s in note.signatures})
            for note in notes
        ]

    async def bundle(self, shard: int, pos: int) -> bytes:
        """The proof of an event."""
        queries = Queries(self.pool)
        row = await self.pool.fetchrow("SELECT source, id FROM event WHERE shard = $1 AND pos = $2", shard, pos)
        found = await proof_of(queries, await queries.event(row["source"], row["id"]))
        assert found is not None
        return found.encode()

    async def forge(self, shard: int, key: SigningKey, count: int) -> None:
        """A block over the last `count` events, as whoever has the key and can write to the topic would make it."""
        chain = BlockChain(shard)
        for value in await read_values(self.settings, BLOCKS, shard):
            entry = BlockRecord.parse(value).entry
            chain.extend(Entry.parse(entry).block_header(), entry)
        values = self.events.events[shard][chain.next_offset :]
        assert len(values) == count
        block = build_block(chain, values, origin=self.settings.origin, now_ms=NOW_MS, key=key)
        writer = TailWriter(self.settings, self.settings.topic(BLOCKS), shard)
        await writer.open()
        await writer.append([OutRecord(None, block.value)])
        await writer.close()


@pytest.fixture
async def world(topics: CommonSettings, keys: KeyDirectory, processes: Processes) -> AsyncIterator[World]:
    await processes.run("balance-sealer", "genesis", settings=topics)
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as pool:
        yield World(topics, keys, processes, pool)


async def test_a_sealers_key_is_rotated_while_events_flow(world: World) -> None:
    first = world.keys.sealer_vkey.id
    world.sealer(), world.notary(), world.verifier()
    for shard in (0, 1):
        await world.put(shard, 10)
    await world.sealed()

    added = await world.command("rotate", "sealer")
    await world.put(0, 5)
    promoted = await world.command("rotate", "sealer", "--promote")
    second = VerifierKey.parse(str(promoted["signs"])).id
    for shard in (0, 1):
        await wait_until(lambda shard=shard: world.signed_by(shard, second), SECONDS, f"shard {shard} has the new key")
    ended = await world.command("rotate", "sealer", "--end")
    assert str(added["added"]) == promoted["signs"]

    for shard in (0, 1):
        await world.put(shard, 10)
    await world.sealed()
    assert await world.findings() == []
    signers = await world.signers()
    assert set(signers.values()) == {first, second}
    assert all(index < int(str(ended["size"])) for index, who in signers.items() if who == first)
    assert all(index >= int(str(added["size"])) for index, who in signers.items() if who == second)
    listed = await world.command("list")
    held = {(key["vkey"], key["from_size"], key["until_size"]) for key in listed["keys"] if key["role"] == "sealer"}
    assert held == {(promoted["before"], 0, ended["size"]), (promoted["signs"], added["size"], None)}


async def test_what_a_stolen_key_signs_after_its_revocation_is_found_and_does_not_count(world: World) -> None:
    stolen = world.keys.signing_key("sealer")
    sealer = world.sealer()
    world.notary(), world.verifier()
    await world.put(0, 8)
    await world.sealed()
    sealer.terminate()
    await sealer.ended()

    await world.command("revoke", stolen.vkey.id)
    await world.put(0, 4)
    await world.forge(0, stolen, 4)
    await wait_until(lambda: world.has_finding("block_signature"), SECONDS, "the forged block is found")
    world.sealer()
    await world.put(0, 4)
    await world.sealed()
    found = await world.findings()
    assert [code for code, _ in found] == ["block_signature"]
    assert found[0][1] == f"signer {stolen.vkey.id}"


async def test_blocks_that_no_checkpoint_covers_are_sealed_anew_when_their_key_is_revoked(world: World) -> None:
    stolen = world.keys.signing_key("sealer")
    world.sealer(), world.verifier()
    notary = world.notary()
    await world.put(0, 8)
    await world.put(1, 4)
    await world.sealed()
    notary.kill()
    await notary.ended()
    await world.put(0, 4)

    async def taken() -> bool:
        return await world.recomputed(0) == 12

    await wait_until(taken, SECONDS, "the verifier has taken a block that no notary has seen")
    # The notary looks at what was asked before it reads blocks, so that block is above the size of the revocation.
    new = world.keys.prepare("sealer").vkey
    asked = [("end", stolen.vkey.id), ("add", str(new))]
    await ask_notary(NotarySettings(**world.settings.model_dump()), asked, 0)
    world.notary()
    await wait_until(lambda: world.has_finding("block_signature"), SECONDS, "the block is taken back")
    await world.command("rotate", "sealer", "--promote")
    await world.put(0, 4)
    await world.sealed()
    listed = await world.command("list")
    until = next(key["until_size"] for key in listed["keys"] if key["vkey"] == str(stolen.vkey))
    signers = await world.signers()
    assert {who for index, who in signers.items() if index < until} == {stolen.vkey.id}
    assert {who for index, who in signers.items() if index >= until} == {new.id}
    assert {code for code, _ in await world.findings()} == {"block_signature"}


@pytest.fixture
async def successor(topics: CommonSettings, postgres: str, tmp_path: Path) -> AsyncIterator[CommonSettings]:
    """Settings of next year's log: topics, database and keys of its own."""
    name, origin = f"test_{secrets.token_hex(6)}", "test.example/balance-chain/2"
    KeyDirectory.generate(tmp_path / "next", origin)
    settings = topics.model_copy(
        update={
            "origin": origin,
            "keys": tmp_path / "next",
            "topic_prefix": f"t{secrets.token_hex(4)}.",
            "database": urlunsplit(urlsplit(postgres)._replace(path=f"/{name}")),
        }
    )
    await create_topics(settings)
    connection = await asyncpg.connect(postgres, timeout=20)
    try:
        await connection.execute(f'create database "{name}" template template0')
        yield settings
        await connection.execute(f'drop database if exists "{name}" with (force)')
    finally:
        await connection.close(timeout=20)


async def test_a_frozen_log_ends_for_ever_and_the_next_one_names_it(
    world: World, successor: CommonSettings, processes: Processes, tmp_path: Path
) -> None:
    sealer, notary = world.sealer(), world.notary()
    world.verifier()
    await world.put(0, 6)
    await world.sealed()
    frozen = await processes.run("balance-sealer", "freeze", settings=world.settings)
    watch = KeyWatch(world.settings, world.keys.log_vkey)
    await watch.refresh()
    assert watch.final is not None
    assert open_final(watch.final_note.encode(), world.keys.log_vkey) == watch.final
    assert watch.final_note.splitlines()[0] in frozen.log

    async def said() -> bool:
        return bool(await world.pool.fetchval("SELECT final FROM log"))

    await wait_until(said, SECONDS, "the verifier knows that the log has ended")
    await world.put(0, 3)
    for process in (sealer, notary):
        process.terminate()
        await process.ended()
    world.notary()
    again = await processes.run("balance-sealer", "genesis", settings=world.settings)
    assert "had begun before" in again.log
    row = await world.pool.fetchrow("SELECT size, final FROM log")
    assert tuple(row) == (watch.final.size, True)
    assert await world.findings() == []

    statement, vkey = tmp_path / "final.note", tmp_path / "before.vkey"
    statement.write_text(watch.final_note, encoding="utf-8")
    vkey.write_text(str(world.keys.log_vkey), encoding="utf-8")
    following = ("--follows", str(statement), "--follows-vkey", str(vkey))
    await processes.run("balance-sealer", "genesis", *following, settings=successor)
    log_key = KeyDirectory.load(successor.keys).log_vkey
    header = await genesis_of(successor, log_key)
    assert header.follows == Follows(watch.final.origin, watch.final.root.hex(), watch.final.size)


async def genesis_of(settings: CommonSettings, log_key: VerifierKey) -> GenesisHeader:
    """The header with which a log begins, as its first checkpoint carries it."""
    record = CheckpointRecord.parse((await read_values(settings, CHECKPOINTS, 0))[0])
    entry = Entry.parse(record.genesis or b"")
    entry.verify(log_key)
    return entry.genesis_header()


async def test_the_logs_own_key_is_rotated_while_events_flow(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = world.keys.log_vkey
    sealer, notary, verifier = world.sealer(), world.notary(), world.verifier()
    for shard in (0, 1):
        await world.put(shard, 5)
    await world.sealed()
    early = await world.bundle(0, 0)

    added = await world.command("rotate", "log")
    await world.put(0, 5)
    await world.sealed()
    await world.command("rotate", "log", "--promote")
    # Whoever starts now reads the files as they are, and begins with what the log began with.
    for process in (notary, sealer, verifier):
        process.terminate()
        await process.ended()
    world.notary(), world.sealer(), world.verifier()
    await world.put(1, 5)
    await world.sealed()
    ended = await world.command("rotate", "log", "--end")
    await world.put(0, 5)
    await world.sealed()
    assert await world.findings() == []

    new = KeyDirectory.load(world.keys.path).vkey("log")
    first, last = int(str(added["size"])), int(str(ended["size"]))
    for size, signers in await world.log_signers():
        assert (old.id in signers) == (size <= last), size
        assert new.id in signers if size > first else size == first or new.id not in signers, size
    assert [key.vkey for key in KeyDirectory.load(world.keys.path).log_keys()] == [new]

    # Anybody who knows either key checks what was sealed before, in and after the overlap.
    late = await world.bundle(0, 12)
    notes = tmp_path / "keys.notes"
    notes.write_text("\n".join(await Queries(world.pool).key_notes()), encoding="utf-8")
    for bundle in (early, late):
        for key in (old, new):
            vkey, proof = tmp_path / "log.vkey", tmp_path / "proof.json"
            vkey.write_text(str(key), encoding="utf-8")
            proof.write_bytes(bundle)
            assert main([str(proof), "--vkey", str(vkey), "--keys", str(notes), "--operator-only"]) == 0
    (tmp_path / "log.vkey").write_text(str(old), encoding="utf-8")
    assert main([str(tmp_path / "proof.json"), "--vkey", str(tmp_path / "log.vkey"), "--operator-only"]) == 1
    assert SIGNER_NOT_RECOGNISED in capsys.readouterr().out

    folder = str(tmp_path / "archive")
    await world.processes.run("balance-chain", "archive", "export", folder, settings=world.settings)
    lines = (tmp_path / "archive" / "keys").read_text(encoding="utf-8").splitlines()
    assert f"0 {last} {old}" in lines
    assert f"{first} - {new}" in lines
    for key in (old, new):
        (tmp_path / "log.vkey").write_text(str(key), encoding="utf-8")
        arguments = ("fsck", "--archive", folder, "--vkey", str(tmp_path / "log.vkey"))
        await world.processes.run("balance-chain", *arguments, settings=world.settings)
    await world.processes.run("balance-chain", "fsck", "--live", settings=world.settings)
