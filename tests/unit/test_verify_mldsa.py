"""ML-DSA-44 cosignatures beside Ed25519: the same promises, and the message of the specification."""

from __future__ import annotations

import pytest
from balance_verify import mldsa
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import MAX_TIME, CosigningKey, cosignature_time
from balance_verify.errors import MalformedError
from balance_verify.mldsa import MlDsaCosignerKey, MlDsaCosigningKey, signed_message
from balance_verify.note import SignedNote, SigningKey, open_note, sign_note
from balance_verify.policy import Policy, PolicyError

if not mldsa.AVAILABLE:
    pytest.skip("needs ML-DSA in the package cryptography", allow_module_level=True)

LOG = SigningKey.generate("court.example/log", bytes(32))
WITNESS = MlDsaCosigningKey("w.example", bytes(range(32)))
TEXT = Checkpoint("court.example/log", 258, b"r" * 32).text()
SIGNATURE = WITNESS.cosign(TEXT, 7)


def test_the_signed_message_is_the_specifications_structure() -> None:
    assert signed_message("w.example", TEXT, 7) == (
        b"subtree/v1\n\0" + b"\x09w.example" + bytes(7) + b"\x07" + b"\x11court.example/log" + bytes(8)
        + bytes(6) + b"\x01\x02" + b"r" * 32
    )  # fmt: skip


def test_a_cosignature_holds_and_no_part_of_it_can_change() -> None:
    verify = WITNESS.vkey.verify
    assert len(SIGNATURE.signature) == 8 + 2420
    assert cosignature_time(SIGNATURE.signature) == 7
    assert verify(TEXT.encode(), SIGNATURE.signature)
    for place in (0, 7, 8, 500, 2427):
        changed = bytearray(SIGNATURE.signature)
        changed[place] ^= 1
        assert not verify(TEXT.encode(), bytes(changed))
    for other in (
        Checkpoint("court.example/log", 259, b"r" * 32),
        Checkpoint("court.example/log", 258, b"q" * 32),
        Checkpoint("court.example/lag", 258, b"r" * 32),
    ):
        assert not verify(other.text().encode(), SIGNATURE.signature)
    renamed = MlDsaCosigningKey("v.example", bytes(range(32)))
    assert not renamed.vkey.verify(TEXT.encode(), SIGNATURE.signature), "the message names the witness"
    assert not verify(b"\xff", SIGNATURE.signature)
    assert not verify(TEXT.encode(), b"\xff" * 8 + SIGNATURE.signature[8:])


def test_keys_are_read_as_they_are_written() -> None:
    assert MlDsaCosignerKey.parse(f"{WITNESS.vkey}\n") == WITNESS.vkey
    assert MlDsaCosigningKey.parse(WITNESS.encode()).vkey == WITNESS.vkey
    assert "PRIVATE" not in repr(WITNESS)
    for time in (0, MAX_TIME + 1):
        with pytest.raises(MalformedError):
            WITNESS.cosign(TEXT, time)


def test_a_policy_takes_both_types_and_asks_for_both() -> None:
    plain = CosigningKey.generate("w.example", bytes(range(32)))
    text = f"witness old {plain.vkey}\nwitness new {WITNESS.vkey}\ngroup both all old new\nquorum both\n"
    policy = Policy.parse(text.encode())
    assert policy.text().startswith(f"witness old {plain.vkey}")
    note = SignedNote(TEXT, (*sign_note(TEXT, LOG).signatures, plain.cosign(TEXT, 9), SIGNATURE))
    verdict = policy.judge(note)
    assert (verdict.reached, verdict.time) == (True, 9)
    assert len(open_note(note.encode(), [LOG.vkey, plain.vkey, WITNESS.vkey]).signatures) == 3
    assert not policy.judge(SignedNote(TEXT, note.signatures[:2])).reached


def test_without_the_extra_such_a_key_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mldsa, "AVAILABLE", False)
    with pytest.raises(PolicyError, match=r"policy line 1.*ml-dsa"):
        Policy.parse(f"witness w {WITNESS.vkey}\nquorum w\n".encode())
