"""Evidence of two histories proves them or says why not, and cannot be made against an honest log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from balance_verify import equivocation
from balance_verify.checkpoint import Checkpoint
from balance_verify.equivocation import Evidence, check, path_nodes
from balance_verify.errors import MalformedError
from balance_verify.merkle import CompactRange, assemble_path, leaf_hash, tree_root
from balance_verify.note import SignedNote, SigningKey, sign_note
from hypothesis import given, settings
from hypothesis import strategies as st

KEY = SigningKey.generate("log.example/1", b"k" * 32)
STRANGER = SigningKey.generate("log.example/1", b"s" * 32)


def leaves(size: int, changed: int | None = None) -> list[bytes]:
    return [leaf_hash(b"other" if at == changed else b"%d" % at) for at in range(size)]


def note_of(history: list[bytes], key: SigningKey = KEY, origin: str = KEY.name) -> SignedNote:
    return sign_note(Checkpoint(origin, len(history), tree_root(history)).text(), key)


def tied(history: list[bytes], old_size: int) -> list[bytes]:
    tree = CompactRange()
    nodes = {(level, index): value for leaf in history for level, index, value in tree.append(leaf)}
    return assemble_path(path_nodes(old_size, len(history)), nodes)


def results(evidence: Evidence) -> list[str]:
    return [step.result for step in check(evidence, KEY.vkey).steps]


def test_two_roots_at_one_size_are_proven_by_the_notes_alone() -> None:
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(5)), note_of(leaves(5, changed=2)))
    assert results(evidence) == ["matches"] * 4 + ["differs"]
    assert check(evidence, KEY.vkey).proven
    assert check(evidence).proven
    assert Evidence.parse(evidence.encode()) == evidence
    assert evidence.verdict == "differs"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_larger_checkpoint_of_another_history_is_proven(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    old_size = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, size - 1))
    larger = leaves(size, changed)
    evidence = Evidence.collect(KEY.vkey, note_of(larger), note_of(leaves(old_size)), tied(larger, old_size))
    # A change behind the smaller checkpoint is no other history: the log only grew.
    assert evidence.verdict == ("differs" if changed < old_size else "matches")
    assert check(evidence, KEY.vkey).proven is (changed < old_size)
    assert Evidence.parse(evidence.encode()) == evidence


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_an_honest_log_cannot_be_accused_with_made_up_hashes(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 20))
    old_size = data.draw(st.integers(1, size - 1))
    path = tied(leaves(size), old_size)
    other = data.draw(st.lists(st.sampled_from([*path, bytes(32), *leaves(3)]), max_size=8))
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(old_size)), note_of(leaves(size)), other)
    assert not check(evidence).proven
    assert results(evidence)[-1] == ("matches" if other == path else "not checkable")


def test_without_hashes_two_sizes_are_not_checkable() -> None:
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(3)), note_of(leaves(5, changed=0)))
    assert evidence.verdict == "not checkable"
    assert not check(evidence).proven


def test_a_note_by_another_key_accuses_nobody() -> None:
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(5)), note_of(leaves(5, changed=2), STRANGER))
    assert results(evidence)[2] == "signer not recognised"
    assert not check(evidence).proven
    forged = replace(evidence.second, signatures=evidence.first.signatures)
    assert results(replace(evidence, second=forged))[2] == "differs"


def test_a_note_of_another_log_accuses_nobody() -> None:
    other = note_of(leaves(5, changed=2), origin="other.example/1")
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(5)), other)
    assert results(evidence)[3] == "differs"
    assert not check(evidence).proven


def test_the_key_in_the_file_must_be_the_one_the_reader_knows() -> None:
    evidence = Evidence.collect(STRANGER.vkey, note_of(leaves(5), STRANGER), note_of(leaves(5, changed=2), STRANGER))
    assert check(evidence).proven
    assert results(evidence)[0] == "signer not recognised"
    assert not check(evidence, KEY.vkey).proven


def test_an_empty_tree_has_one_root() -> None:
    false = sign_note(Checkpoint(KEY.name, 0, bytes(32)).text(), KEY)
    assert check(Evidence.collect(KEY.vkey, false, note_of(leaves(5)))).proven
    assert not check(Evidence.collect(KEY.vkey, note_of([]), note_of(leaves(5)))).proven


def test_extension_lines_are_signed_and_say_nothing() -> None:
    text = Checkpoint(KEY.name, 5, tree_root(leaves(5))).text()
    plain, extended = sign_note(text, KEY), sign_note(text + "more\n", KEY)
    assert Evidence.collect(KEY.vkey, plain, extended).verdict == "matches"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n",
        lambda data: data.replace(b'"v":1', b'"v":2'),
        lambda data: data.replace(b'"differs"', b'"true"'),
        lambda data: data.replace(b'"vkey"', b'"key"'),
        lambda data: data.replace(b'"path":[]', b'"path":["AAAA"]'),
        lambda data: b" " * 1_000_001,
    ],
)
def test_a_malformed_file_is_refused(change: Any) -> None:
    data = Evidence.collect(KEY.vkey, note_of(leaves(5)), note_of(leaves(5, changed=2))).encode()
    with pytest.raises(MalformedError):
        Evidence.parse(change(data))


def test_the_larger_checkpoint_comes_second() -> None:
    evidence = Evidence.collect(KEY.vkey, note_of(leaves(3)), note_of(leaves(5)))
    with pytest.raises(MalformedError, match="first"):
        replace(evidence, first=evidence.second, second=evidence.first)


def test_steps_are_numbered_and_named_as_the_documented_list() -> None:
    for step in check(Evidence.collect(KEY.vkey, note_of(leaves(3)), note_of(leaves(5)))).steps:
        assert f"\n{step.number}. {step.name}: " in (equivocation.__doc__ or "")
