"""Whoever changes an archive is found out, and told by file, record, step and both values.

Seeded random cases; BALANCE_TAMPER_CASES sets how many.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from balance_verifier.archive.layout import encode_events, encode_records, split_events
from balance_verify.tiles import encode_bundle, parse_bundle
from support.archived import check, export, grow, last_note
from support.smallledger import SmallLedger
from support.tampering import KINDS, cases, flip, tamper

ROUNDS = 14


@pytest.fixture(scope="module")
def true_ledger() -> SmallLedger:
    ledger = SmallLedger.of_seed()
    grow(ledger, ROUNDS, events=5)
    return ledger


@pytest.fixture(scope="module")
def true_archive(true_ledger: SmallLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by two runs, so that partial files and a head of before are among its files."""
    folder = tmp_path_factory.mktemp("true") / "archive"
    early = SmallLedger.of_seed()
    grow(early, ROUNDS // 2, events=5)
    asyncio.run(export(early, folder))
    asyncio.run(export(true_ledger, folder))
    assert check(folder, true_ledger.log_key.vkey, last_note(true_ledger)).faults == []
    return folder


def records_of(path: str, data: bytes) -> tuple[list[bytes], str] | None:
    """The records in a file, and which codec joins them again; None for a file that is one record."""
    if path.endswith(".events"):
        return split_events(data, path), "events"
    if path.startswith("tile/entries/"):
        width = int(path.rpartition(".p/")[2])
        return parse_bundle(data, width), "entries"
    if path.startswith("checkpoints/"):
        return data.removesuffix(b"\n").split(b"\n"), "lines"
    if path.endswith(".leaves") or path.startswith("tile/"):
        return [data[at : at + 32] for at in range(0, len(data), 32)], "hashes"
    return None


def joined(records: list[bytes], codec: str) -> bytes:
    joins = {"events": encode_events, "entries": encode_bundle, "lines": encode_records, "hashes": b"".join}
    return joins[codec](records)  # type: ignore[operator]


def draws(folder: Path, number: int) -> Iterator[tuple[str, bytes | None]]:
    """Changes of one file each, until one is a change: its path, and its bytes or None where it goes away."""
    chance = random.Random(f"archive {number}")
    kind = KINDS[number % len(KINDS)]
    paths = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    while True:
        path = chance.choice(paths)
        data = (folder / path).read_bytes()
        found = records_of(path, data)
        if kind == "flip":
            yield path, flip(data, chance)
        elif kind == "drop" and (found is None or chance.random() < 0.3):
            # Partial files and heads of before may go: readers take what came after them.
            if ".p/" not in path and not path.startswith("heads/"):
                yield path, None
        elif kind == "swap" and found is not None and chance.random() < 0.3:
            other = chance.choice([p for p in paths if p.split("/")[0] == path.split("/")[0]])
            yield path, (folder / other).read_bytes()
        elif kind == "insert" and chance.random() < 0.1:
            yield f"{path}.new", data
        elif found is not None and (changed := tamper(kind, found[0], chance)) is not None:
            yield path, joined(changed, found[1])


@pytest.mark.parametrize("number", cases(60, 0.7))
def test_a_changed_file_is_named(number: int, true_ledger: SmallLedger, true_archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    for path, data in draws(true_archive, number):
        if not (true_archive / path).exists() or data != (true_archive / path).read_bytes():
            break
    shutil.copytree(true_archive, folder)
    if data is None:
        (folder / path).unlink()
    else:
        (folder / path).write_bytes(data)
    report = check(folder, true_ledger.log_key.vkey, last_note(true_ledger))
    assert any(fault.place.startswith(path) or path in fault.got + fault.expected for fault in report.faults), (
        path,
        report.faults,
    )
    assert all(fault.step and fault.expected != fault.got for fault in report.faults), report.faults


@pytest.mark.parametrize("number", cases(4, 0.02))
async def test_a_history_rewritten_with_own_keys_is_held_against_a_checkpoint_kept_outside(
    number: int, true_ledger: SmallLedger, tmp_path: Path
) -> None:
    """All new, or the log's own keys and another event: within itself each archive is whole."""
    chance = random.Random(f"rewrite {number}")
    stolen = number % 2 == 0
    forged = SmallLedger.of_seed(1 if stolen else 2 + number)
    at = chance.randrange(ROUNDS)
    grow(forged, at, events=5)
    forged.add_event(chance.randrange(2), id="never-happened")
    grow(forged, ROUNDS - at + chance.randrange(3), events=5)
    await export(forged, tmp_path)
    assert check(tmp_path).faults == []
    report = check(tmp_path, None, last_note(true_ledger))
    assert [fault.place for fault in report.faults] == ["outside 0"]
    assert report.faults[0].expected != report.faults[0].got
    if stolen:
        assert report.faults[0].expected == true_ledger.root.hex()
    else:
        known = check(tmp_path, true_ledger.log_key.vkey)
        assert [fault.step for fault in known.faults] == ["genesis signature"]


@pytest.mark.parametrize("number", cases(3, 0.02))
async def test_an_archive_set_back_to_an_earlier_state_is_held_against_a_checkpoint_kept_outside(
    number: int, true_ledger: SmallLedger, tmp_path: Path
) -> None:
    early = SmallLedger.of_seed()
    grow(early, 1 + random.Random(number).randrange(ROUNDS - 1), events=5)
    await export(early, tmp_path)
    assert check(tmp_path, true_ledger.log_key.vkey).faults == []
    report = check(tmp_path, true_ledger.log_key.vkey, last_note(true_ledger))
    assert [(fault.step, fault.got) for fault in report.faults] == [("outside checkpoint", f"{early.size} entries")]
