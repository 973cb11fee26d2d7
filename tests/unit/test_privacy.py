"""Protected data opens only with its own key, at its own place, to its own value; the same again gives equal bytes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from balance_chain.core import privacy
from balance_chain.core.canonical import encode
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.privacy import CaseKey, PrivacyError, Protector, RegistryRef
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.binary(min_size=32, max_size=32)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
CATALOGUE = Catalogue.load(data_dir("catalogue"))
SOURCE = "urn:example:a"


def place(pointer: str = "/note", event_id: str = "e-1") -> bytes:
    return privacy.associated_data(SOURCE, event_id, "case.submitted", pointer)


@given(KEYS, VALUES)
def test_an_encrypted_field_opens_to_its_value(key32: bytes, value: Any) -> None:
    key = CaseKey("c", 1, key32)
    field = privacy.encrypt_field(key, place(), value)
    assert field == privacy.encrypt_field(key, place(), value)
    salt, plaintext = privacy.decrypt_field(key, place(), field)
    assert plaintext == encode(value)
    assert privacy.open_commitment(salt, plaintext, base64.b64decode(field["commit"]))
    assert not privacy.open_commitment(salt, plaintext + b" ", base64.b64decode(field["commit"]))


@given(KEYS, KEYS, VALUES)
def test_it_opens_with_no_other_key_and_at_no_other_place(key32: bytes, other32: bytes, value: Any) -> None:
    key = CaseKey("c", 1, key32)
    field = privacy.encrypt_field(key, place(), value)
    for wrong in (place("/other"), place(event_id="e-2")):
        with pytest.raises(PrivacyError):
            privacy.decrypt_field(key, wrong, field)
    if other32 != key32:
        with pytest.raises(PrivacyError):
            privacy.decrypt_field(CaseKey("c", 1, other32), place(), field)
    with pytest.raises(PrivacyError):
        privacy.decrypt_field(key, place(), {"ct": "?", "commit": field["commit"]})
    swapped = {**field, "commit": base64.b64encode(bytes(32)).decode()}
    with pytest.raises(PrivacyError):
        privacy.decrypt_field(key, place(), swapped)


def test_a_pseudonym_holds_within_a_case_and_says_nothing_across_cases() -> None:
    one, two = CaseKey("a", 1, b"1" * 32), CaseKey("b", 1, b"2" * 32)
    assert privacy.pseudonym(one, " 王小明 ") == privacy.pseudonym(one, "王小明")
    assert privacy.pseudonym(one, "王小明") != privacy.pseudonym(two, "王小明")
    assert "key32" not in repr(one)


def test_people_are_looked_up_by_staff_id_or_else_by_name_in_the_court() -> None:
    protector = Protector(CATALOGUE.types["case.flagged"], CATALOGUE.roles)
    data = {
        "actors": [{"role": "judge", "id": "J1", "name": "赵法官"}, {"role": "party", "name": "王小明"}],
        "kind": "mass",
        "approver": {"name": " 钱 院长 "},
        "note": "说明",
    }
    asked = protector.lookups(data, SOURCE, "京0491")
    assert asked == [RegistryRef(False, SOURCE, "J1"), RegistryRef(True, "京0491", "钱 院长")]
    result = protector.protect(
        data,
        source=SOURCE,
        event_id="e-1",
        court="京0491",
        case_key=CaseKey("c", 1, b"k" * 32),
        registry={asked[0]: "r_1", asked[1]: "r_2"},
    )
    assert result.data["actors"][0] == {"role": "judge", "ref": "r_1"}
    assert result.data["actors"][1]["ref"].startswith("p_")
    assert result.data["approver"] == "r_2"
    assert set(result.data["note"]) == {"ct", "commit"}
    assert (result.actorref, result.actorrole, result.encrypted) == ("r_1", "judge", True)
    assert data["note"] == "说明"


def test_two_sources_of_one_staff_namespace_mean_the_same_person_and_bind_ciphertexts_to_themselves() -> None:
    protector = Protector(CATALOGUE.types["case.flagged"], CATALOGUE.roles)
    data = {"actors": [{"role": "judge", "id": "J1"}], "kind": "mass", "note": "说明"}
    asked = protector.lookups(data, "urn:staff", "京0491")
    assert asked == [RegistryRef(False, "urn:staff", "J1")]
    one, other = (
        protector.protect(
            data,
            source=source,
            event_id="e-1",
            court="京0491",
            case_key=CaseKey("c", 1, b"k" * 32),
            registry={asked[0]: "r_1"},
            staff="urn:staff",
        )
        for source in (SOURCE, "urn:other")
    )
    assert one.actorref == other.actorref == "r_1"
    assert one.data["note"] != other.data["note"]


@pytest.mark.parametrize("type_id", sorted(CATALOGUE.types))
def test_no_marked_value_of_any_type_survives_protection(type_id: str) -> None:
    kind = CATALOGUE.types[type_id]
    protector = Protector(kind, CATALOGUE.roles)
    registry = {ref: f"r_{n}" for n, ref in enumerate(protector.lookups(kind.example, SOURCE, "京0491"))}
    result = protector.protect(
        kind.example,
        source=SOURCE,
        event_id="e",
        court="京0491",
        case_key=CaseKey("c", 1, b"k" * 32),
        registry=registry,
    )
    assert set(result.data) == set(kind.example)
    for field in kind.fields:
        if field.name in kind.example and field.privacy in ("encrypted", "pseudonym", "registry", "role"):
            assert result.data[field.name] != kind.example[field.name]
            assert '"name"' not in encode(result.data[field.name]).decode()
        elif field.name in kind.example:
            assert result.data[field.name] == kind.example[field.name]
