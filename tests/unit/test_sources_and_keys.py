"""Who may send is read from one file that must be right; keys are files that are made once and never half."""

from __future__ import annotations

import base64
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from balance_chain.core import rawrecord
from balance_chain.core.keys import KeyDirectory, KeyFileError
from balance_chain.core.sources import Sources, SourcesError
from hypothesis import given
from hypothesis import strategies as st
from support.intake import HTTP_SOURCE, HTTP_TOKEN, KAFKA_PUBLIC, KAFKA_SEED, KAFKA_SOURCE, NARROW_SOURCE, write_sources

GOOD: dict[str, Any] = {
    "uri": "urn:a:b",
    "transport": "http",
    "token_sha256": "0" * 64,
    "types": ["*"],
    "courts": ["*"],
}


@pytest.fixture
def register(tmp_path: Path) -> Sources:
    write_sources(tmp_path / "sources.yaml")
    return Sources.load(tmp_path / "sources.yaml")


def test_a_source_is_found_by_uri_and_by_token(register: Sources) -> None:
    assert register.by_token(HTTP_TOKEN) == register.get(HTTP_SOURCE)
    assert register.by_token("other") is None
    assert register.by_token("\udc80") is None
    kafka = register.get(KAFKA_SOURCE)
    assert kafka is not None
    assert kafka.key == KAFKA_PUBLIC
    assert len(register.all()) == 3


def test_a_source_may_send_what_it_is_registered_for_and_never_the_ledgers_own(register: Sources) -> None:
    wide, narrow = register.get(HTTP_SOURCE), register.get(NARROW_SOURCE)
    assert wide is not None
    assert narrow is not None
    assert wide.allows_type("case.closed")
    assert not wide.allows_type("ledger.tick")
    assert not narrow.allows_type("case.closed")
    assert narrow.allows_court("浙0192")
    assert narrow.allows_court(None)
    assert not narrow.allows_court("京0491")


def test_a_sources_staff_ids_are_its_own_unless_it_names_a_namespace(tmp_path: Path) -> None:
    shared = {**GOOD, "uri": "urn:a:c", "token_sha256": "1" * 64, "staff": "urn:a:staff"}
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"sources": [GOOD, shared]}), encoding="utf-8")
    assert [source.staff for source in Sources.load(path).all()] == ["urn:a:b", "urn:a:staff"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"uri": "no uri"}, "uri"),
        ({"transport": "mail"}, "transport"),
        ({"token_sha256": None}, "token_sha256"),
        ({"token_sha256": "XY"}, "token_sha256"),
        ({"key": base64.b64encode(bytes(32)).decode()}, "key"),
        ({"transport": "kafka"}, "key"),
        ({"transport": "kafka", "key": "AAAA"}, "key"),
        ({"types": []}, "types"),
        ({"courts": "京0491"}, "courts"),
        ({"colour": "red"}, "colour"),
        ({"staff": "our people"}, "staff"),
    ],
)
def test_a_wrong_register_names_the_entry_and_the_field(changes: dict[str, Any], field: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(yaml.safe_dump({"sources": [{**GOOD, **changes}]}), encoding="utf-8")
    with pytest.raises(SourcesError) as caught:
        Sources.load(path)
    assert caught.value.field == f"/sources/0/{field}"
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "[]", "sources: 1", "sources: [1]", "{", "sources: [{}, {}]"])
def test_a_file_that_is_no_register_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourcesError):
        Sources.load(path)


def test_two_sources_share_neither_name_nor_token(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    for second in (GOOD, {**GOOD, "uri": "urn:a:c"}):
        path.write_text(yaml.safe_dump({"sources": [GOOD, second]}), encoding="utf-8")
        with pytest.raises(SourcesError):
            Sources.load(path)


def test_keys_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    made = KeyDirectory.generate(tmp_path / "keys", "test.example/log")
    again = KeyDirectory.generate(tmp_path / "keys", "other.example/log")
    assert again.origin == made.origin == "test.example/log"
    assert again.gateway_mac == made.gateway_mac
    assert made.sealer.vkey == made.sealer_vkey
    assert (made.gateway.vkey.name, made.log.vkey) == ("test.example/log/gateway", made.log_vkey)
    assert len({made.gateway_mac, made.reject_key, made.master_key}) == 3
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_service_needs_only_its_own_files(tmp_path: Path) -> None:
    KeyDirectory.generate(tmp_path, "test.example/log")
    for name in ("log.skey", "master.key"):
        (tmp_path / name).unlink()
    keys = KeyDirectory.load(tmp_path)
    assert keys.log_vkey.name == "test.example/log"
    for wanted in ("log", "master_key"):
        with pytest.raises(KeyFileError):
            getattr(keys, wanted)
    (tmp_path / "reject.key").write_text("short\n")
    with pytest.raises(KeyFileError):
        _ = keys.reject_key
    with pytest.raises(KeyFileError):
        KeyDirectory.load(tmp_path / "absent")


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_a_signature_and_a_mac_hold_for_their_bytes_alone(value: bytes, other: bytes) -> None:
    signature = rawrecord.sign_raw(value, KAFKA_SEED, KAFKA_PUBLIC)
    mac = rawrecord.mac_raw("urn:a:b", value, b"k" * 32)
    assert rawrecord.verify_raw(value, signature, KAFKA_PUBLIC)
    assert rawrecord.verify_mac("urn:a:b", value, mac, b"k" * 32)
    assert rawrecord.verify_raw(other, signature, KAFKA_PUBLIC) == (other == value)
    assert rawrecord.verify_mac("urn:a:b", other, mac, b"k" * 32) == (other == value)
    assert not rawrecord.verify_mac("urn:a:", b"b" + value, mac, b"k" * 32)
    assert not rawrecord.verify_raw(value, signature[:-1], KAFKA_PUBLIC)
    assert not rawrecord.verify_raw(value, other, KAFKA_PUBLIC)
