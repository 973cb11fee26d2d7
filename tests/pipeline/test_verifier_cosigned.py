"""The verifier knows the witnesses of its policy: it counts cosignatures, says what is final and proves under it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.health import Health
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings
from balance_verifier.witness.mirror import Mirror
from balance_verifier.witness.service import Witness
from balance_verifier.witness.store import SqliteConnection, Store
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.equivocation import Evidence, check
from balance_verify.note import NoteSignature, SignedNote, sign_note
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.topicvalues import CheckpointRecord
from balance_verify.verify import verify_bundle
from balance_verify.witness import AddCheckpoint
from support.processes import Processes
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

KEYS = [CosigningKey.generate(f"w{n}.example", bytes([n]) * 32) for n in range(3)]
POLICY = "".join(f"witness w{n} {key.vkey}\n" for n, key in enumerate(KEYS[:2])) + "group g all w0 w1\nquorum g\n"
FAST = {"verifier_retry_seconds": 0.2, "verifier_poll_seconds": 0.1}


@pytest.fixture
def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    return Written(topics, SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions))


@pytest.fixture
async def pool(topics: CommonSettings) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(topics.database, min_size=0, server_settings={"search_path": "verifier"}) as made:
        yield made


def cosign(ledger: SmallLedger, *signatures: NoteSignature) -> None:
    """The last checkpoint once more, with these."""
    last = CheckpointRecord.parse(ledger.checkpoints[-1])
    note = SignedNote.parse(last.note.encode())
    more = SignedNote(note.text, (note.signatures[0], *signatures))
    ledger.checkpoints.append(CheckpointRecord(last.heights, more.encode().decode()).encode())


def by(ledger: SmallLedger, *numbers: int) -> list[NoteSignature]:
    text = SignedNote.parse(CheckpointRecord.parse(ledger.checkpoints[-1]).note.encode()).text
    return [KEYS[n].cosign(text, 1_790_000_000 + n) for n in numbers]


async def findings(pool: asyncpg.Pool) -> list[str]:
    return [row["code"] for row in await pool.fetch("SELECT code FROM finding ORDER BY code")]


async def test_cosignatures_count_and_proofs_are_made_under_the_last_final_checkpoint(
    written: Written, processes: Processes, pool: asyncpg.Pool, keys: KeyDirectory, tmp_path: Path
) -> None:
    ledger, settings = written.ledger, written.settings
    policy = tmp_path / "policy.txt"
    policy.write_text(POLICY, encoding="utf-8")
    await written.rounds(1)
    cosign(ledger, *by(ledger, 0))
    cosign(ledger, *by(ledger, 0, 1))
    cosign(ledger, *by(ledger, 0, 1, 2))
    final = ledger.size
    await written.rounds(1)
    cosign(ledger, *by(ledger, 1))
    await written.flush()
    worker = processes.start("balance-verifier", "worker", settings=settings, env={**FAST, "witness_policy": policy})

    async def taken() -> bool:
        position = await pool.fetchval("SELECT next FROM log")
        return position == len(ledger.checkpoints) and await caught_up(pool, ledger)

    await wait_until(taken, 60, f"all is taken; {worker.log}")
    rows = await pool.fetch("SELECT size, cardinality(cosigners) AS n, quorum FROM checkpoint ORDER BY pos")
    second = ledger.size
    assert [tuple(row) for row in rows] == [
        (1, 0, False), (final, 0, False), (final, 1, False), (final, 2, True), (second, 0, False), (second, 1, False),
    ]  # fmt: skip
    assert await findings(pool) == [], "a signature by a witness that the policy does not have is no fault"
    app = build_app(ApiSettings(**{**settings.model_dump(), "witness_policy": policy}), Health())
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://v") as client:
        log = (await client.get("/v1/status")).json()["log"]
        assert (log["size"], log["final_size"], log["cosigners"]) == (second, final, [KEYS[1].vkey.id])
        parsed = Policy.parse(POLICY.encode())
        for id, size, result in (("e-0-0", final, True), ("e-0-3", second, False)):
            answer = await client.get(f"/v1/events/{quote(SOURCE, safe='')}/{id}/proof")
            bundle = ProofBundle.parse(answer.content)
            assert bundle.log_proof.checkpoint.size == size
            assert verify_bundle(bundle, keys.log_vkey, policy=parsed).ok is result
            told = (await client.post("/v1/verify", content=answer.content)).json()
            assert told["ok"] is result
        assert (await client.get("/log/checkpoint")).text.count("— ") == 2


async def test_a_forged_cosignature_of_a_known_witness_does_not_count_and_is_found(
    written: Written, processes: Processes, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    ledger = written.ledger
    policy = tmp_path / "policy.txt"
    policy.write_text(POLICY, encoding="utf-8")
    await written.rounds(1)
    cosign(ledger, NoteSignature(KEYS[0].vkey.name, KEYS[0].vkey.key_hash, bytes(72)))
    await written.flush()
    processes.start("balance-verifier", "worker", settings=written.settings, env={**FAST, "witness_policy": policy})

    async def found() -> bool:
        return await findings(pool) == ["checkpoint_signature"]

    await wait_until(found, 60, "the forged cosignature is found")


async def test_a_mirror_cosigns_what_it_recomputed_and_keeps_evidence_of_anything_else(
    written: Written, processes: Processes, pool: asyncpg.Pool, keys: KeyDirectory, tmp_path: Path
) -> None:
    ledger = written.ledger
    await written.rounds(2)
    processes.start("balance-verifier", "worker", settings=written.settings, env=FAST)

    async def taken() -> bool:
        return await caught_up(pool, ledger)

    await wait_until(taken, 60, "the worker has all")
    store = Store(SqliteConnection(tmp_path / "state"))
    witness = Witness(KEYS[0], [keys.log_vkey], store, tmp_path / "evidence", mirror=Mirror(pool, 0.2))
    await witness.prepare()
    whole = Checkpoint(ledger.origin, ledger.size, ledger.root)

    def request(checkpoint: Checkpoint) -> bytes:
        return AddCheckpoint(0, (), sign_note(checkpoint.text(), keys.log)).encode()

    # Signed by the log, but not what the mirror has recomputed at this size: refused, and proven.
    false = Checkpoint(ledger.origin, ledger.size - 2, bytes(32))
    assert (await witness.add_checkpoint(request(false))).status == 422
    ((id, _, _),) = await store.evidence()
    assert check(Evidence.parse(await store.evidence_data(id) or b""), keys.log_vkey).proven
    # Further than the recomputation has come: not yet.
    ahead = Checkpoint(ledger.origin, ledger.size + 5, bytes(32))
    assert (await witness.add_checkpoint(request(ahead))).status == 503
    assert (await witness.add_checkpoint(request(whole))).status == 200
    await store.close()
