"""The verifier serves its log as C2SP tlog-tiles: a reader with the public key needs nothing else."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.tileserving import accepts_gzip
from balance_verifier.worker import run_worker
from balance_verify.checkpoint import Checkpoint
from balance_verify.errors import VerifyError
from balance_verify.merkle import leaf_hash
from balance_verify.note import open_note
from balance_verify.tiles import ENTRIES, Tile, TileReader, parse_bundle, tiles_of
from balance_verify.topicvalues import CheckpointRecord
from support.smallledger import SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up


@pytest.fixture
async def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    """300 covered blocks, so that a tile is full, and one that no checkpoint covers."""
    ledger = SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions)
    for number in range(300):
        ledger.add_event(number % 2)
        ledger.seal(number % 2)
        if number % 100 == 99:
            ledger.checkpoint()
    ledger.add_event(0)
    ledger.seal(0)
    written = Written(topics, ledger)
    await written.flush()
    return written


@pytest.fixture
async def client(written: Written) -> AsyncIterator[httpx.AsyncClient]:
    common = written.settings.model_dump()
    worker_settings, api_settings = WorkerSettings(**common), ApiSettings(**common)
    service = Service("worker", Health(), asyncio.Event())
    app = build_app(api_settings, service.health)
    async with asyncpg.create_pool(
        api_settings.database, min_size=0, server_settings={"search_path": "verifier"}
    ) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(worker_settings, service))
        await wait_until(lambda: caught_up(pool, written.ledger), 40)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://log") as http:
        yield http


async def test_checkpoint_and_tiles_alone_prove_every_entry(
    client: httpx.AsyncClient, written: Written, keys: KeyDirectory
) -> None:
    note = await client.get("/log/checkpoint")
    assert note.headers["content-type"] == "text/plain; charset=utf-8"
    assert "no-cache" in note.headers["cache-control"]
    checkpoint = Checkpoint.parse(open_note(note.content, [keys.log_vkey]).text)
    assert (checkpoint.size, checkpoint.root) == (301, written.ledger.root)
    files: dict[Tile, bytes] = {}
    for tile in tiles_of(checkpoint.size):
        answer = await client.get(f"/log/{tile.path}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream"), tile.path
        assert "immutable" in answer.headers["cache-control"]
        files[tile] = answer.content
    assert {tile.path for tile in files} >= {"tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1", "tile/entries/000"}
    reader = TileReader(checkpoint.size, checkpoint.root, files.__getitem__)
    reader.check_root()
    entries = [
        entry for tile, data in files.items() if tile.level == ENTRIES for entry in parse_bundle(data, tile.width)
    ]
    assert entries[0] == written.ledger.genesis
    assert {reader.entry(number) for number in (0, 1, 255, 256, 300)} == {
        entries[number] for number in (0, 1, 255, 256, 300)
    }
    for old in written.ledger.checkpoints:
        before = Checkpoint.parse(open_note(CheckpointRecord.parse(old).note.encode(), [keys.log_vkey]).text)
        reader.consistency_path(before.size, before.root)
    with pytest.raises(VerifyError):
        reader.consistency_path(101, leaf_hash(b"another history"))


async def test_what_no_checkpoint_covers_and_what_is_no_tile_is_a_404(client: httpx.AsyncClient) -> None:
    for path in (
        "tile/0/001",
        "tile/0/001.p/46",
        "tile/0/002.p/1",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/entries/001",
        "tile/entries/001.p/46",
        "tile/00/000",
        "tile/0/000.p/256",
        "tile/0/x001/x234/567",
        "tile/63/000",
        "tile/entries/../checkpoint",
        "tile/0/%30%30%30x",
        "tile/",
    ):
        answer = await client.get(f"/log/{path}")
        assert answer.status_code == 404, path
        assert "immutable" not in answer.headers.get("cache-control", "")


async def test_a_partial_tile_of_an_earlier_checkpoint_is_a_prefix(client: httpx.AsyncClient) -> None:
    full = (await client.get("/log/tile/0/000")).content
    assert (await client.get("/log/tile/0/000.p/101")).content == full[: 101 * 32]
    bundle = (await client.get("/log/tile/entries/000")).content
    assert bundle.startswith((await client.get("/log/tile/entries/000.p/101")).content)


async def test_bundles_are_compressed_where_the_reader_takes_it(client: httpx.AsyncClient) -> None:
    plain = await client.get("/log/tile/entries/000", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with client.stream("GET", "/log/tile/entries/000", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    head = await client.head("/log/tile/entries/000")
    assert (head.status_code, head.content) == (200, b"")


def test_gzip_is_taken_as_the_header_says() -> None:
    taken = ("gzip", "deflate, GZIP;q=0.5", "*", "br, *;q=0.1")
    refused = ("", "identity", "gzip;q=0", "br", "*;q=0", "gzip;q=nonsense")
    assert all(map(accepts_gzip, taken))
    assert not any(map(accepts_gzip, refused))
