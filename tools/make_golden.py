"""Write tests/golden/*.json: examples of every format that balance_verify owns, the same bytes on every run.

Keys come from published seeds and protect nothing. A test compares the files with what this program makes; a change
to a file is a change of format. Run: python tools/make_golden.py
"""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from balance_verify import jcs, merkle
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.entry import (
    ZERO_PREV,
    BlockHeader,
    Entry,
    GenesisHeader,
    entry_hash,
    sign_block,
    sign_generation,
    sign_genesis,
)
from balance_verify.errors import BadSignatureError
from balance_verify.final import follows, sign_final
from balance_verify.generation import GenerationHeader
from balance_verify.keyset import KeySet, sign_keys
from balance_verify.note import SignedNote, SigningKey, sign_note
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle, TlogProof
from balance_verify.receipt import Receipt
from balance_verify.topicvalues import BlockRecord, CheckpointRecord
from balance_verify.verify import verify_bundle

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
ORIGIN = "court.example/balance-chain/0491"
MAX_TREE = 33

JsonObject = dict[str, object]


def _key(name: str) -> SigningKey:
    return SigningKey.generate(name, sha256(f"balance-chain golden key {name}".encode()).digest())


LOG = _key(ORIGIN)
SEALER = _key(f"{ORIGIN}/sealer")
GATEWAY = _key(f"{ORIGIN}/gateway")
WITNESS = _key("witness.example/first")
KEYS = (LOG, SEALER, GATEWAY, WITNESS)


def _cosigner_seed(number: int) -> bytes:
    return sha256(f"balance-chain golden cosigner {number}".encode()).digest()


COSIGNERS = [CosigningKey.generate(f"witness.example/w{n}", _cosigner_seed(n)) for n in range(3)]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _time(second: int) -> str:
    return f"2026-11-24T21:02:{second:02}.123Z"


def _event(number: int) -> bytes:
    """An event's bytes as far as this library looks at them: any bytes would do."""
    return jcs.dumps(
        {
            "caseid": "（2026）京0491民初1号",
            "data": {"actors": [], "ordinal": number},
            "id": f"example-{number}",
            "source": "urn:example:filing",
            "specversion": "1.0",
            "subject": "（2026）京0491民初1号",
            "time": _time(number),
            "type": "case.filed",
        }
    )


@dataclasses.dataclass(frozen=True)
class ExampleBlock:
    """A block of the example log with the bytes of its events."""

    entry: Entry
    events: tuple[bytes, ...]

    @property
    def leaves(self) -> list[bytes]:
        """Leaf hashes of the events."""
        return [merkle.leaf_hash(event) for event in self.events]


def _block(shard: int, height: int, start: int, prev: str, events: tuple[bytes, ...], second: int) -> ExampleBlock:
    root = merkle.tree_root([merkle.leaf_hash(event) for event in events])
    header = BlockHeader(
        count=len(events),
        from_=start,
        gen=0,
        height=height,
        origin=ORIGIN,
        prev=prev,
        root=root.hex(),
        shard=shard,
        start=start,
        time=_time(second),
    )
    return ExampleBlock(sign_block(header, SEALER), events)


GENESIS = sign_genesis(
    GenesisHeader(
        catalogue=sha256(b"example catalogue").hexdigest(),
        keys=tuple(str(key.vkey) for key in (LOG, SEALER, GATEWAY)),
        origin=ORIGIN,
        shards=2,
        time=_time(0),
    ),
    LOG,
)


def _example_blocks() -> tuple[ExampleBlock, ...]:
    first = _block(0, 0, 0, ZERO_PREV, tuple(map(_event, range(1))), 10)
    second = _block(0, 1, 1, entry_hash(first.entry.encode()), tuple(map(_event, range(1, 8))), 11)
    other = _block(1, 0, 0, ZERO_PREV, tuple(map(_event, range(8, 12))), 11)
    return first, second, other


BLOCKS = _example_blocks()
LOG_ENTRIES = (GENESIS.encode(), *(block.entry.encode() for block in BLOCKS))
LOG_LEAVES = [merkle.leaf_hash(entry) for entry in LOG_ENTRIES]


def _checkpoint(size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, merkle.tree_root(LOG_LEAVES[:size]))


def _bundle(block: int, index: int) -> ProofBundle:
    sealed = BLOCKS[block]
    size = len(LOG_ENTRIES)
    proof = TlogProof(
        block + 1,
        tuple(merkle.inclusion_path(LOG_LEAVES, block + 1)),
        sign_note(_checkpoint(size).text(), LOG),
    )
    path = tuple(merkle.inclusion_path(sealed.leaves, index))
    return ProofBundle(sealed.events[index], sealed.entry.encode(), index, path, proof)


def keys() -> Iterator[JsonObject]:
    """Seeds with the private and public key lines made of them."""
    for key in KEYS:
        seed = sha256(f"balance-chain golden key {key.name}".encode()).hexdigest()
        yield {"name": key.name, "seed": seed, "skey": key.encode(), "vkey": str(key.vkey), "id": key.vkey.id}


def notes() -> Iterator[JsonObject]:
    """Notes with the keys whose signatures on them are good."""
    for name, text, signers in (
        ("one signature", "One line.\n", (LOG,)),
        ("two signatures", "One line.\n", (LOG, WITNESS)),
        ("text with blank lines", "First.\n\nThird, 中文.\n", (WITNESS,)),
        ("text that ends in a blank line", "First.\n\n", (WITNESS,)),
    ):
        note = sign_note(text, *signers).encode().decode()
        yield {"name": name, "text": text, "note": note, "vkeys": [str(key.vkey) for key in signers]}


def checkpoints() -> Iterator[JsonObject]:
    """The example log's checkpoints, from empty to full."""
    for size in range(len(LOG_ENTRIES) + 1):
        checkpoint = _checkpoint(size)
        note = sign_note(checkpoint.text(), LOG).encode().decode()
        members = {"origin": checkpoint.origin, "size": size, "root": checkpoint.root.hex()}
        yield {**members, "text": checkpoint.text(), "note": note, "vkey": str(LOG.vkey)}


def headers() -> Iterator[JsonObject]:
    """Block headers: their fields, and the bytes that are signed, as text."""
    for block in BLOCKS:
        fields = dataclasses.asdict(block.entry.block_header())
        yield {"fields": {name.rstrip("_"): value for name, value in fields.items()}, "bytes": _text(block.entry)}


def _text(entry: Entry) -> str:
    return entry.header_bytes.decode()


def entries() -> Iterator[JsonObject]:
    """The example log's entries in order, the genesis entry first, with the hashes made of them."""
    for index, (entry, data) in enumerate(zip((GENESIS, *(b.entry for b in BLOCKS)), LOG_ENTRIES, strict=True)):
        yield {
            "index": index,
            "entry": data.decode(),
            "header": _text(entry),
            "vkey": str(LOG.vkey if index == 0 else SEALER.vkey),
            "entry_hash": entry_hash(data),
            "leaf_hash": LOG_LEAVES[index].hex(),
        }


def receipts() -> Iterator[JsonObject]:
    """Receipts: the bytes signed and the bytes on the wire, as text."""
    for number in range(2):
        receipt = Receipt(
            by=_time(30 + number),
            digest=sha256(_event(number)).hexdigest(),
            id=f"example-{number}",
            key=GATEWAY.vkey.id,
            origin=ORIGIN,
            s=sha256(f"example secret {number}".encode()).hexdigest(),
            source="urn:example:filing",
        )
        signed = receipt.encode_signed(GATEWAY).decode()
        yield {"signed": receipt.signed_bytes().decode(), "receipt": signed, "vkey": str(GATEWAY.vkey)}


def topic_values() -> Iterator[JsonObject]:
    """Values of ledger.blocks and ledger.checkpoints, as text."""
    for block in BLOCKS:
        record = BlockRecord(block.entry.encode(), b"".join(block.leaves))
        yield {"topic": "ledger.blocks", "value": record.encode().decode()}
    for heights, size, genesis in (((-1, -1), 1, GENESIS.encode()), ((1, 0), len(LOG_ENTRIES), None)):
        note = sign_note(_checkpoint(size).text(), LOG).encode().decode()
        yield {"topic": "ledger.checkpoints", "value": CheckpointRecord(heights, note, genesis).encode().decode()}


def bundles() -> Iterator[JsonObject]:
    """Proof bundles, good and bad, with what each of the seven steps must say of them."""
    good = [
        (f"block {block}, event {index}", _bundle(block, index))
        for block, sealed in enumerate(BLOCKS)
        for index in range(len(sealed.events))
    ]
    base = _bundle(1, 3)
    log = base.log_proof
    foreign = sign_note(log.note.text, WITNESS)
    forged = dataclasses.replace(log.note.signatures[0], signature=foreign.signatures[0].signature)
    other = Checkpoint("court.example/other", log.checkpoint.size, log.checkpoint.root)
    replace = dataclasses.replace
    bad = [
        ("another event", replace(base, event=_event(20))),
        ("another position", replace(base, index=2)),
        ("position past the block", replace(base, index=7)),
        ("block path cut short", replace(base, path=base.path[:-1])),
        ("block path too long", replace(base, path=(*base.path, bytes(32)))),
        ("another entry", replace(base, entry=BLOCKS[2].entry.encode())),
        ("another place in the log", replace(base, log_proof=replace(log, index=1))),
        ("log path with its hashes swapped", replace(base, log_proof=replace(log, path=log.path[::-1]))),
        ("checkpoint signed by a stranger", replace(base, log_proof=replace(log, note=foreign))),
        (
            "checkpoint with a forged signature",
            replace(base, log_proof=replace(log, note=replace(log.note, signatures=(forged,)))),
        ),
        ("checkpoint of another log", replace(base, log_proof=replace(log, note=sign_note(other.text(), LOG)))),
    ]
    for name, bundle in good + bad:
        report = verify_bundle(bundle, LOG.vkey, sealer_keys=[SEALER.vkey])
        yield {
            "name": name,
            "bundle": bundle.encode().decode(),
            "vkey": str(LOG.vkey),
            "sealer_vkey": str(SEALER.vkey),
            "results": [step.result for step in report.steps],
            "ok": report.ok,
        }


def merkle_proofs() -> Iterator[JsonObject]:
    """Trees over the first records 00, 01…, one byte each: roots and proofs, base64."""
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(MAX_TREE)]
    for size in range(1, MAX_TREE + 1):
        tree = leaves[:size]
        indexes = sorted({0, size // 3, size // 2, size - 1})
        old_sizes = sorted(
            {1, (size + 1) // 2, 1 << ((size - 1).bit_length() - 1) if size > 1 else 1, size - 1 or 1, size}
        )
        yield {
            "size": size,
            "root": _b64(merkle.tree_root(tree)),
            "inclusion": [
                {"index": index, "path": [*map(_b64, merkle.inclusion_path(tree, index))]} for index in indexes
            ],
            "consistency": [
                {"old_size": old, "path": [*map(_b64, merkle.consistency_path(tree, old))]} for old in old_sizes
            ],
        }


def cosignatures() -> Iterator[JsonObject]:
    """Checkpoints with cosignatures, a policy, and what it makes of them."""
    witnesses = "".join(f"witness w{n} {key.vkey}\n" for n, key in enumerate(COSIGNERS))
    policy = f"log {LOG.vkey}\n{witnesses}group all-three 2 w0 w1 w2\nquorum all-three\n"
    good = _checkpoint(len(LOG_ENTRIES)).text()
    first, second, third = (key.cosign(good, 1_795_554_162 + 60 * n) for n, key in enumerate(COSIGNERS))
    earlier = COSIGNERS[0].cosign(_checkpoint(2).text(), 1_795_554_162)
    for name, signatures in (
        ("one witness", (first,)),
        ("two witnesses", (first, third)),
        ("three witnesses, the latest first", (third, second, first)),
        ("a witness twice", (second, COSIGNERS[1].cosign(good, 1_795_555_000))),
        ("a time beyond the calendar", (first, COSIGNERS[2].cosign(good, 2**63 - 1))),
        ("a cosignature of another checkpoint", (earlier, second, third)),
        ("a cosignature under another witness's name", (dataclasses.replace(first, name=second.name), third)),
        ("a changed time", (first, second, dataclasses.replace(third, signature=bytes(8) + third.signature[8:]))),
    ):
        note = SignedNote(good, (*sign_note(good, LOG).signatures, *signatures))
        try:
            verdict = Policy.parse(policy.encode()).judge(note)
        except BadSignatureError:
            cosigned, reached, time = None, False, None
        else:
            cosigned = [{"key": each.key_id, "time": each.time} for each in verdict.cosigned]
            reached, time = verdict.reached, verdict.time
        yield {
            "name": name,
            "note": note.encode().decode(),
            "policy": policy,
            "log": str(LOG.vkey),
            "witnesses": [
                {"seed": _cosigner_seed(n).hex(), "skey": key.encode(), "vkey": str(key.vkey)}
                for n, key in enumerate(COSIGNERS)
            ],
            "cosigned": cosigned,
            "reached": reached,
            "time": time,
        }


NEXT_ORIGIN = "court.example/balance-chain/0491-2027"
NEXT_LOG = _key(NEXT_ORIGIN)


def key_changes() -> Iterator[JsonObject]:
    """A key set, the statement that a log has ended, and the genesis entry (version 2) of the log that follows it."""
    first = KeySet.of_genesis(GENESIS.genesis_header())
    added = SigningKey.generate(f"{ORIGIN}/sealer", sha256(b"balance-chain golden next sealer").digest()).vkey
    size, heights = len(LOG_ENTRIES), (1, 0)
    second = first.after(size, heights, add=[added], end=[SEALER.vkey.id])
    last = _checkpoint(size)
    note, final = sign_note(last.text(), LOG), sign_final(last, LOG)
    record = CheckpointRecord(
        heights, note.encode().decode(), keys=sign_keys(second, LOG).encode().decode(), final=final.encode().decode()
    )
    keys = tuple(str(each.vkey) for each in (NEXT_LOG, SigningKey.generate(f"{NEXT_ORIGIN}/sealer", b"\x07" * 32)))
    header = GenesisHeader("0" * 64, keys, NEXT_ORIGIN, 2, _time(59), follows(last))
    yield {"kind": "keys", "text": second.text(), "note": sign_keys(second, LOG).encode().decode()}
    yield {"kind": "final", "note": final.encode().decode()}
    yield {"kind": "record", "value": record.encode().decode()}
    yield {
        "kind": "genesis",
        "header": header.encode().decode(),
        "entry": sign_genesis(header, NEXT_LOG).encode().decode(),
    }


def generations() -> Iterator[JsonObject]:
    """The entry with which the example log goes on in new topics, its checkpoint record, and the next block."""
    size, heights = len(LOG_ENTRIES), (1, 0)
    last = _checkpoint(size)
    header = GenerationHeader(1, heights, ORIGIN, last.root.hex(), size, _time(40))
    entry = sign_generation(header, LOG)
    leaves = [*LOG_LEAVES, merkle.leaf_hash(entry.encode())]
    after = Checkpoint(ORIGIN, size + 1, merkle.tree_root(leaves))
    note = sign_note(after.text(), LOG).encode().decode()
    record = CheckpointRecord(heights, note, generation=entry.encode())
    before = BLOCKS[2].entry
    fields = dataclasses.replace(
        before.block_header(), gen=1, height=1, from_=4, start=4, prev=entry_hash(before.encode()), time=_time(41)
    )
    yield {
        "kind": "generation",
        "header": header.encode().decode(),
        "entry": entry.encode().decode(),
        "leaf_hash": leaves[-1].hex(),
        "vkey": str(LOG.vkey),
    }
    yield {"kind": "record", "value": record.encode().decode()}
    yield {
        "kind": "consistency",
        "old_size": size,
        "old_root": last.root.hex(),
        "size": after.size,
        "root": after.root.hex(),
        "path": [each.hex() for each in merkle.consistency_path(LOG_LEAVES + leaves[-1:], size)],
    }
    yield {"kind": "block", "entry": sign_block(fields, SEALER).encode().decode(), "vkey": str(SEALER.vkey)}


FILES = {
    "keys.json": keys,
    "notes.json": notes,
    "checkpoints.json": checkpoints,
    "headers.json": headers,
    "entries.json": entries,
    "receipts.json": receipts,
    "topic-values.json": topic_values,
    "bundles.json": bundles,
    "merkle.json": merkle_proofs,
    "cosignatures.json": cosignatures,
    "key-changes.json": key_changes,
    "generations.json": generations,
}
"""One file a format; the event and privacy formats have files of their own from another generator."""


def documents() -> dict[str, str]:
    """Every golden file's name and text."""
    return {name: _document(make()) for name, make in FILES.items()}


def _document(vectors: Iterator[JsonObject]) -> str:
    lines = ",\n".join(json.dumps(vector, ensure_ascii=False, sort_keys=True) for vector in vectors)
    return f"[\n{lines}\n]\n"


def main() -> int:
    """Write the files."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
