"""A witness answers exactly as tlog-witness says, and never cosigns two histories of a log, whatever it is asked."""

from __future__ import annotations

import pytest
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.errors import MalformedError
from balance_verify.merkle import (
    EMPTY_ROOT,
    consistency_path,
    leaf_hash,
    tree_root,
    verify_consistency,
)
from balance_verify.note import NoteSignature, SignedNote, SigningKey, sign_note
from balance_verify.witness import (
    MAX_PROOF,
    AddCheckpoint,
    Latest,
    Opened,
    Refused,
    judge,
    open_request,
    read_answer,
    read_size,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

ORIGIN = "court.example/log"
LOG = SigningKey.generate(ORIGIN, bytes(32))
STRANGER = SigningKey.generate(ORIGIN, b"s" * 32)
WITNESS = CosigningKey.generate("witness.example/w1", bytes(range(32)))
LOGS = {ORIGIN: [LOG.vkey]}
MOST = 24


def leaves(history: int, size: int) -> list[bytes]:
    """A history of the log: all of them share their first five entries."""
    return [leaf_hash(b"%d" % n if n < 5 else b"%d %d" % (history, n)) for n in range(size)]


def note_of(history: int, size: int, *keys: SigningKey) -> SignedNote:
    return sign_note(Checkpoint(ORIGIN, size, tree_root(leaves(history, size))).text(), *(keys or (LOG,)))


def proof_of(history: int, old: int, size: int) -> tuple[bytes, ...]:
    return tuple(consistency_path(leaves(history, size), old)) if 0 < old < size else ()


def request(history: int, old: int, size: int, *keys: SigningKey) -> bytes:
    return AddCheckpoint(old, proof_of(history, old, size), note_of(history, size, *keys)).encode()


def latest(history: int, size: int) -> Latest:
    return Latest(size, tree_root(leaves(history, size)))


def answer(body: bytes, state: Latest) -> Opened | Refused:
    opened = open_request(body, LOGS)
    return opened if isinstance(opened, Refused) else judge(opened, state) or opened


def test_a_request_looks_as_the_specification_shows_it() -> None:
    lines = request(0, 3, 7).decode().split("\n")
    assert lines[0] == "old 3"
    assert lines[5] == ""
    assert lines[6:8] == [ORIGIN, "7"]
    assert request(0, 0, 1).decode().startswith(f"old 0\n\n{ORIGIN}\n1\n")


@given(st.integers(0, MOST), st.integers(0, MOST), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_a_request_is_read_as_it_is_written(old: int, size: int, history: int) -> None:
    body = request(history, old, size)
    assert AddCheckpoint.parse(body).encode() == body


@given(st.integers(0, MOST), st.integers(0, MOST))
@settings(max_examples=100, deadline=None)
def test_a_true_checkpoint_is_accepted_from_any_size_below_and_again_from_its_own(old: int, more: int) -> None:
    size = old + more
    assert isinstance(answer(request(0, old, size), latest(0, old)), Opened)
    assert isinstance(answer(request(0, size, size), latest(0, size)), Opened)


def refusal(body: bytes, state: Latest) -> Refused:
    found = answer(body, state)
    assert isinstance(found, Refused)
    return found


def test_an_unknown_log_is_404() -> None:
    assert isinstance(open_request(request(0, 0, 1), {}), Refused)
    assert open_request(request(0, 0, 1), {}).status == 404  # type: ignore[union-attr]


def test_no_signature_of_a_trusted_key_is_403() -> None:
    assert refusal(request(0, 0, 1, STRANGER), Latest()).status == 403


def test_a_bad_signature_that_names_a_trusted_key_is_403_even_beside_a_good_one() -> None:
    text = note_of(0, 1).text
    forged = NoteSignature(LOG.name, LOG.vkey.key_hash, bytes(64))
    second = SigningKey.generate(ORIGIN, b"2" * 32)
    note = SignedNote(text, (*sign_note(text, second).signatures, forged))
    body = AddCheckpoint(0, (), note).encode()
    refused = open_request(body, {ORIGIN: [LOG.vkey, second.vkey]})
    assert isinstance(refused, Refused)
    assert refused.status == 403


def test_signatures_of_strangers_beside_the_logs_are_ignored() -> None:
    opened = answer(request(0, 0, 1, STRANGER, LOG), Latest())
    assert isinstance(opened, Opened)
    assert [s.key_hash for s in opened.note.signatures] == [LOG.vkey.key_hash]


def test_an_old_size_above_the_checkpoints_is_400() -> None:
    assert refusal(AddCheckpoint(8, (), note_of(0, 7)).encode(), latest(0, 8)).status == 400


@pytest.mark.parametrize(("told", "stored"), [(0, 5), (3, 5), (5, 3), (6, 0), (7, 5)])
def test_another_old_size_than_the_latest_is_409_with_the_latest(told: int, stored: int) -> None:
    refused = refusal(request(0, told, 7), latest(0, stored))
    assert (refused.status, refused.content_type) == (409, "text/x.tlog.size")
    assert refused.body == f"{stored}\n".encode()
    assert read_size(refused.body) == stored


def test_another_root_at_the_same_size_is_422() -> None:
    assert refusal(request(1, 7, 7), latest(0, 7)).status == 422


def test_an_empty_tree_with_another_root_is_422() -> None:
    note = sign_note(Checkpoint(ORIGIN, 0, bytes(32)).text(), LOG)
    assert refusal(AddCheckpoint(0, (), note).encode(), Latest()).status == 422
    note = sign_note(Checkpoint(ORIGIN, 0, EMPTY_ROOT).text(), LOG)
    assert isinstance(answer(AddCheckpoint(0, (), note).encode(), Latest()), Opened)


@pytest.mark.parametrize(("old", "size"), [(0, 7), (7, 7)])
def test_a_proof_where_none_is_needed_is_422(old: int, size: int) -> None:
    body = AddCheckpoint(old, (bytes(32),), note_of(0, size)).encode()
    assert refusal(body, latest(0, old)).status == 422


@given(st.integers(1, MOST), st.integers(1, MOST), st.data())
@settings(max_examples=60, deadline=None)
def test_a_proof_that_does_not_hold_is_422(old: int, more: int, data: st.DataObject) -> None:
    size = old + more
    proof = list(proof_of(0, old, size))
    change = data.draw(st.sampled_from(["flip", "drop", "add", "none"]))
    at = data.draw(st.integers(0, len(proof) - 1))
    if change == "flip":
        proof[at] = bytes([proof[at][0] ^ 1]) + proof[at][1:]
    elif change == "drop":
        del proof[at]
    elif change == "add":
        proof.insert(at, bytes(32))
    else:
        proof = []
    body = AddCheckpoint(old, tuple(proof), note_of(0, size)).encode()
    assert refusal(body, latest(0, old)).status == 422


GOOD = request(0, 3, 7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        GOOD[4:],
        GOOD.replace(b"old 3", b"old 03"),
        GOOD.replace(b"old 3", b"old -3"),
        GOOD.replace(b"old 3", b"old  3"),
        GOOD.replace(b"old 3", b"new 3"),
        GOOD.replace(b"\n7\n", b"\n07\n"),
        GOOD.replace(b"\n7\n", b"\n\n7\n"),
        GOOD.replace(b"old 3\n", b"old 3\nAAAA\n"),
        GOOD.replace(b"old 3\n", b"old 3\n" + (b"A" * 43 + b"=\n") * (MAX_PROOF + 1)),
        GOOD[: GOOD.rindex(b"\n\n") + 2],
        GOOD.removesuffix(b"\n"),
        GOOD + b"\n",
        GOOD.replace(ORIGIN.encode(), b"\xff"),
        b"old 3\n"
        + b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" * (MAX_PROOF + 1)
        + GOOD[GOOD.index(b"\n\n") + 1 :],
        b"old 3\n" * 400_000,
    ],
)
def test_a_request_that_is_none_is_400(body: bytes) -> None:
    assert refusal(body, latest(0, 3)).status == 400


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_it(body: bytes) -> None:
    assert refusal(b"old 0\n\n" + body, Latest()).status in (400, 403, 404)


def test_extension_lines_are_signed_unread() -> None:
    text = note_of(0, 2).text + "extension\n"
    opened = answer(AddCheckpoint(0, (), sign_note(text, LOG)).encode(), Latest())
    assert isinstance(opened, Opened)
    assert opened.note.text == text
    text += "\nafter an empty line\n"
    assert refusal(AddCheckpoint(0, (), sign_note(text, LOG)).encode(), Latest()).status == 400


def test_an_answer_is_signature_lines() -> None:
    signature = WITNESS.cosign(note_of(0, 1).text, 7)
    assert read_answer(str(signature).encode()) == (signature,)
    for body in (b"", b"x\n", str(signature).encode().removesuffix(b"\n"), b"\xff\n"):
        with pytest.raises(MalformedError):
            read_answer(body)


class Histories(RuleBasedStateMachine):
    """Several histories of one log, all signed by its key, offered in any order with any proof to one witness.

    The witness forgets nothing but may stop after its store was changed and before it answered, and starts again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.store = Latest()
        self.cosigned: list[tuple[int, bytes]] = []
        self.time = 1

    @rule(
        history=st.integers(0, 2),
        size=st.integers(0, MOST),
        old=st.integers(0, MOST),
        proof_from=st.integers(0, 2),
        dies=st.booleans(),
    )
    def offered(self, history: int, size: int, old: int, proof_from: int, dies: bool) -> None:
        body = AddCheckpoint(old, proof_of(proof_from, old, size), note_of(history, size)).encode()
        self._take(body, dies)

    @rule(history=st.integers(0, 2), more=st.integers(0, 6), dies=st.booleans())
    def offered_from_where_it_is(self, history: int, more: int, dies: bool) -> None:
        self._take(request(history, self.store.size, self.store.size + more), dies)

    @rule(history=st.integers(0, 2), first=st.integers(0, MOST), second=st.integers(0, MOST))
    def two_at_once(self, history: int, first: int, second: int) -> None:
        """Both are judged before either is stored: the swap from the same state lets one through."""
        before = self.store
        for size in (first, second):
            opened = open_request(request(history, before.size, max(size, before.size)), LOGS)
            assert isinstance(opened, Opened)
            if judge(opened, before) is None:
                self._swap_and_sign(opened, before)

    def _take(self, body: bytes, dies: bool) -> None:
        before = self.store
        opened = open_request(body, LOGS)
        if isinstance(opened, Opened) and judge(opened, before) is None:
            self._swap_and_sign(opened, before, dies=dies)

    def _swap_and_sign(self, opened: Opened, before: Latest, *, dies: bool = False) -> None:
        if self.store != before:
            return
        self.store = Latest(opened.checkpoint.size, opened.checkpoint.root)
        if dies:
            return
        self.time += 1
        signature = WITNESS.cosign(opened.note.text, self.time)
        assert WITNESS.vkey.verify(opened.note.text.encode(), signature.signature)
        self.cosigned.append((opened.checkpoint.size, opened.checkpoint.root))

    @invariant()
    def what_was_cosigned_is_one_history(self) -> None:
        whole = next(h for h in range(3) if self.store.root == tree_root(leaves(h, self.store.size)))
        sizes = [size for size, _ in self.cosigned]
        assert sizes == sorted(sizes)
        for size, root in self.cosigned:
            verify_consistency(size, root, self.store.size, self.store.root, proof_of(whole, size, self.store.size))


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
