"""Readers that nobody here wrote read our archive from a plain web server: sumdb/tlog, tessera's fsck, torchwood."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from balance_verify.checkpoint import Checkpoint
from balance_verify.note import SignedNote
from balance_verify.topicvalues import CheckpointRecord
from support.archived import export, grow
from support.gotools import GoProgram
from support.needs import needs_go
from support.smallledger import SmallLedger

PROOFS = Path(__file__).resolve().parent.parent / "golden" / "merkle.json"
READERS = ("sumdb", "tessera", "torchwood")

pytestmark = needs_go


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """The readers."""
    return GoProgram.build("tiles", tmp_path_factory)


@pytest.fixture(scope="module")
def ledger() -> SmallLedger:
    ledger = SmallLedger.of_seed()
    grow(ledger, 150, events=1)
    return ledger


@pytest.fixture
def archive(ledger: SmallLedger, tmp_path: Path) -> Path:
    asyncio.run(export(ledger, tmp_path))
    return tmp_path


@pytest.fixture
def url(archive: Path) -> Iterator[str]:
    """The folder, served by the standard library's web server."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(archive)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def earlier(ledger: SmallLedger) -> list[str]:
    """Checkpoints of before, as size:root."""
    notes = [CheckpointRecord.parse(value).note for value in ledger.checkpoints[:: len(ledger.checkpoints) // 5]]
    found = [Checkpoint.parse(SignedNote.parse(note.encode()).text) for note in notes]
    return [f"{each.size}:{base64.b64encode(each.root).decode()}" for each in found]


@pytest.mark.parametrize("reader", READERS)
def test_the_archive_is_a_log_to_readers_that_nobody_here_wrote(
    program: GoProgram, url: str, ledger: SmallLedger, reader: str
) -> None:
    result = program.say(reader, url, str(ledger.log_key.vkey), *earlier(ledger))
    assert (result.returncode, result.stdout) == (0, f"{reader} agrees\n"), result.stderr


@pytest.mark.parametrize(
    ("reader", "path"),
    [
        (reader, path)
        for reader in READERS
        for path in ("tile/0/000", "tile/entries/000", "checkpoint")
        # sumdb/tlog reads no entries
        if (reader, path) != ("sumdb", "tile/entries/000")
    ],
)
def test_a_changed_archive_is_none(
    program: GoProgram, url: str, archive: Path, ledger: SmallLedger, reader: str, path: str
) -> None:
    data = bytearray((archive / path).read_bytes())
    data[100] ^= 1
    (archive / path).write_bytes(bytes(data))
    result = program.say(reader, url, str(ledger.log_key.vkey))
    assert result.returncode == 1, result.stdout


@pytest.mark.parametrize("reader", ["sumdb", "tessera"])
def test_another_earlier_history_is_none(program: GoProgram, url: str, ledger: SmallLedger, reader: str) -> None:
    result = program.say(reader, url, str(ledger.log_key.vkey), f"101:{base64.b64encode(bytes(32)).decode()}")
    assert result.returncode == 1
    assert "consistency" in result.stderr


def test_our_proofs_hold_by_code_that_nobody_here_wrote(program: GoProgram, tmp_path: Path) -> None:
    trees = json.loads(PROOFS.read_text(encoding="utf-8"))
    count = sum(len(tree["inclusion"]) + len(tree["consistency"]) for tree in trees)
    result = program.say("merkle", PROOFS)
    assert (result.returncode, result.stdout) == (0, f"{count} proofs hold\n"), result.stderr
    for kind in ("inclusion", "consistency"):
        changed = json.loads(PROOFS.read_text(encoding="utf-8"))
        proof = next(proof for tree in changed for proof in tree[kind] if proof["path"])
        proof["path"][0] = base64.b64encode(bytes(32)).decode()
        (tmp_path / kind).write_text(json.dumps(changed), encoding="utf-8")
        assert program.say("merkle", tmp_path / kind).returncode == 1
