"""Notes are those of C2SP signed-note: an example of the specification opens, and no byte of it may change."""

from __future__ import annotations

import pytest
from balance_verify.errors import BadSignatureError, MalformedError, UnknownSignerError, VerifyError
from balance_verify.note import MAX_SIGNATURES, NoteSignature, SignedNote, SigningKey, VerifierKey, open_note, sign_note
from hypothesis import given, settings
from hypothesis import strategies as st

# The example of the C2SP signed-note specification.
EXAMPLE_KEY = VerifierKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
EXAMPLE_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

KEY = SigningKey.generate("court.example/log", bytes(range(32)))
OTHER = SigningKey.generate("witness.example/one", bytes(32))
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="".join(map(chr, range(32)))) | st.just("\n")
)


def test_the_specifications_example_opens() -> None:
    note = open_note(EXAMPLE_NOTE, [EXAMPLE_KEY])
    assert note.text == "This is an example message.\n"
    assert note.encode() == EXAMPLE_NOTE


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(EXAMPLE_NOTE) - 1), value=st.integers(1, 255))
def test_no_byte_of_a_note_can_change(place: int, value: int) -> None:
    changed = bytearray(EXAMPLE_NOTE)
    changed[place] ^= value
    with pytest.raises(VerifyError):
        open_note(bytes(changed), [EXAMPLE_KEY])


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_a_signed_text_opens_again(text: str) -> None:
    note = sign_note(text + "\n", KEY, OTHER)
    assert SignedNote.parse(note.encode()) == note
    assert open_note(note.encode(), [KEY.vkey, OTHER.vkey]) == note


def test_only_signatures_by_given_keys_count() -> None:
    data = sign_note("text\n", KEY, OTHER).encode()
    assert [s.name for s in open_note(data, [OTHER.vkey]).signatures] == ["witness.example/one"]
    with pytest.raises(UnknownSignerError):
        open_note(sign_note("text\n", OTHER).encode(), [KEY.vkey])
    with pytest.raises(UnknownSignerError):
        open_note(data, [])


def test_one_bad_signature_by_a_given_key_refuses_the_note() -> None:
    good = sign_note("text\n", KEY, OTHER).signatures
    bad = NoteSignature(good[0].name, good[0].key_hash, bytes(64))
    with pytest.raises(BadSignatureError):
        open_note(SignedNote("text\n", (good[1], bad)).encode(), [KEY.vkey, OTHER.vkey])


def test_a_signature_of_an_unknown_type_is_ignored() -> None:
    good = sign_note("text\n", KEY).signatures
    unknown = NoteSignature("witness.example/two", b"\x00\x01\x02\x03", bytes(2420))
    opened = open_note(SignedNote("text\n", (unknown, *good)).encode(), [KEY.vkey])
    assert opened.signatures == good


def test_a_second_signature_by_the_same_key_is_ignored() -> None:
    good = sign_note("text\n", KEY).signatures
    assert open_note(SignedNote("text\n", good * 2).encode(), [KEY.vkey]).signatures == good


def test_a_note_with_too_many_or_no_signatures_is_refused() -> None:
    good = sign_note("text\n", KEY).signatures
    assert SignedNote("text\n", good * MAX_SIGNATURES)
    for signatures in ((), good * (MAX_SIGNATURES + 1)):
        with pytest.raises(MalformedError):
            SignedNote("text\n", signatures)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        EXAMPLE_NOTE[:-1],
        EXAMPLE_NOTE + b"\n",
        EXAMPLE_NOTE.replace(b"message", b"mess\tge"),
        EXAMPLE_NOTE.replace(b"message", b"mess\xffge"),
        EXAMPLE_NOTE.replace(b"example.com/foo ", b"example.com/foo  "),
        EXAMPLE_NOTE.replace(b"example.com/foo ", b"example.com+foo "),
        EXAMPLE_NOTE.replace(b"aQM=", b"aQN="),
        EXAMPLE_NOTE.replace(b"aQM=", b"aQM"),
        "text\n\n— a AAAA\n".encode(),
    ],
)
def test_a_note_in_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        SignedNote.parse(data)


def test_keys_are_read_as_they_are_written() -> None:
    assert VerifierKey.parse(str(KEY.vkey)) == VerifierKey.parse(f"{KEY.vkey}\n") == KEY.vkey
    assert str(KEY.vkey).startswith(f"{KEY.vkey.id}+")
    assert SigningKey.parse(KEY.encode()).vkey == KEY.vkey
    assert KEY.encode() not in repr(KEY)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fo o+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3Q==",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n\n",
    ],
)
def test_a_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        VerifierKey.parse(text)


def test_a_malformed_private_key_is_refused_without_showing_it() -> None:
    secret = KEY.encode().split("+", 4)[4]
    for text in (str(KEY.vkey), KEY.encode()[:-1], KEY.encode().replace("court.example/log", "court.example/other")):
        with pytest.raises(MalformedError) as caught:
            SigningKey.parse(text)
        assert secret[:20] not in str(caught.value)
    with pytest.raises(MalformedError):
        SigningKey.generate("name", bytes(31))
    with pytest.raises(MalformedError):
        SigningKey.generate("a name", bytes(32))
