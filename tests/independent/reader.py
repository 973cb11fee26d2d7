"""A second opinion on a ledger, written from the formats alone: it imports nothing of ours.

Standard library, PyNaCl and a raw Kafka consumer. It reads raw, events, blocks and checkpoints from the first offset to
the last, recomputes every hash the slow and obvious way, and says what is wrong in words. Tests hold every run of the
real services against it, so that a mistake shared by writer and verifier cannot hide.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

READ_SECONDS = 60.0
ZERO = "0" * 64


@dataclass
class Findings:
    """What the reader saw: `problems` is empty for a ledger that holds."""

    problems: list[str] = field(default_factory=list)
    raw: int = 0
    events: int = 0
    counting_events: int = 0
    rejects: dict[str, int] = field(default_factory=dict)
    blocks: int = 0
    sealed: int = 0
    checkpoints: int = 0
    size: int = 0
    root: str = ""
    not_counting: list[str] = field(default_factory=list)
    sealed_ids: set[tuple[str, str]] = field(default_factory=set)
    unsealed_ids: set[tuple[str, str]] = field(default_factory=set)

    def wrong(self, text: str) -> None:
        self.problems.append(text)


def canonical(value: Any) -> bytes:
    """JCS for values whose keys are ASCII and whose numbers are integers (RFC 8785, 3.2)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written there: split at the largest power of two below the size."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + tree(leaves[:split]) + tree(leaves[split:])).digest()


async def read_topic(bootstrap: str, topic: str, partitions: int) -> list[list[Any]]:
    """Every record of a topic, a list a partition; fails when the end is not reached in time."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="none")
    await asyncio.wait_for(consumer.start(), READ_SECONDS)
    try:
        places = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(places)
        ends = await asyncio.wait_for(consumer.end_offsets(places), READ_SECONDS)
        starts = await asyncio.wait_for(consumer.beginning_offsets(places), READ_SECONDS)
        for place in places:
            consumer.seek(place, starts[place])
        records: list[list[Any]] = [[] for _ in places]
        open_places = {p for p in places if starts[p] < ends[p]}
        while open_places:
            batch = await asyncio.wait_for(consumer.getmany(*open_places, timeout_ms=1000), READ_SECONDS)
            for place, got in batch.items():
                records[place.partition] += [r for r in got if r.offset < ends[place]]
                if got and got[-1].offset >= ends[place] - 1:
                    open_places.discard(place)
        return records
    finally:
        await asyncio.wait_for(consumer.stop(), READ_SECONDS)


def check_events(
    found: Findings, raw: list[list[Any]], events: list[list[Any]], raw_complete: bool, generation: int = 0
) -> None:
    """Invariant 1, first half: every raw record has exactly one counting record of events.

    Raw is that of the last generation: what raw was before a restore is gone, and of that only gaps would show.
    """
    owner: dict[tuple[str, str], str] = {}
    for shard, records in enumerate(events):
        last, seen = (0, -1), set()
        for position, record in enumerate(records):
            if record.offset != position:
                found.wrong(f"events/{shard}: offset {record.offset} where {position} was due")
            event = json.loads(record.value)
            if canonical(event) != record.value:
                found.wrong(f"events/{shard}@{record.offset}: bytes are not canonical")
            place = (event["rawgen"], event["rawpos"])
            if place <= last:
                found.not_counting.append(f"events/{shard}@{record.offset}")
                continue
            if place not in ((last[0], last[1] + 1), (place[0], 0)) or place[0] > generation:
                found.wrong(f"events/{shard}@{record.offset}: raw record {place} comes behind {last}")
            last = place
            found.counting_events += 1
            if place[0] == generation:
                seen.add(event["rawpos"])
            if event["type"] == "ledger.rejected":
                reason = event["data"]["reason"]
                found.rejects[reason] = found.rejects.get(reason, 0) + 1
            key = (event["source"], event["id"])
            if key in owner:
                found.wrong(f"events/{shard}@{record.offset}: {key} already at {owner[key]}")
            owner[key] = f"{shard}@{record.offset}"
        found.events += len(records)
        found.raw += len(raw[shard])
        due = {r.offset for r in raw[shard]}
        if (missing := sorted(due - seen)) and raw_complete:
            found.wrong(f"raw/{shard}: no event for offsets {missing[:5]} ({len(missing)} in all)")
        if surplus := sorted(seen - due):
            found.wrong(f"events/{shard}: events for raw offsets that do not exist: {surplus[:5]}")


def check_blocks(
    found: Findings,
    events: list[list[Any]],
    blocks: list[list[Any]],
    sealers: dict[str, VerifyKey],
    generations: list[list[int]],
) -> list[list[bytes]]:
    """Invariants 1 (second half) and 2; returns the entries of each shard that count, in order."""
    counting: list[list[bytes]] = []
    for shard, records in enumerate(blocks):
        height, prev, start, time, kept = 0, ZERO, 0, "", []
        for record in records:
            where = f"blocks/{shard}@{record.offset}"
            value = json.loads(record.value)
            entry_bytes = base64.b64decode(value["entry"], validate=True)
            entry = json.loads(entry_bytes)
            header = json.loads(entry["header"])
            if (header["height"], header["prev"], header["from"]) != (height, prev, start):
                found.not_counting.append(where)
                continue
            if header["shard"] != shard or header["start"] != start or header["count"] < 1:
                found.wrong(f"{where}: shard, start or count are wrong: {header}")
            if header["gen"] != (gen := sum(heights[shard] < height for heights in generations)):
                found.wrong(f"{where}: generation {header['gen']} where {gen} is due")
            if header["time"] < time:
                found.wrong(f"{where}: time goes back from {time} to {header['time']}")
            key = sealers.get(entry["key"])
            try:
                if key is None:
                    found.wrong(f"{where}: signer {entry['key']} is not known")
                else:
                    key.verify(entry["header"].encode(), base64.b64decode(entry["signature"], validate=True))
            except BadSignatureError:
                found.wrong(f"{where}: signature is bad")
            covered = events[shard][start : start + header["count"]]
            hashes = [leaf(r.value) for r in covered]
            if len(hashes) != header["count"] or b"".join(hashes) != base64.b64decode(value["leaves"]):
                found.wrong(f"{where}: leaves are not those of the events {start}..+{header['count']}")
            elif tree(hashes).hex() != header["root"]:
                found.wrong(f"{where}: root {header['root']} where {tree(hashes).hex()} is due")
            for r in covered:
                event = json.loads(r.value)
                found.sealed_ids.add((event["source"], event["id"]))
            height, prev = height + 1, hashlib.sha256(entry_bytes).hexdigest()
            start, time = start + header["count"], header["time"]
            kept.append(entry_bytes)
        for r in events[shard][start:]:
            event = json.loads(r.value)
            found.unsealed_ids.add((event["source"], event["id"]))
        found.blocks += len(kept)
        found.sealed += start
        counting.append(kept)
    return counting


def check_checkpoints(
    found: Findings,
    records: list[Any],
    counting: list[list[bytes]],
    name: str,
    key_hash: bytes,
    log_key: VerifyKey,
) -> None:
    """Invariant 3: each checkpoint that counts is signed, grows, and has the root of exactly its entries."""
    heights = [-1] * len(counting)
    leaves: list[bytes] = []
    signers: set[str] = set()
    generations = 0
    for record in records:
        where = f"checkpoints@{record.offset}"
        value = json.loads(record.value)
        text, _, tail = value["note"].partition("\n\n")
        text += "\n"
        origin, size_text, root_text = text.splitlines()[:3]
        if not leaves:
            leaves = [leaf(base64.b64decode(value["genesis"], validate=True))]
            if int(size_text) != 1:
                found.wrong(f"{where}: the first checkpoint has size {size_text}")
        grown = list(leaves)
        if "generation" in value:
            entry = base64.b64decode(value["generation"], validate=True)
            begun = json.loads(json.loads(entry)["header"])
            due = [generations + 1, heights, len(leaves), tree(leaves).hex(), name]
            if [begun[each] for each in ("gen", "heights", "size", "root", "origin")] != due or heights != value[
                "heights"
            ]:
                found.wrong(f"{where}: the generation entry does not go on from here: {begun}")
            grown.append(leaf(entry))
            generations += 1
        for shard, top in enumerate(value["heights"]):
            if top < heights[shard]:
                break
            grown += [leaf(e) for e in counting[shard][heights[shard] + 1 : top + 1]]
        else:
            if int(size_text) == len(grown) and base64.b64decode(root_text) == tree(grown):
                if not signed(text, tail, name, key_hash, log_key):
                    found.wrong(f"{where}: no good signature by {name}")
                if origin != name:
                    found.wrong(f"{where}: origin {origin} where {name} is due")
                named = {line.rsplit(" ", 1)[0] for line in tail.splitlines()}
                if len(grown) == len(leaves) and found.checkpoints and named <= signers:
                    found.not_counting.append(where)
                    continue
                signers = named | (signers if len(grown) == len(leaves) else set())
                leaves, heights = grown, list(value["heights"])
                found.checkpoints += 1
                continue
        if int(size_text) < len(leaves) and base64.b64decode(root_text) == tree(leaves[: int(size_text)]):
            found.not_counting.append(where)
        else:
            found.wrong(f"{where}: size {size_text} and root {root_text} are not those of the log ({len(grown)})")
    found.size, found.root = len(leaves), tree(leaves).hex()


def signed(text: str, tail: str, name: str, key_hash: bytes, log_key: VerifyKey) -> bool:
    for line in tail.splitlines():
        dash, signer, blob = line.split(" ")
        data = base64.b64decode(blob, validate=True)
        if dash == "\u2014" and signer == name and data[:4] == key_hash:
            try:
                log_key.verify(text.encode(), data[4:])
            except BadSignatureError:
                return False
            return True
    return False


def split_vkey(vkey: str) -> tuple[str, bytes, VerifyKey]:
    """`name+hash+key` of a signed note; the key's first byte is the algorithm, 1 for Ed25519."""
    name, key_hash, key = vkey.strip().split("+", 2)
    data = base64.b64decode(key, validate=True)
    if data[0] != 1:
        raise ValueError(f"vkey {name}: algorithm {data[0]} is not Ed25519")
    return name, bytes.fromhex(key_hash), VerifyKey(data[1:])


def read_generations(found: Findings, checkpoints: list[Any], log_key: VerifyKey) -> list[list[int]]:
    """The heights behind which each later generation begins, as the log's key has signed them."""
    generations = []
    for record in checkpoints:
        value = json.loads(record.value)
        if "generation" not in value:
            continue
        entry = json.loads(base64.b64decode(value["generation"], validate=True))
        try:
            log_key.verify(entry["header"].encode(), base64.b64decode(entry["signature"], validate=True))
        except BadSignatureError:
            found.wrong(f"checkpoints@{record.offset}: the generation entry is not signed by the log's key")
        generations.append(json.loads(entry["header"])["heights"])
    return generations


async def read_ledger(
    bootstrap: str,
    *,
    log_vkey: str,
    partitions: int,
    prefix: str = "",
    raw_complete: bool = True,
) -> Findings:
    """Reads the whole ledger and holds it against invariants 1 to 3 of the architecture.

    `raw_complete` says that the normaliser has come to the end of raw; while it is still at work the rest may miss.
    """
    found = Findings()
    checkpoints = (await read_topic(bootstrap, prefix + "ledger.checkpoints", 1))[0]
    blocks = await read_topic(bootstrap, prefix + "ledger.blocks", partitions)
    events = await read_topic(bootstrap, prefix + "litigation.events", partitions)
    raw = await read_topic(bootstrap, prefix + "litigation.raw", partitions)
    name, key_hash, log_key = split_vkey(log_vkey)
    if not checkpoints:
        found.wrong("checkpoints: none, so there is no genesis entry and no key to check blocks with")
        return found
    genesis = json.loads(base64.b64decode(json.loads(checkpoints[0].value)["genesis"]))
    try:
        log_key.verify(genesis["header"].encode(), base64.b64decode(genesis["signature"]))
    except BadSignatureError:
        found.wrong("genesis entry: not signed by the log's key")
    sealers = {}
    for vkey in json.loads(genesis["header"])["keys"]:
        key_name, hash_, verify_key = split_vkey(vkey)
        sealers[f"{key_name}+{hash_.hex()}"] = verify_key
    generations = read_generations(found, checkpoints, log_key)
    check_events(found, raw, events, raw_complete, len(generations))
    counting = check_blocks(found, events, blocks, sealers, generations)
    check_checkpoints(found, checkpoints, counting, name, key_hash, log_key)
    return found
