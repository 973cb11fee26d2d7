"""A bundle proves its event or says which step failed with both values; no changed bundle proves another event."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from balance_verify import verify
from balance_verify.cosignature import CosigningKey
from balance_verify.errors import MalformedError
from balance_verify.note import SignedNote, SigningKey, VerifierKey
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import Report, verify_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "golden" / "bundles.json").read_text(encoding="utf-8"))
GOOD = next(vector for vector in VECTORS if vector["name"] == "block 1, event 3")
DATA = GOOD["bundle"].encode()
BUNDLE = ProofBundle.parse(DATA)
LOG_KEY = VerifierKey.parse(GOOD["vkey"])
SEALER_KEY = VerifierKey.parse(GOOD["sealer_vkey"])
STRANGER = SigningKey.generate(LOG_KEY.name, bytes(32)).vkey


def by_name(report: Report) -> dict[str, verify.Step]:
    return {step.name: step for step in report.steps}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_golden_bundle_gets_its_results(vector: dict[str, Any]) -> None:
    keys = [VerifierKey.parse(vector["sealer_vkey"])]
    report = verify_bundle(
        ProofBundle.parse(vector["bundle"].encode()), VerifierKey.parse(vector["vkey"]), sealer_keys=keys
    )
    assert [step.result for step in report.steps] == vector["results"]
    assert report.ok is vector["ok"]


def test_a_good_bundle_needs_the_logs_key_alone() -> None:
    report = verify_bundle(BUNDLE, LOG_KEY)
    assert report.ok
    assert report.finality == "operator's word alone"
    assert by_name(report)["sealer signature"].result == "not checkable"


def test_the_result_words_are_the_five_of_the_format() -> None:
    assert get_args(verify.Result) == ("matches", "differs", "signer not recognised", "not checkable", "not yet")


def test_steps_are_numbered_and_named_as_the_documented_list() -> None:
    for step in verify_bundle(BUNDLE, LOG_KEY).steps:
        assert f"\n{step.number}. {step.name}: " in (verify.__doc__ or "")


def test_a_changed_event_names_the_step_and_both_roots() -> None:
    step = by_name(verify_bundle(dataclasses.replace(BUNDLE, event=b"another"), LOG_KEY))["event in block"]
    assert step.result == "differs"
    assert step.expected == BUNDLE.header.root != step.got


def test_a_key_of_the_same_name_is_not_recognised() -> None:
    report = verify_bundle(BUNDLE, STRANGER, sealer_keys=[STRANGER])
    assert by_name(report)["checkpoint signature"].result == "signer not recognised"
    assert by_name(report)["sealer signature"].result == "signer not recognised"
    assert by_name(report)["checkpoint signature"].got == LOG_KEY.id
    assert not report.ok


def test_a_given_sealer_key_must_match() -> None:
    assert not verify_bundle(BUNDLE, LOG_KEY, sealer_keys=[STRANGER]).ok
    assert verify_bundle(BUNDLE, LOG_KEY, sealer_keys=[STRANGER, SEALER_KEY]).ok


@settings(max_examples=1500, deadline=None)
@given(place=st.integers(0, len(DATA) - 1), value=st.integers(1, 255))
def test_no_changed_bundle_verifies_another_event(place: int, value: int) -> None:
    changed = bytearray(DATA)
    changed[place] ^= value
    try:
        bundle = ProofBundle.parse(bytes(changed))
    except MalformedError:
        return
    report = verify_bundle(bundle, LOG_KEY)
    # No byte is free: each is of the event, a path, the entry, or the note with its only signature.
    assert not report.ok


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_parts_of_two_good_bundles_never_prove_what_neither_proved(data: st.DataObject) -> None:
    good = [vector for vector in VECTORS if vector["ok"]]
    bundles = [ProofBundle.parse(vector["bundle"].encode()) for vector in good]
    pick = {
        field.name: getattr(data.draw(st.sampled_from(bundles)), field.name)
        for field in dataclasses.fields(ProofBundle)
    }
    mixed = ProofBundle(**pick)
    assert verify_bundle(mixed, LOG_KEY).ok is (mixed in bundles)


def test_a_bundle_around_the_genesis_entry_is_refused() -> None:
    entries = json.loads((Path(__file__).resolve().parents[1] / "golden" / "entries.json").read_text(encoding="utf-8"))
    with pytest.raises(MalformedError, match="genesis"):
        dataclasses.replace(BUNDLE, entry=entries[0]["entry"].encode())


@pytest.mark.parametrize(
    "change", [{"index": -1}, {"index": 2**53}, {"path": (bytes(31),)}, {"path": (bytes(32),) * 64}]
)
def test_a_bundle_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        dataclasses.replace(BUNDLE, **change)


WITNESSES = [CosigningKey.generate(f"w{n}.example", bytes([n]) * 32) for n in range(3)]
POLICY_TEXT = (
    "".join(f"witness w{n} {key.vkey}\n" for n, key in enumerate(WITNESSES)) + "group g 2 w0 w1 w2\nquorum g\n"
)
POLICY = Policy.parse(POLICY_TEXT.encode())


def cosigned(*witnesses: tuple[int, int]) -> ProofBundle:
    """The good bundle with cosignatures of these witnesses at these times."""
    note = BUNDLE.log_proof.note
    more = tuple(WITNESSES[n].cosign(note.text, time) for n, time in witnesses)
    signed = SignedNote(note.text, note.signatures + more)
    return dataclasses.replace(BUNDLE, log_proof=dataclasses.replace(BUNDLE.log_proof, note=signed))


def test_a_quorum_of_the_policy_makes_it_final_no_later_than_when_it_was_reached() -> None:
    report = verify_bundle(cosigned((2, 1_795_554_300), (0, 1_795_554_162)), LOG_KEY, policy=POLICY)
    assert report.ok
    assert by_name(report)["witnesses"].result == "matches"
    assert report.finality == (
        "final by the policy: 2 of 3 witnesses cosigned (w0, w2); missing w1, "
        "existed no later than 2026-11-24T21:05:00Z"
    )


def test_without_a_quorum_it_is_not_yet_final_and_says_who_is_missing() -> None:
    report = verify_bundle(cosigned((1, 9)), LOG_KEY, policy=POLICY)
    assert not report.ok
    assert by_name(report)["witnesses"].result == "not yet"
    assert report.finality == "not final by the policy: 1 of 3 witnesses cosigned (w1); missing w0, w2"


def test_a_witness_that_signs_twice_counts_once() -> None:
    assert not verify_bundle(cosigned((1, 9), (1, 10)), LOG_KEY, policy=POLICY).ok


def test_a_forged_cosignature_differs_even_where_the_others_are_a_quorum() -> None:
    bundle = cosigned((0, 9), (1, 9), (2, 9))
    note = bundle.log_proof.note
    forged = dataclasses.replace(note.signatures[-1], signature=bytes(72))
    note = SignedNote(note.text, (*note.signatures[:-1], forged))
    report = verify_bundle(
        dataclasses.replace(bundle, log_proof=dataclasses.replace(bundle.log_proof, note=note)), LOG_KEY, policy=POLICY
    )
    assert by_name(report)["witnesses"].result == "differs"
    assert not report.ok
    assert verify_bundle(bundle, LOG_KEY, policy=POLICY).ok


def test_a_policy_that_lists_another_log_does_not_recognise_this_one() -> None:
    other = Policy.parse(f"log {STRANGER}\n{POLICY_TEXT}".encode())
    report = verify_bundle(cosigned((0, 9), (1, 9)), LOG_KEY, policy=other)
    assert by_name(report)["witnesses"].result == "signer not recognised"
    assert not report.ok


def test_a_policy_that_asks_for_no_witness_says_so() -> None:
    report = verify_bundle(BUNDLE, LOG_KEY, policy=Policy.parse(f"log {LOG_KEY}\nquorum none\n".encode()))
    assert report.ok
    assert report.finality == "final by the policy, which asks for no witness"
