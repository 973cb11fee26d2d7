"""Key sets: which key holds at which entry, by index and by height alike, and what may follow what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from balance_verify.entry import GenesisHeader
from balance_verify.errors import MalformedError, MismatchError, UnknownSignerError
from balance_verify.keyset import HeldKey, KeyHistory, KeySet, open_keys, sign_keys
from balance_verify.note import SigningKey
from hypothesis import given, settings
from hypothesis import strategies as st

ORIGIN = "test.example/balance-chain/1"
LOG = SigningKey.generate(ORIGIN, b"\1" * 32)
SEALERS = [SigningKey.generate(f"{ORIGIN}/sealer", bytes([n]) * 32).vkey for n in range(10, 40)]
GATEWAY = SigningKey.generate(f"{ORIGIN}/gateway", b"\3" * 32).vkey
GENESIS = GenesisHeader("0" * 64, (str(LOG.vkey), str(SEALERS[0]), str(GATEWAY)), ORIGIN, 2, "2026-11-24T00:00:00.000Z")


@st.composite
def logs(draw: st.DrawFn) -> tuple[KeyHistory, list[tuple[int, int]]]:
    """A history of key sets, and the (shard, height) of every entry behind the genesis one, in the log's order."""
    history, entries, heights = KeyHistory.begin(GENESIS), [], [-1, -1]
    fresh = iter(SEALERS[1:])
    for _ in range(draw(st.integers(1, 8))):
        # A checkpoint takes the shards in order; a key set is made at a checkpoint.
        for shard in (0, 1):
            for _ in range(draw(st.integers(0, 3))):
                heights[shard] += 1
                entries.append((shard, heights[shard]))
        if draw(st.booleans()):
            held = [key.vkey.id for key in history.last.keys if key.until_size is None and "/sealer" in key.vkey.name]
            end = draw(st.sets(st.sampled_from(held))) if held else set()
            add = [next(fresh) for _ in range(draw(st.integers(0, 2)))]
            if add or end:
                history = history.taking(history.last.after(len(entries) + 1, heights, add=add, end=sorted(end)))
    return history, entries


@given(logs())
@settings(max_examples=150, deadline=None)
def test_a_key_holds_by_height_exactly_where_it_holds_by_index(
    log: tuple[KeyHistory, Sequence[tuple[int, int]]],
) -> None:
    history, entries = log
    for index, (shard, height) in enumerate(entries, 1):
        assert set(history.sealers(shard, height)) == set(history.last.at("sealer", index))


@given(logs())
@settings(max_examples=100, deadline=None)
def test_what_held_in_the_past_never_changes(log: tuple[KeyHistory, Sequence[tuple[int, int]]]) -> None:
    history, _ = log
    for keys in history.sets:
        for index in range(keys.size):
            assert keys.at("sealer", index) == history.last.at("sealer", index)


@given(logs())
@settings(max_examples=50, deadline=None)
def test_a_set_reads_back_and_a_history_from_its_texts(log: tuple[KeyHistory, Sequence[tuple[int, int]]]) -> None:
    history, _ = log
    for keys in history.sets:
        assert KeySet.parse(keys.text()) == keys
    assert KeyHistory.begin(GENESIS, [keys.text() for keys in history.sets[1:]]) == history


FIRST = KeySet.of_genesis(GENESIS)
SECOND = FIRST.after(5, (2, 1), add=[SEALERS[1]])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (FIRST, "nothing changes"),
        (replace(SECOND, origin="other.example/log"), "another log"),
        (FIRST.after(5, (2,), add=[SEALERS[1]]), "other shards"),
        (replace(SECOND, keys=SECOND.keys[1:]), "a line is gone"),
        (replace(SECOND, keys=(*FIRST.keys, HeldKey(SEALERS[1], 3))), "a key holds from before its set"),
        (replace(SECOND, keys=(*FIRST.keys, HeldKey(SEALERS[1], 5, 5))), "a key ends as it comes"),
        (replace(SECOND, keys=(FIRST.keys[0], HeldKey(SEALERS[0], 0, 3), FIRST.keys[2])), "a key ends in the past"),
        (replace(SECOND, keys=(FIRST.keys[0], HeldKey(SEALERS[2], 0), FIRST.keys[2])), "a key is exchanged"),
    ],
)
def test_a_set_that_rewrites_the_past_cannot_follow(wrong: KeySet, why: str) -> None:
    with pytest.raises(MismatchError):
        KeyHistory((FIRST,)).taking(wrong)


def test_an_old_set_cannot_be_played_again() -> None:
    history = KeyHistory((FIRST,)).taking(SECOND)
    third = SECOND.after(5, (2, 1), end=[SEALERS[0].id])
    for repeated in (SECOND, FIRST):
        with pytest.raises(MismatchError):
            history.taking(third).taking(repeated)


def test_only_the_logs_key_makes_a_key_set() -> None:
    stranger = SigningKey.generate(ORIGIN, b"\x09" * 32)
    assert open_keys(sign_keys(SECOND, LOG).encode(), LOG.vkey) == SECOND
    with pytest.raises(UnknownSignerError):
        open_keys(sign_keys(SECOND, stranger).encode(), LOG.vkey)


@pytest.mark.parametrize("spoil", [" ", "\n", "0"])
def test_a_set_has_one_spelling(spoil: str) -> None:
    lines = SECOND.text().split("\n")
    lines[2] = spoil + lines[2]
    with pytest.raises(MalformedError):
        KeySet.parse("\n".join(lines))


def test_a_key_says_between_which_sizes_it_holds() -> None:
    history = KeyHistory((FIRST,)).taking(SECOND).taking(SECOND.after(9, (3, 4), end=[SEALERS[0].id]))
    assert history.explain(SEALERS[0].id) == f"{SEALERS[0].id} holds from log size 0 up to 9"
    assert history.explain(SEALERS[1].id) == f"{SEALERS[1].id} holds from log size 5 on"
    assert "no key" in history.explain(GATEWAY.id + "0")
