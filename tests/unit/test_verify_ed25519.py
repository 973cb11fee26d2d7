"""What our verifier says of Ed25519's edge cases is pinned: the Go and the browser's verifier can be held to it.

libsodium checks without the cofactor, refuses points of small order and encodings that are not canonical. Each flag
of the C2SP test vectors is thus either harmless or enough to refuse.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from balance_verify.note import VerifierKey

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "cctv" / "ed25519vectors.json"

REFUSES = {
    "low_order_A": True,
    "low_order_R": True,
    "low_order_component_A": False,
    "low_order_component_R": False,
    "low_order_residue": True,
    "non_canonical_A": True,
    "non_canonical_R": True,
    "reencoded_k": True,
}
"""Whether a vector with this flag, whatever its other flags, is refused."""


def key_of(public: bytes) -> VerifierKey:
    return VerifierKey("edge", sha256(b"edge\n\x01" + public).digest()[:4], public)


@pytest.mark.skipif(not VECTORS.is_file(), reason="needs the Ed25519 vectors in ../shared/data/cctv")
def test_each_edge_case_is_decided_by_its_flags() -> None:
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert {flag for vector in vectors for flag in vector["flags"] or ()} == REFUSES.keys()
    wrong = [
        vector["number"]
        for vector in vectors
        if key_of(bytes.fromhex(vector["key"])).verify(vector["msg"].encode(), bytes.fromhex(vector["sig"]))
        is any(REFUSES[flag] for flag in vector["flags"] or ())
    ]
    assert wrong == []


def test_a_key_of_small_order_signs_nothing() -> None:
    # With the identity as A and R and S = 0 the bare equation holds for every message.
    identity = b"\x01" + bytes(31)
    assert not key_of(identity).verify(b"anything", identity + bytes(32))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_refused(size: int) -> None:
    assert not key_of(b"\x02" + bytes(31)).verify(b"", bytes(size))
