"""The notary asks witnesses for cosignatures, publishes them, and goes on whatever a witness does or fails to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.settings import CommonSettings
from balance_verify.note import NoteSignature
from balance_verify.witness import SIZE_TYPE, AddCheckpoint
from starlette.responses import Response
from support.chains import Chains
from support.ledger import read_values
from support.ports import free_ports
from support.processes import Processes, Running
from support.village import Village, other_history, village
from support.waiting import wait_until

FAST = {"checkpoint_interval_ms": 20, "lease_seconds": 5, "witness_retry_seconds": 1}
SECONDS = 60.0
FINAL = "balance_notary_final_size_entries"


@pytest.fixture
async def ledger(topics: CommonSettings, processes: Processes) -> CommonSettings:
    """Topics with a genesis checkpoint."""
    await processes.run("balance-sealer", "genesis", settings=topics)
    return topics


@pytest.fixture
def chains(ledger: CommonSettings, keys: KeyDirectory) -> Chains:
    return Chains(ledger, keys)


@pytest.fixture
async def around(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, tmp_path: Path
) -> AsyncIterator[Village]:
    (tmp_path / "village").mkdir()
    async with village(tmp_path / "village", keys.log, processes) as made:
        yield made


def start(processes: Processes, settings: CommonSettings, policy: Path | None, **env: object) -> tuple[Running, str]:
    """A notary, and the URL of its health."""
    (port,) = free_ports(1)
    named = {"witness_policy": policy} if policy else {}
    running = processes.start(
        "balance-sealer", "notary", settings=settings, env={**FAST, **named, "health_port": port, **env}
    )
    return running, f"http://127.0.0.1:{port}"


async def notices(url: str) -> list[str]:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        found: dict[str, Any] = (await client.get(f"{url}/readyz")).json()
    return found["notices"]


async def metric(url: str, name: str) -> float:
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        lines = (await client.get(f"{url}/metrics")).text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))


async def final(url: str, size: int) -> None:
    """Wait until the notary says that the checkpoint of this size is final."""

    async def is_final() -> bool:
        return await metric(url, FINAL) == size

    await wait_until(is_final, SECONDS, f"size {size} is final")


async def cosigned(around: Village, chains: Chains, *names: str) -> None:
    """Wait until the whole log is under a checkpoint that these, in any order, and nobody else have cosigned."""

    async def last() -> bool:
        size, by = (await around.records(chains.settings))[-1]
        return size == chains.size and sorted(by) == sorted(names)

    await wait_until(last, SECONDS, f"{names} cosigned size {chains.size}")


def times(signature: NoteSignature, time: int) -> NoteSignature:
    return NoteSignature(signature.name, signature.key_hash, time.to_bytes(8, "big") + signature.signature[8:])


async def test_with_one_absent_two_are_a_quorum_and_one_that_restarts_catches_up(
    ledger: CommonSettings, processes: Processes, chains: Chains, around: Village
) -> None:
    first = await around.process("w1")
    await around.process("w2")
    around.absent("w3")
    policy = around.policy("group g 2 w1 w2 w3\nquorum g")
    await chains.grow(0, 3)
    _, url = start(processes, ledger, policy)
    await chains.covered()
    await cosigned(around, chains, "w1", "w2")
    await final(url, chains.size)
    await wait_until(lambda: _says(url, "witness w3"), SECONDS, "the absent one is named")
    assert not [text for text in await notices(url) if "w1" in text or "w2" in text]
    # One dies: the log goes on, and says what is final and who is missing.
    before = chains.size
    first.kill()
    await first.ended()
    await chains.grow(1, 2)
    await cosigned(around, chains, "w2")
    await wait_until(lambda: _says(url, "witness w1"), SECONDS, "the dead one is named")
    assert await metric(url, FINAL) == before
    # It starts again with what it remembers: the checkpoint becomes final.
    await around.process("w1")
    await cosigned(around, chains, "w1", "w2")
    await final(url, chains.size)
    await chains.grow(0, 1)
    await cosigned(around, chains, "w1", "w2")


async def _says(url: str, text: str) -> bool:
    return any(text in notice for notice in await notices(url))


LIES: dict[str, Callable[[Village, AddCheckpoint], Response]] = {
    "another's signature": lambda v, r: Response(str(v.keys["good"].cosign(r.note.text, 1))),
    "a changed time": lambda v, r: Response(str(times(v.keys["liar"].cosign(r.note.text, 9), 8))),
    "the future": lambda v, r: v.cosign("liar", r, 4_000_000_000),
    "a signature of something else": lambda v, r: Response(str(v.keys["liar"].cosign("other\n1\nx\n", 9))),
    "no signature": lambda v, r: Response("thank you\n"),
    "nothing": lambda v, r: Response(""),
    "too much": lambda v, r: Response("— x y\n" * 100_000),
    "no bytes of UTF-8": lambda v, r: Response(b"\xff\xfe\n"),
    "a size that is none": lambda v, r: Response("many\n", 409, media_type=SIZE_TYPE),
    "a size far ahead": lambda v, r: Response("999999\n", 409, media_type=SIZE_TYPE),
    "never the same size": lambda v, r: Response(f"{1 - r.old_size % 2}\n", 409, media_type=SIZE_TYPE),
    "not consistent": lambda v, r: Response("no\n", 422),
    "an error": lambda v, r: Response("boom", 500),
    "a redirect": lambda v, r: Response("", 302, headers={"Location": "http://127.0.0.1:1/"}),
}


async def test_whatever_a_witness_says_only_true_cosignatures_are_published(
    ledger: CommonSettings, processes: Processes, chains: Chains, around: Village
) -> None:
    asked: list[str] = []

    async def lie(request: AddCheckpoint) -> Response:
        name = list(LIES)[len(asked) % len(LIES)]
        asked.append(name)
        return LIES[name](around, request)

    async def good(request: AddCheckpoint) -> Response:
        return around.cosign("good", request)

    await around.answering("good", good)
    await around.answering("liar", lie)
    policy = around.policy("quorum good")
    notary, url = start(processes, ledger, policy, witness_retry_seconds=0.05)
    for told, lie_is in enumerate(LIES):
        # Whoever has cosigned all that there is will not be asked before there is more.
        await chains.grow(0, 1)
        await wait_until(lambda least=told: len(asked) > least, SECONDS, f"asked for {lie_is}")
    await chains.grow(0, 1)
    await wait_until(lambda: len(asked) > len(LIES), SECONDS, "the last lie was heard")
    assert not [size for size, by in await around.records(ledger) if "liar" in by]
    for _ in range(3):
        await chains.grow(0, 1)
        await cosigned(around, chains, "good")
    assert await _says(url, "witness liar")
    assert notary.alive


async def test_a_slow_witness_does_not_stop_the_log_and_is_in_when_it_answers(
    ledger: CommonSettings, processes: Processes, chains: Chains, around: Village
) -> None:
    answers = asyncio.Event()

    async def slow(request: AddCheckpoint) -> Response:
        await asyncio.wait_for(answers.wait(), 2 * SECONDS)
        return around.cosign("slow", request)

    async def quick(request: AddCheckpoint) -> Response:
        return around.cosign("quick", request)

    await around.answering("slow", slow)
    await around.answering("quick", quick)
    policy = around.policy("group g all slow quick\nquorum g")
    _, url = start(processes, ledger, policy, witness_timeout_seconds=1)
    for _ in range(2):
        await chains.grow(1, 1)
        await cosigned(around, chains, "quick")
    assert await metric(url, FINAL) == 0
    answers.set()
    await cosigned(around, chains, "slow", "quick")
    await final(url, chains.size)


async def test_a_notary_that_starts_again_publishes_no_cosignature_twice(
    ledger: CommonSettings, processes: Processes, chains: Chains, around: Village, tmp_path: Path
) -> None:
    await around.process("w1")
    policy = around.policy("quorum w1")
    await chains.grow(0, 2)
    kill = {"BALANCE_KILL_POINT": "notary.after_cosigned:1", "BALANCE_KILL_MARKER": tmp_path / "marker"}
    first, _ = start(processes, ledger, policy, **kill)
    assert await first.ended(SECONDS) == -9
    second, url = start(processes, ledger, policy)
    await cosigned(around, chains, "w1")
    await final(url, chains.size)
    second.terminate()
    assert await second.ended() == 0
    records = await around.records(ledger)
    assert len(records) == len(set(records)), records
    third, _ = start(processes, ledger, policy)
    await chains.grow(0, 1)
    await cosigned(around, chains, "w1")
    assert third.alive
    records = await around.records(ledger)
    assert len(records) == len(set(records)), records


async def test_a_log_of_before_gets_its_first_witness(
    ledger: CommonSettings, processes: Processes, chains: Chains, around: Village
) -> None:
    alone, _ = start(processes, ledger, None)
    for _ in range(3):
        await chains.grow(0, 2)
        await chains.grow(1, 1)
        await chains.covered()
    alone.terminate()
    assert await alone.ended() == 0
    await around.process("w1")
    start(processes, ledger, around.policy("quorum w1"))
    await cosigned(around, chains, "w1")
    await chains.grow(1, 3)
    await cosigned(around, chains, "w1")


@pytest.mark.parametrize("size", [2, 500])
async def test_what_its_own_key_signed_and_the_log_does_not_have_ends_the_notary(
    ledger: CommonSettings, keys: KeyDirectory, processes: Processes, chains: Chains, around: Village, size: int
) -> None:
    async def refuses(request: AddCheckpoint) -> Response:
        return Response(f"{size}\n", 409, media_type=SIZE_TYPE) if size > 100 else Response("no\n", 422)

    await around.answering("w1", refuses, other_history(keys.log, size))
    await chains.grow(0, 2)
    notary, _ = start(processes, ledger, around.policy("quorum w1"))
    assert await notary.ended(SECONDS) == 1
    assert "signed by this log's key, which is not in this log" in notary.log
    published = await read_values(ledger, CHECKPOINTS, 0)
    again, _ = start(processes, ledger, around.policy("quorum w1"))
    assert await again.ended(SECONDS) == 1
    assert await read_values(ledger, CHECKPOINTS, 0) == published
