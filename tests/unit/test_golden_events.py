"""The bytes of events and of protected fields are frozen, and a second implementation of formats.md finds the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import sys
import unicodedata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import rfc8785
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests" / "golden"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_events", REPOSITORY / "tools" / "golden_events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["event.json", "privacy.json"])
def test_the_golden_events_are_what_the_generator_makes(name: str) -> None:
    assert (GOLDEN / name).read_text(encoding="utf-8") == load_generator().documents()[name]


def _load(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


PRIVACY = _load("privacy.json")


def _subkey(purpose: str) -> bytes:
    person = purpose.encode().ljust(16, b"\0")
    return hashlib.blake2b(digest_size=32, key=bytes.fromhex(PRIVACY["case_key"]), person=person).digest()


def _prf(purpose: str, message: bytes, size: int = 32) -> bytes:
    return hashlib.blake2b(message, digest_size=size, key=_subkey(purpose)).digest()


def test_subkeys_and_keyid_follow_the_format() -> None:
    assert {purpose: _subkey(purpose).hex() for purpose in PRIVACY["subkeys"]} == PRIVACY["subkeys"]
    assert PRIVACY["keyid"] == hashlib.sha256(PRIVACY["caseid"].encode()).hexdigest()[:32] + ".2"


@pytest.mark.parametrize("field", PRIVACY["fields"], ids=lambda field: field["aad"])
def test_an_encrypted_field_follows_the_format(field: dict[str, str]) -> None:
    where, plaintext = field["aad"].encode(), field["plaintext"].encode()
    assert where == rfc8785.dumps(json.loads(where))
    assert plaintext == rfc8785.dumps(json.loads(plaintext))
    salt, nonce = _prf("salt", where + plaintext), _prf("nonce", where + plaintext, 24)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(salt + plaintext, where, nonce, _subkey("encrypt"))
    assert field["salt"] == salt.hex()
    assert field["ct"] == base64.b64encode(nonce + sealed).decode()
    assert field["commit"] == base64.b64encode(hmac.new(salt, plaintext, hashlib.sha256).digest()).decode()


def test_pseudonyms_and_source_digests_follow_the_format() -> None:
    for text, found in PRIVACY["pseudonyms"].items():
        name = " ".join(unicodedata.normalize("NFC", text).split())
        assert found == "p_" + _prf("pseudonym", name.encode()).hex()
    assert len(set(PRIVACY["pseudonyms"].values())) == 2
    sent = PRIVACY["source_digest"]
    s = _prf("source", rfc8785.dumps([sent["source"], sent["id"]]))
    assert sent["s"] == s.hex()
    assert sent["digest"] == hmac.new(s, sent["sent"].encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("case", _load("event.json"), ids=lambda case: case["key"])
def test_an_events_bytes_are_rfc_8785_and_name_their_raw_record(case: dict[str, Any]) -> None:
    event = json.loads(case["event"])
    assert case["event"].encode() == rfc8785.dumps(event)
    assert case["leaf"] == hashlib.sha256(b"\0" + case["event"].encode()).hexdigest()
    assert event.get("caseid", "0") == case["key"]
    if event["type"] not in ("ledger.tick", "ledger.rejected"):
        assert event["source"] == case["source"]
        for name in ("王小明", "王  小明", "李律师", "起诉状"):
            assert name not in case["event"]
