"""The event catalogue: complete, closed, bilingual, and clear about what is wrong with an event."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from balance_chain.core.catalogue import Catalogue, CatalogueError
from balance_chain.core.data import DataMissing, data_dir

CATALOGUE = Catalogue.load(data_dir("catalogue"))

DOMAIN = """
case.submitted case.materials_requested case.accepted case.rejected case.fee_paid case.flagged case.converted
case.transferred
identity.verified counsel.changed pleading.filed motion.filed motion.decided
judge.assigned judge.reassigned panel.formed panel.changed recusal.requested recusal.decided
service.sent service.completed service.failed notice.issued
evidence.deposited evidence.submitted evidence.verified evidence.exchanged evidence.challenged evidence.appraised
evidence.examined evidence.ruled evidence.withdrawn
hearing.scheduled hearing.rescheduled hearing.held transcript.filed
limit.extension_requested limit.extended limit.suspended
deliberation.held similar_case.reported
document.reviewed document.signed judgment.pronounced case.closed
appeal.filed appeal.transferred appeal.decided
enforcement.filed property.disposed payment.received payment.released
archive.sealed record.amended access.viewed permission.changed
supervision.acted interference.recorded relation.declared source.heartbeat calendar.declared
ledger.tick ledger.rejected alert.raised alert.acted alert.closed key.changed key.erased rule.changed role.changed
source.changed catalogue.changed
"""
TYPES_OF_THE_DOMAIN = DOMAIN.split()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the catalogue that a test may spoil."""
    return Path(shutil.copytree(data_dir("catalogue"), tmp_path / "catalogue"))


def spoil(copy: Path, file: str, old: str, new: str) -> None:
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_catalogue_holds_exactly_the_types_of_the_domain() -> None:
    assert set(CATALOGUE.types) == set(TYPES_OF_THE_DOMAIN)
    assert len(TYPES_OF_THE_DOMAIN) == len(CATALOGUE.types)


@pytest.mark.parametrize("type_id", sorted(CATALOGUE.types))
def test_the_example_of_a_type_is_valid_and_uses_its_required_fields(type_id: str) -> None:
    event_type = CATALOGUE.types[type_id]
    assert CATALOGUE.problems(type_id, event_type.example) == []
    assert {field.name for field in event_type.fields if field.required} <= set(event_type.example)


@pytest.mark.parametrize("type_id", sorted(CATALOGUE.types))
def test_a_schema_is_closed_and_each_field_has_both_languages(type_id: str) -> None:
    event_type = CATALOGUE.types[type_id]
    assert event_type.schema["additionalProperties"] is False
    assert all(field.zh and field.en for field in event_type.fields)
    (problem,) = CATALOGUE.problems(type_id, {**event_type.example, "no_such_field": 1})
    assert (problem.pointer, problem.code) == ("", "field_unknown")


def test_a_name_never_has_a_clear_field() -> None:
    clear = {"string", "integer", "amount", "bool", "time", "date", "enum", "digests", "object", "list"}
    for event_type in CATALOGUE.types.values():
        for field in event_type.fields:
            assert field.kind in clear or field.privacy in ("registry", "pseudonym", "role")
            if field.name in ("parties", "case_name", "description", "text", "reason", "note") and field.kind != "enum":
                assert field.privacy == "encrypted" or event_type.id == "ledger.rejected"


def test_the_privacy_marks_stand_in_the_schema() -> None:
    for event_type in CATALOGUE.types.values():
        marks = {name: schema.get("x-privacy") for name, schema in event_type.schema["properties"].items()}
        assert marks == {field.name: field.privacy for field in event_type.fields}


def test_the_ledgers_own_records_have_only_the_fields_of_the_format() -> None:
    rejected = {field.name: field.required for field in CATALOGUE.types["ledger.rejected"].fields}
    assert set(rejected) == {"reason", "field", "partition", "source", "id", "sequence", "digest"}
    assert {name for name, required in rejected.items() if required} == {"reason", "digest"}
    assert CATALOGUE.types["ledger.tick"].fields == ()


@pytest.mark.parametrize(
    ("type_id", "data", "pointer", "code"),
    [
        ("case.accepted", {}, "/procedure", "field_missing"),
        ("case.accepted", {"procedure": "swift"}, "/procedure", "field_invalid"),
        ("case.accepted", {"procedure": "ordinary", "amount": -1}, "/amount", "field_invalid"),
        ("case.accepted", {"procedure": "ordinary", "amount": "12"}, "/amount", "field_invalid"),
        ("case.accepted", {"procedure": "ordinary", "cause": ""}, "/cause", "field_invalid"),
        ("case.accepted", {"procedure": "ordinary", "actors": [{"role": "judge"}]}, "/actors/0", "field_invalid"),
        ("case.accepted", {"procedure": "ordinary", "actors": [{"id": "J1"}]}, "/actors/0/role", "field_missing"),
        ("hearing.scheduled", {"at": "2026-02-30T09:00:00Z"}, "/at", "field_invalid"),
        ("limit.extended", {"until": "2026-02-30"}, "/until", "field_invalid"),
        ("panel.formed", {"members": []}, "/members", "field_invalid"),
        ("case.accepted", [], "", "field_invalid"),
        ("case.invented", {}, "", "type_unknown"),
    ],
)
def test_a_problem_names_its_field(type_id: str, data: object, pointer: str, code: str) -> None:
    (problem,) = CATALOGUE.problems(type_id, data)
    assert (problem.pointer, problem.code) == (pointer, code)
    assert problem.problem
    assert problem.remedy


def test_a_problem_never_repeats_a_value() -> None:
    secret = "王某某的身份证号码110101"
    data = {
        "procedure": secret,
        "amount": secret,
        "actors": [{"role": secret, "name": secret}],
        "case_number": secret * 9,
    }
    problems = CATALOGUE.problems("case.accepted", data)
    assert len(problems) == 4
    assert not any(secret in problem.problem + problem.remedy + problem.pointer for problem in problems)


def test_the_digest_changes_with_any_word_of_the_catalogue(copy: Path) -> None:
    assert Catalogue.load(copy).digest == CATALOGUE.digest
    spoil(copy, "filing.yaml", "zh: 起诉", "zh: 提起诉讼")
    changed = Catalogue.load(copy).digest
    assert changed != CATALOGUE.digest
    assert len(changed) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("file", "old", "new", "key"),
    [
        ("filing.yaml", "producer: case-system", "producer: nobody", "types.case.submitted.producer"),
        ("filing.yaml", "of: procedure,", "of: nothing,", "types.case.submitted.fields.procedure"),
        (
            "filing.yaml",
            "cause: {type: string, max: 200,",
            "cause: {type: string,",
            "types.case.submitted.fields.cause",
        ),
        (
            "filing.yaml",
            "cause: {type: string, max: 200,",
            "actors: {type: string, max: 200,",
            "types.case.submitted.fields.actors",
        ),
        ("filing.yaml", "cause: {type: string,", "cause: {type: text,", "types.case.submitted.fields.cause"),
        ("filing.yaml", "version: 1", "version: 0", "types.case.submitted.version"),
        ("common.yaml", "privacy: registry", "privacy: open", "roles.judge.privacy"),
        ("service.yaml", "service.completed:", "service.sent:", "file"),
        ("service.yaml", "service.completed:", "case.closed:", "types.case.closed"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_file_and_key(copy: Path, file: str, old: str, new: str, key: str) -> None:
    spoil(copy, file, old, new)
    with pytest.raises(CatalogueError) as told:
        Catalogue.load(copy)
    assert told.value.file == file
    assert (told.value.key or "file").startswith(key)
    assert file in str(told.value)


def test_schemas_are_plain_json() -> None:
    for event_type in CATALOGUE.types.values():
        assert json.loads(json.dumps(event_type.schema)) == event_type.schema


def test_a_missing_data_directory_is_told_with_the_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BALANCE_DATA_ROOT", str(tmp_path))
    with pytest.raises(DataMissing, match="BALANCE_DATA_ROOT"):
        data_dir("catalogue")
