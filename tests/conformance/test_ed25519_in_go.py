"""Where Go's Ed25519 and ours part is known: Go alone accepts some signatures with a key or an R of small order.

Whoever holds a key can make such a signature on purpose, and nobody else can: Go's tools would open a note that
we refuse. The other way round there is nothing: what we accept, Go accepts.
"""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from balance_verify.note import VerifierKey
from support.gotools import GoProgram
from support.needs import REPOSITORY, needs_go

VECTORS = REPOSITORY.parent / "shared" / "data" / "cctv" / "ed25519vectors.json"

pytestmark = [
    needs_go,
    pytest.mark.skipif(not VECTORS.is_file(), reason="needs the Ed25519 vectors in ../shared/data/cctv"),
]


def accepted_here(public: bytes, message: bytes, signature: bytes) -> bool:
    key_hash = sha256(b"edge\n\x01" + public).digest()[:4]
    return VerifierKey("edge", key_hash, public).verify(message, signature)


def test_go_accepts_more_only_for_points_of_small_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    result = GoProgram.build("go", tmp_path_factory).say("-ed25519", VECTORS)
    assert result.returncode == 0, result.stderr
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    flags = {vector["number"]: frozenset(vector["flags"] or ()) for vector in vectors}
    in_go = {int(number) for number in result.stdout.split()}
    here = {
        vector["number"]
        for vector in vectors
        if accepted_here(bytes.fromhex(vector["key"]), vector["msg"].encode(), bytes.fromhex(vector["sig"]))
    }
    assert here <= in_go
    assert all(flags[number] & {"low_order_A", "low_order_R"} for number in in_go - here)
    assert (len(here), len(in_go)) == (43, 208)
