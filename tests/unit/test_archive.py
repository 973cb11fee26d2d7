"""An archive grows by runs that can stop anywhere, and fsck recomputes all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from balance_verifier.archive import export as exporting
from balance_verifier.archive import fsck as fscking
from balance_verifier.archive import progressfile, stores
from balance_verifier.archive.layout import Head, encode_events, events_path, known_path, records_path, split_events
from balance_verifier.archive.stores import FolderStore, ObjectStore, open_store
from balance_verifier.errors import ArchiveRefused, ArchiveUnreadable, StoreUnavailable
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.note import SignedNote, SigningKey, sign_note
from balance_verify.policy import Policy
from balance_verify.tiles import Tile, TileReader
from balance_verify.topicvalues import CheckpointRecord
from hypothesis import given
from hypothesis import strategies as st
from support.archived import LedgerSource, check, export, grow, last_note
from support.smallledger import SmallLedger


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power."""
    monkeypatch.setattr(stores.os, "fsync", lambda _: None)


@pytest.fixture
def ledger() -> SmallLedger:
    ledger = SmallLedger.of_seed()
    grow(ledger, 3)
    return ledger


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_event_bytes_are_split_as_they_were_joined(values: list[bytes]) -> None:
    data = encode_events(values)
    assert split_events(data, "here") == values
    if data:
        with pytest.raises(ArchiveUnreadable):
            split_events(data[:-1] if values[-1] else data + b"\0", "here")


def test_every_path_of_the_format_is_known_and_no_other() -> None:
    for path in (events_path(3, 1234), records_path(0, 17), records_path(1000, 256), Tile(0, 5, 9).path):
        assert known_path(path) is not None, path
    for path in (
        "blocks/0/0.events",
        "blocks/00/000.events",
        "tile/0/0",
        "checkpoints/000.p/256",
        "readme",
        "heads/x.json",
    ):
        assert known_path(path) is None, path


async def test_an_archive_of_all_matches(ledger: SmallLedger, tmp_path: Path) -> None:
    done = await export(ledger, tmp_path)
    assert (done.size, done.root, done.blocks, done.events) == (7, ledger.root.hex(), 6, 18)
    report = check(tmp_path, ledger.log_key.vkey, last_note(ledger))
    assert report.faults == []
    assert (report.size, report.events, report.checkpoints, report.root) == (7, 18, 4, ledger.root.hex())
    assert report.finality == "operator's word alone"


async def test_it_grows_by_runs_over_full_tiles_and_bundles(tmp_path: Path) -> None:
    ledger = SmallLedger.of_seed()
    for rounds in (1, 100, 0, 60, 1):
        grow(ledger, rounds, events=1)
        done = await export(ledger, tmp_path)
        assert done.size == ledger.size
        assert check(tmp_path, ledger.log_key.vkey).faults == []
    store = open_store(str(tmp_path))
    reader = TileReader(ledger.size, ledger.root, lambda tile: store.get(tile.path) or b"")
    reader.check_root()
    assert reader.entry(300)
    again = tmp_path.with_name(tmp_path.name + "-at-once")
    await export(ledger, again)
    assert (again / "checkpoint").read_bytes() == (tmp_path / "checkpoint").read_bytes()
    for file in filter(Path.is_file, again.rglob("*")):
        assert (tmp_path / file.relative_to(again)).read_bytes() == file.read_bytes(), file


async def test_wherever_an_export_stops_the_archive_holds_together(
    ledger: SmallLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write in turn is the last one that happens."""

    class Stopped(Exception):
        pass

    monkeypatch.setattr(exporting, "STRETCH_CHECKPOINTS", 2)
    put, left = FolderStore.put, [0]

    def put_some(self: FolderStore, path: str, data: bytes) -> None:
        if not left[0]:
            raise Stopped
        left[0] -= 1
        put(self, path, data)

    monkeypatch.setattr(FolderStore, "put", put_some)
    stops = 0
    for writes in range(1, 200):
        folder = tmp_path / str(writes)
        left[0] = writes
        try:
            await export(ledger, folder)
        except Stopped:
            stops += 1
        else:
            break
        if (folder / "checkpoint").exists():
            assert check(folder, ledger.log_key.vkey).faults == []
        left[0] = 1000
        await export(ledger, folder)
        assert check(folder, ledger.log_key.vkey, last_note(ledger)).faults == []
    assert stops > 20


async def test_what_does_not_fit_is_not_archived(ledger: SmallLedger, tmp_path: Path) -> None:
    await export(ledger, tmp_path)
    before = (tmp_path / "checkpoint").read_bytes()
    grow(ledger, 1)
    ledger.events[1][10] = ledger.events[1][10].replace(b"evidence", b"evidemce")
    with pytest.raises(ArchiveRefused, match=r"leaf hash|block root"):
        await export(ledger, tmp_path)
    assert (tmp_path / "checkpoint").read_bytes() == before
    other = SmallLedger.of_seed(2)
    grow(other, 4)
    with pytest.raises(ArchiveUnreadable):
        await export(other, tmp_path)


async def test_another_history_of_the_same_keys_is_not_added(ledger: SmallLedger, tmp_path: Path) -> None:
    await export(ledger, tmp_path)
    other = SmallLedger.of_seed()
    grow(other, 4, events=2)
    with pytest.raises(ArchiveRefused, match="projection"):
        await export(other, tmp_path)


async def test_all_cores_find_what_one_finds(tmp_path: Path) -> None:
    ledger = SmallLedger.of_seed()
    grow(ledger, 20)
    await export(ledger, tmp_path)
    file = tmp_path / events_path(0, 7)
    file.write_bytes(file.read_bytes().replace(b"evidence", b"evidemce", 1))
    alone, many = check(tmp_path), check(tmp_path, jobs=2)
    assert alone.faults == many.faults
    assert len(alone.faults) == 2
    assert (alone.events, alone.bytes) == (many.events, many.bytes)


async def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = SmallLedger.of_seed()
    grow(ledger, 200, events=1)
    await export(ledger, tmp_path / "archive")
    file = tmp_path / "archive" / events_path(0, 2)
    file.write_bytes(file.read_bytes().replace(b"evidence", b"evidemce", 1))
    monkeypatch.setattr(progressfile, "SAVE_SECONDS", 0.0)
    work = fscking.check_entries
    seen: list[int] = []

    def stop_later(job: fscking.Job, first: int, end: int) -> object:
        seen.append(first)
        if first >= 320:
            raise KeyboardInterrupt
        return work(job, first, end)

    monkeypatch.setattr(fscking, "check_entries", stop_later)
    state = tmp_path / "state.json"
    with pytest.raises(KeyboardInterrupt):
        check(tmp_path / "archive", state=state)
    assert state.exists()
    monkeypatch.setattr(fscking, "check_entries", lambda job, first, end: seen.append(first) or work(job, first, end))
    seen.clear()
    report = check(tmp_path / "archive", state=state)
    assert min(seen) == 256
    assert not state.exists()
    assert report.faults == check(tmp_path / "archive").faults
    assert report.events == 400


async def test_a_bounded_rate_is_kept(ledger: SmallLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(ledger, 10)
    await export(ledger, tmp_path)
    slept: list[float] = []
    monkeypatch.setattr(fscking.time, "sleep", slept.append)
    report = check(tmp_path, rate=1000.0)
    assert report.faults == []
    assert slept
    assert max(slept) <= report.bytes / 1000


async def test_a_checkpoint_of_a_longer_log_or_another_one_is_named(ledger: SmallLedger, tmp_path: Path) -> None:
    await export(ledger, tmp_path)
    grow(ledger, 1)
    longer = check(tmp_path, ledger.log_key.vkey, last_note(ledger))
    assert [fault.step for fault in longer.faults] == ["outside checkpoint"]
    forged = sign_note(Checkpoint(ledger.origin, 3, bytes(32)).text(), ledger.log_key).encode()
    differs = check(tmp_path, ledger.log_key.vkey, forged)
    assert [(fault.step, fault.expected) for fault in differs.faults] == [
        ("outside checkpoint of size 3", bytes(32).hex())
    ]
    stranger = SigningKey.generate(ledger.origin, bytes(32))
    unsigned = check(
        tmp_path, ledger.log_key.vkey, sign_note(Checkpoint(ledger.origin, 3, bytes(32)).text(), stranger).encode()
    )
    assert [fault.place for fault in unsigned.faults] == ["outside 0"]
    assert [fault.step for fault in check(tmp_path, stranger.vkey).faults] == ["genesis signature"]


def test_a_head_has_one_spelling() -> None:
    head = Head(checkpoints=1, heights=(-1,), origin="a", root="00", size=1)
    assert Head.parse(head.encode(), "here") == head
    with pytest.raises(ArchiveUnreadable):
        Head.parse(head.encode() + b"\n", "here")


async def test_an_object_store_takes_the_same_archive(ledger: SmallLedger, tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    exporter = exporting.Exporter(open_store(url), LedgerSource(ledger), ledger.log_key.vkey, lambda _: None)  # type: ignore[arg-type]
    exporter.begin()
    await exporter.run()
    assert isinstance(open_store(url), ObjectStore)
    assert check(tmp_path, ledger.log_key.vkey).faults == []
    assert fscking.fsck_archive(url, fscking.Options(), lambda _: None).faults == []


async def test_cosignatures_that_came_later_are_archived_beside_their_checkpoint(
    ledger: SmallLedger, tmp_path: Path
) -> None:
    await export(ledger, tmp_path)
    record = CheckpointRecord.parse(ledger.checkpoints[-1])
    witness = SigningKey.generate("witness.example/w", b"w" * 32)
    note = SignedNote.parse(record.note.encode())
    signed = SignedNote(note.text, (*note.signatures, *sign_note(note.text, witness).signatures)).encode()
    ledger.checkpoints.append(CheckpointRecord(record.heights, signed.decode()).encode())
    done = await export(ledger, tmp_path)
    assert (done.checkpoints, done.blocks, done.size) == (1, 0, ledger.size)
    assert (tmp_path / "checkpoint").read_bytes() == signed
    assert check(tmp_path, ledger.log_key.vkey, last_note(ledger)).faults == []
    grow(ledger, 1)
    await export(ledger, tmp_path)
    assert check(tmp_path, ledger.log_key.vkey).faults == []


async def test_a_policy_is_held_against_the_latest_checkpoint(ledger: SmallLedger, tmp_path: Path) -> None:
    await export(ledger, tmp_path)
    witness = CosigningKey.generate("witness.example/w", b"w" * 32)
    policy = Policy.parse(f"witness w {witness.vkey}\nquorum w\n".encode())
    report = check(tmp_path, ledger.log_key.vkey, policy=policy)
    assert [fault.step for fault in report.faults] == ["cosignatures"]
    record = CheckpointRecord.parse(ledger.checkpoints[-1])
    note = SignedNote.parse(record.note.encode())
    signed = SignedNote(note.text, (*note.signatures, witness.cosign(note.text, 1_790_000_000))).encode()
    ledger.checkpoints.append(CheckpointRecord(record.heights, signed.decode()).encode())
    await export(ledger, tmp_path)
    report = check(tmp_path, ledger.log_key.vkey, policy=policy)
    assert report.faults == []
    assert report.finality.startswith("final by the policy")


async def test_a_put_that_an_object_store_refuses_ends_the_export_before_its_note(
    ledger: SmallLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = stores.obstore.put

    def refuse(store: object, path: str, data: bytes) -> object:
        if path == events_path(1, 2):
            raise stores.BaseError("no space")  # type: ignore[call-arg, misc]
        return put(store, path, data)  # type: ignore[arg-type]

    monkeypatch.setattr(stores.obstore, "put", refuse)
    source = LedgerSource(ledger)
    exporter = exporting.Exporter(open_store(tmp_path.as_uri()), source, ledger.log_key.vkey, lambda _: None)  # type: ignore[arg-type]
    exporter.begin()
    with pytest.raises(StoreUnavailable, match="no space"):
        await exporter.run()
    assert open_store(str(tmp_path)).get("checkpoint") is None
