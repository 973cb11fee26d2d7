"""`balance-verify --keys`: the block's signer must be a key that held at the entry's place in the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.entry import Entry
from balance_verify.keyset import KeySet, sign_keys
from balance_verify.note import SigningKey
from balance_verify.verify import MATCHES, SIGNER_NOT_RECOGNISED, verify_bundle
from support.bundles import LOG, ORIGIN, SEALER, OneBlock, event

OTHER = SigningKey.generate(f"{ORIGIN}/sealer", b"\x0d" * 32)
LEDGER = OneBlock((event(),))
BUNDLE = LEDGER.bundle()
FIRST = KeySet.of_genesis(Entry.parse(LEDGER.genesis).genesis_header())
"""Of the log whose entry 1 is the bundle's block."""


@pytest.mark.parametrize(
    ("ended_at", "result"), [(2, MATCHES), (1, SIGNER_NOT_RECOGNISED)], ids=["after the block", "before the block"]
)
def test_it_matters_whether_the_key_ended_before_or_after_the_block(ended_at: int, result: str) -> None:
    keys = FIRST.after(ended_at, (ended_at - 2,) * len(FIRST.heights), add=[OTHER.vkey], end=[SEALER.vkey.id])
    report = verify_bundle(BUNDLE, LOG.vkey, keys=keys)
    assert report.steps[5].result == result
    assert report.ok == (result == MATCHES)
    assert f"holds from log size 0 up to {ended_at}" in report.steps[5].detail


def test_a_key_set_is_given_as_a_file_and_must_be_signed_by_the_logs_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, vkey, keys = tmp_path / "a.proof.json", tmp_path / "log.vkey", tmp_path / "keys.note"
    bundle.write_bytes(BUNDLE.encode())
    vkey.write_text(str(LOG.vkey), encoding="utf-8")
    arguments = [str(bundle), "--vkey", str(vkey), "--keys", str(keys), "--operator-only", "--json"]
    later = FIRST.after(2, (0,) * len(FIRST.heights), add=[OTHER.vkey], end=[SEALER.vkey.id])

    keys.write_bytes(sign_keys(later, LOG).encode())
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["steps"][5]["result"] == MATCHES
    keys.write_bytes(sign_keys(later, SigningKey.generate(ORIGIN, b"\x0e" * 32)).encode())
    assert main(arguments) == 1
    assert "the key set does not hold" in capsys.readouterr().err
