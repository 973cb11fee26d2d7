"""Where Go's Ed25519 and ours part is known: Go alone accepts some signatures with a key or an R of small order.

Whoever holds a key can make such a signature on purpose, and nobody else can: Go's tools would open a note that
we refuse. The other way round there is nothing: what we accept, Go accepts.
"""

from __future__ import annotations

import json
import os
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from balance_verify.note import VerifierKey
from support.needs import REPOSITORY, needs_go

VECTORS = REPOSITORY.parent / "shared" / "data" / "cctv" / "ed25519vectors.json"
HERE = Path(__file__).resolve().parent
SECONDS = 300
"""Time limit of one Go command; the first build compiles the standard library."""

pytestmark = [
    needs_go,
    pytest.mark.skipif(not VECTORS.is_file(), reason="needs the Ed25519 vectors in ../shared/data/cctv"),
]


def go(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    return subprocess.run(
        ("go", *arguments),
        cwd=HERE / "go",
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def accepted_here(public: bytes, message: bytes, signature: bytes) -> bool:
    key_hash = sha256(b"edge\n\x01" + public).digest()[:4]
    return VerifierKey("edge", key_hash, public).verify(message, signature)


def test_go_accepts_more_only_for_points_of_small_order() -> None:
    if go("mod", "download").returncode:
        pytest.skip("needs Go modules: golang.org/x/mod cannot be fetched")
    result = go("run", ".", "-ed25519", str(VECTORS))
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
