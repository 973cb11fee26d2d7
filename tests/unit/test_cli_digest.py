"""`balance-chain digest` names a file by SHA-256 and by SM3, as the catalogue takes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from balance_chain.cli import digesting
from balance_chain.cli.main import run
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir

# GB/T 32905-2016, appendix A, example 1.
ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
needs_sm3 = pytest.mark.skipif(not digesting.sm3_known(), reason="needs OpenSSL with SM3")


@needs_sm3
def test_both_digests_are_those_of_the_standards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert run(["digest", str(tmp_path / "abc")]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["sha-256", hashlib.sha256(b"abc").hexdigest(), str(tmp_path / "abc")]
    assert second.split()[:2] == ["sm3", ABC]


@needs_sm3
def test_what_it_prints_for_machines_is_what_an_event_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"x" * (digesting.CHUNK_BYTES + 7)
    (tmp_path / "large").write_bytes(content)
    assert run(["digest", "--json", str(tmp_path / "large")]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["size"] == len(content)
    assert file["digests"] == {
        "sha-256": hashlib.sha256(content).hexdigest(),
        "sm3": hashlib.new("sm3", content).hexdigest(),
    }
    catalogue = Catalogue.load(data_dir("catalogue"))
    named = [
        (type_id, field.name)
        for type_id, kind in catalogue.types.items()
        for field in kind.fields
        if field.kind == "digests"
    ]
    assert named
    for type_id, name in named:
        problems = catalogue.problems(type_id, {name: file["digests"]})
        assert not [each for each in problems if each.pointer.startswith(f"/{name}")], type_id
        wrong = catalogue.problems(type_id, {name: {"sm3": "66c7"}})
        assert [each for each in wrong if each.pointer.startswith(f"/{name}")], type_id


def test_where_openssl_has_no_sm3_it_says_so_and_gives_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def new(name: str) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", new)
    (tmp_path / "abc").write_bytes(b"abc")
    assert run(["digest", str(tmp_path / "abc")]) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("sha-256")
    assert len(captured.out.splitlines()) == 1
    assert "OpenSSL has none" in captured.err


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["digest", str(tmp_path / "absent")]) == 3
    assert "absent" in capsys.readouterr().err
