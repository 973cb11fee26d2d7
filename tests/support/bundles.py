"""A log of one block, made from the formats alone, and the proof bundle of one of its events."""

from __future__ import annotations

from dataclasses import dataclass

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import ZERO_PREV, BlockHeader, GenesisHeader, sign_block, sign_genesis
from balance_verify.jcs import dumps
from balance_verify.merkle import inclusion_path, leaf_hash, tree_root
from balance_verify.note import SigningKey, sign_note
from balance_verify.proof import ProofBundle, TlogProof

ORIGIN = "court.example/balance-chain/0491"
LOG = SigningKey.generate(ORIGIN, b"l" * 32)
SEALER = SigningKey.generate(f"{ORIGIN}/sealer", b"e" * 32)
GATEWAY = SigningKey.generate(f"{ORIGIN}/gateway", b"g" * 32)
SOURCE = "https://court.example/cases"
TIME = "2026-11-24T21:02:42.123Z"


@dataclass(frozen=True)
class OneBlock:
    """A genesis entry and one block of `events`, sealed at `time`."""

    events: tuple[bytes, ...]
    time: str = TIME
    log: SigningKey = LOG

    @property
    def genesis(self) -> bytes:
        keys = tuple(str(key.vkey) for key in (self.log, SEALER, GATEWAY))
        return sign_genesis(GenesisHeader("0" * 64, keys, self.log.name, 1, TIME), self.log).encode()

    def bundle(self, index: int = 0) -> ProofBundle:
        """The proof of one event."""
        leaves = [*map(leaf_hash, self.events)]
        root = tree_root(leaves).hex()
        header = BlockHeader(len(leaves), 0, 0, 0, self.log.name, ZERO_PREV, root, 0, 0, self.time)
        entry = sign_block(header, SEALER).encode()
        log = [leaf_hash(self.genesis), leaf_hash(entry)]
        note = sign_note(Checkpoint(self.log.name, 2, tree_root(log)).text(), self.log)
        path = tuple(inclusion_path(leaves, index))
        return ProofBundle(self.events[index], entry, index, path, TlogProof(1, (log[0],), note))


def event(id: str = "e-1", **members: object) -> bytes:
    """The canonical bytes of an event, small but whole enough to be read."""
    return dumps(
        {
            "caseid": "（2026）京0491民初1号",
            "data": {"cert_no": "1"},
            "id": id,
            "phase": "evidence",
            "rawgen": 0,
            "rawpos": 0,
            "receivedtime": TIME,
            "source": SOURCE,
            "specversion": "1.0",
            "subject": "（2026）京0491民初1号",
            "time": TIME,
            "type": "evidence.deposited",
            **members,
        }
    )
