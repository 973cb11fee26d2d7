"""Tiles are exactly those of C2SP tlog-tiles, and prove what the tree proves."""

from __future__ import annotations

import pytest
from balance_verify.errors import MalformedError, VerifyError
from balance_verify.merkle import consistency_path, inclusion_path, leaf_hash, tree_root
from balance_verify.tiles import (
    ENTRIES,
    Tile,
    TileBuilder,
    TileReader,
    encode_bundle,
    index_path,
    parse_bundle,
    tiles_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(70_000)]


def stored(size: int) -> dict[Tile, bytes]:
    """Every tile of a tree, by a builder that saw one leaf after another."""
    builder, tiles = TileBuilder(), {}
    for leaf in LEAVES[:size]:
        tiles.update(builder.append(leaf))
    tiles.update(builder.partial())
    return tiles


def test_an_index_is_written_in_elements_of_three_digits() -> None:
    assert index_path(1234067) == "x001/x234/067"
    assert (index_path(0), index_path(999), index_path(1000)) == ("000", "999", "x001/000")


@given(st.integers(-1, 63), st.integers(0, 10**13), st.integers(1, 256))
def test_a_path_names_one_tile(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/00/000",
        "tile/64/000",
        "tile/0/00",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/07",
        "tile/0/001/000",
        "tile/-1/000",
        "tile/0/000/",
        "tile/0/٠٠٠",
        "tile/entries/000\n",
    ],
)
def test_a_path_in_another_spelling_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        Tile.parse(path)


def test_the_example_of_the_specification_has_its_tiles() -> None:
    tiles = [tile for tile in tiles_of(70_000) if tile.level != ENTRIES]
    full = [tile for tile in tiles if tile.width == 256]
    assert sorted(set(tiles) - set(full)) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [sum(tile.level == level for tile in full) for level in (0, 1)] == [273, 1]
    made = stored(70_000)
    assert set(made) == set(tiles)
    assert all(len(data) == 32 * tile.width for tile, data in made.items())
    assert made[Tile(1, 0)][:32] == tree_root(LEAVES[:256])
    assert made[Tile(2, 0, 1)] == tree_root(LEAVES[:65536])
    assert list(tiles_of(256)) == [Tile(ENTRIES, 0), Tile(0, 0), Tile(1, 0, 1)]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_tiles_alone_prove_what_the_tree_proves(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 1500))
    old_size = data.draw(st.integers(0, size))
    index = data.draw(st.integers(0, size - 1))
    tiles = stored(size)
    reader = TileReader(size, tree_root(LEAVES[:size]), tiles.__getitem__)
    reader.check_root()
    assert reader.inclusion_path(index) == inclusion_path(LEAVES[:size], index)
    assert reader.consistency_path(old_size, tree_root(LEAVES[:old_size])) == consistency_path(LEAVES[:size], old_size)
    # Going on from the partial tiles of a smaller tree gives the same tiles.
    known = {**stored(old_size)}
    builder = TileBuilder.from_tiles(old_size, known.__getitem__)
    for leaf in LEAVES[old_size:size]:
        known.update(builder.append(leaf))
    known.update(builder.partial())
    assert {tile: known[tile] for tile in tiles} == tiles
    assert {tile for tile in tiles_of(size, old_size) if tile.level != ENTRIES} <= set(known)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 600), st.data())
def test_a_changed_tile_proves_nothing(size: int, data: st.DataObject) -> None:
    tiles = stored(size)
    tile = data.draw(st.sampled_from(sorted(tile for tile in tiles if tile.level == 0)))
    at = data.draw(st.integers(0, len(tiles[tile]) - 1))
    changed = bytearray(tiles[tile])
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    reader = TileReader(size, tree_root(LEAVES[:size]), {**tiles, tile: bytes(changed)}.__getitem__)
    with pytest.raises(VerifyError):
        reader.inclusion_path(tile.index * 256 + at // 32)


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=20))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    data = encode_bundle(entries)
    assert parse_bundle(data, len(entries)) == entries
    for wrong in (data[:-1], data + b"\0"):
        with pytest.raises(MalformedError):
            parse_bundle(wrong, len(entries))
    with pytest.raises(MalformedError):
        parse_bundle(data, len(entries) + 1)


def test_an_entry_is_read_from_its_bundle_and_held_against_the_tree() -> None:
    entries = [b"entry %d" % number for number in range(300)]
    files = {**stored(300), Tile(ENTRIES, 0): encode_bundle(entries[:256])}
    reader = TileReader(300, tree_root(LEAVES[:300]), files.__getitem__)
    assert reader.entry(255) == entries[255]
    files[Tile(ENTRIES, 0)] = encode_bundle([b"entry x", *entries[1:256]])
    with pytest.raises(VerifyError):
        reader.entry(0)


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    with pytest.raises(MalformedError):
        encode_bundle([bytes(65536)])
