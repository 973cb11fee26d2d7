"""A bundle proves its event or says which step failed with both values; no changed bundle proves another event."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from balance_verify import verify
from balance_verify.errors import MalformedError
from balance_verify.note import SigningKey, VerifierKey
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
