"""A cosignature binds a witness, a time and a checkpoint's whole text; no byte of it may change."""

from __future__ import annotations

import pytest
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import (
    MAX_TIME,
    CosignerKey,
    CosigningKey,
    cosignature_time,
    signed_message,
)
from balance_verify.errors import BadSignatureError, MalformedError
from balance_verify.note import NoteSignature, SignedNote, SigningKey, VerifierKey, open_note, sign_note
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = SigningKey.generate("court.example/log", bytes(32))
WITNESS = CosigningKey.generate("witness.example/w1", bytes(range(32)))
TEXT = Checkpoint("court.example/log", 20852163, bytes(32)).text()
TIME = 1_679_315_147
SIGNATURE = WITNESS.cosign(TEXT, TIME)


def test_the_signed_message_is_the_specifications() -> None:
    assert signed_message(TEXT.encode(), TIME) == (
        b"cosignature/v1\ntime 1679315147\ncourt.example/log\n20852163\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )


def test_a_cosignature_is_the_time_and_72_bytes_in_all() -> None:
    assert len(SIGNATURE.signature) == 72
    assert cosignature_time(SIGNATURE.signature) == TIME
    assert (SIGNATURE.name, SIGNATURE.key_hash) == (WITNESS.vkey.name, WITNESS.vkey.key_hash)


@given(time=st.integers(1, MAX_TIME), size=st.integers(0, 2**53 - 1), root=st.binary(min_size=32, max_size=32))
@settings(max_examples=60, deadline=None)
def test_every_cosignature_holds(time: int, size: int, root: bytes) -> None:
    text = Checkpoint("court.example/log", size, root).text()
    signature = WITNESS.cosign(text, time)
    assert WITNESS.vkey.verify(text.encode(), signature.signature)
    note = SignedNote(text, (*sign_note(text, LOG).signatures, signature))
    assert open_note(note.encode(), [LOG.vkey, WITNESS.vkey]) == note


@given(place=st.integers(0, 71), value=st.integers(1, 255))
@settings(max_examples=100, deadline=None)
def test_no_byte_of_a_cosignature_can_change(place: int, value: int) -> None:
    changed = bytearray(SIGNATURE.signature)
    changed[place] ^= value
    assert not WITNESS.vkey.verify(TEXT.encode(), bytes(changed))


@given(place=st.integers(0, len(TEXT) - 1), value=st.integers(1, 127))
@settings(max_examples=100, deadline=None)
def test_no_byte_of_the_checkpoint_can_change(place: int, value: int) -> None:
    changed = bytearray(TEXT.encode())
    changed[place] ^= value
    assert not WITNESS.vkey.verify(bytes(changed), SIGNATURE.signature)


def test_an_ordinary_signature_by_the_same_key_is_no_cosignature() -> None:
    plain = SigningKey.generate(WITNESS.vkey.name, bytes(range(32)))
    assert plain.vkey.public == WITNESS.vkey.public
    assert plain.vkey.key_hash != WITNESS.vkey.key_hash
    assert not WITNESS.vkey.verify(TEXT.encode(), plain.sign(TEXT.encode()))
    assert not WITNESS.vkey.verify(TEXT.encode(), TIME.to_bytes(8, "big") + plain.sign(TEXT.encode()))


def test_a_bad_cosignature_by_a_given_witness_refuses_the_note() -> None:
    forged = NoteSignature(SIGNATURE.name, SIGNATURE.key_hash, bytes(72))
    data = SignedNote(TEXT, (*sign_note(TEXT, LOG).signatures, forged)).encode()
    assert len(open_note(data, [LOG.vkey]).signatures) == 1
    with pytest.raises(BadSignatureError):
        open_note(data, [LOG.vkey, WITNESS.vkey])


def test_keys_are_read_as_they_are_written() -> None:
    assert CosignerKey.parse(f"{WITNESS.vkey}\n") == WITNESS.vkey
    assert CosigningKey.parse(WITNESS.encode() + "\n").vkey == WITNESS.vkey
    assert "PRIVATE" not in repr(WITNESS)


def test_a_logs_key_is_no_witness_key_and_the_other_way_round() -> None:
    with pytest.raises(MalformedError, match="type 0x04"):
        CosignerKey.parse(str(LOG.vkey))
    with pytest.raises(MalformedError, match="type 0x01"):
        VerifierKey.parse(str(WITNESS.vkey))
    with pytest.raises(MalformedError, match="type 0x04"):
        CosigningKey.parse(LOG.encode())


@pytest.mark.parametrize("time", [0, -1, MAX_TIME + 1])
def test_a_witness_never_signs_without_a_time(time: int) -> None:
    with pytest.raises(MalformedError, match="time"):
        WITNESS.cosign(TEXT, time)


def test_a_time_past_the_greatest_is_refused() -> None:
    assert not WITNESS.vkey.verify(TEXT.encode(), b"\xff" * 8 + SIGNATURE.signature[8:])
    with pytest.raises(MalformedError):
        cosignature_time(b"short")
