"""The event catalogue: what can happen in a case, in which words, with which fields, and how each field is protected.

It is read from catalogue/*.yaml once and is frozen from then on. It promises a closed JSON Schema 2020-12 for every
type, problems that name the field and the remedy but never a value of the data, and a digest that goes into the genesis
entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

import jsonschema_rs
import msgspec

from balance_chain.core.catalogue_files import CatalogueError, FileChecker, read_yaml
from balance_chain.core.catalogue_schema import object_schema

__all__ = ["Catalogue", "CatalogueError", "EventType", "Field", "Label", "Problem", "Role"]

Privacy = Literal["registry", "pseudonym", "encrypted", "digest", "role"]
ProblemCode = Literal["type_unknown", "field_missing", "field_unknown", "field_invalid"]

_NOT_PHASES = ("common.yaml", "courts.yaml")


@dataclass(frozen=True, slots=True)
class Label:
    """One thing's name in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role of data.actors; `privacy` says how the actor's identity is replaced."""

    id: str
    zh: str
    en: str
    privacy: Literal["registry", "pseudonym"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a type's data.

    `pointer` is relative to data. The privacy mark holds for the whole value: a `registry` or `pseudonym` field is one
    person or (`many`) a list of persons, an `encrypted` one is any JSON value, a `digest` one is clear by design, and
    the field of kind `actors` is marked `role`, because the role of each actor decides between registry and pseudonym.
    Nested fields (of kind `object` and `list`) have no marks of their own.
    """

    pointer: str
    name: str
    kind: str
    privacy: Privacy | None
    required: bool
    many: bool
    zh: str
    en: str
    values: Mapping[str, Label]
    nested: tuple[Field, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of an event's data.

    `pointer` is relative to data and is a field that the schema has: for an unknown field, the object that holds it.
    """

    pointer: str
    code: ProblemCode
    problem: str
    remedy: str


@dataclass(frozen=True)
class EventType:
    """One type of event, with the closed schema of its data."""

    id: str
    zh: str
    en: str
    phase: str
    producer: str
    version: int
    description: str
    fields: tuple[Field, ...]
    schema: dict[str, Any]
    example: dict[str, Any]
    _by_name: Mapping[str, Field] = field(repr=False)
    _compiled: list[jsonschema_rs.Draft202012Validator] = field(default_factory=list, repr=False, compare=False)

    def field(self, name: str) -> Field | None:
        """Return the field of that name."""
        return self._by_name.get(name)

    @property
    def validator(self) -> jsonschema_rs.Draft202012Validator:
        """The compiled schema (compiled on first use: most processes see few types)."""
        if not self._compiled:
            self._compiled.append(jsonschema_rs.Draft202012Validator(self.schema, validate_formats=True))
        return self._compiled[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All types by id, and the words they share."""

    types: Mapping[str, EventType]
    phases: Mapping[str, Label]
    roles: Mapping[str, Role]
    producers: Mapping[str, Label]
    digest: str

    @classmethod
    def load(cls, directory: Path) -> Catalogue:
        """Read the catalogue of a directory; raise CatalogueError with file and key for what is wrong."""
        checker = FileChecker(directory)
        common = read_yaml(directory / "common.yaml")
        checker.check("common.yaml", "common", common)
        paths = [path for path in sorted(directory.glob("*.yaml")) if path.name not in _NOT_PHASES]
        files = {path.name: read_yaml(path) for path in paths}
        types: dict[str, EventType] = {}
        phases: dict[str, Label] = {}
        for name, content in files.items():
            checker.check(name, "phase", content)
            phases[content["phase"]] = Label(content["zh"], content["en"])
            for event_type in _phase_types(name, content, common):
                if event_type.id in types:
                    raise CatalogueError(
                        name, f"types.{event_type.id}", "is described in another file as well; keep one"
                    )
                types[event_type.id] = event_type
        canonical = msgspec.json.encode({"common": common, "phases": files}, order="sorted")
        return cls(
            types=MappingProxyType(types),
            phases=MappingProxyType(phases),
            roles=MappingProxyType({key: Role(key, **value) for key, value in common["roles"].items()}),
            producers=MappingProxyType({key: Label(**value) for key, value in common["producers"].items()}),
            digest=hashlib.sha256(canonical).hexdigest(),
        )

    def problems(self, type_id: str, data: object) -> list[Problem]:
        """Say everything that is wrong with `data` as data of that type; empty where it is right."""
        event_type = self.types.get(type_id)
        if event_type is None:
            return [
                Problem("", "type_unknown", "the type is not in the catalogue", "send a type that the catalogue lists")
            ]
        if event_type.validator.is_valid(data):
            return []
        return [problem for error in event_type.validator.iter_errors(data) for problem in _problems(error)]


def _phase_types(file: str, content: dict[str, Any], common: dict[str, Any]) -> Iterator[EventType]:
    for type_id, raw in content["types"].items():
        key = f"types.{type_id}"
        if raw["producer"] not in common["producers"]:
            raise CatalogueError(file, f"{key}.producer", f"{raw['producer']!r} is not a producer of common.yaml")
        merged: dict[str, Any] = {}
        for shared in raw.get("common", content["common"]):
            if shared not in common["common"]:
                raise CatalogueError(file, f"{key}.common", f"{shared!r} is not a common field of common.yaml")
            merged[shared] = common["common"][shared]
        for name, value in raw["fields"].items():
            if name in merged:
                raise CatalogueError(file, f"{key}.fields.{name}", "is a common field already; choose another name")
            merged[name] = value
        fields = tuple(
            _field(file, f"{key}.fields.{name}", "", name, value, common["enums"]) for name, value in merged.items()
        )
        yield EventType(
            id=type_id,
            zh=raw["zh"],
            en=raw["en"],
            phase=content["phase"],
            producer=raw["producer"],
            version=raw["version"],
            description=raw.get("description", ""),
            fields=fields,
            schema={
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": f"{raw['zh']} {raw['en']}",
                **object_schema(merged, common["enums"], tuple(common["roles"])),
            },
            example=raw["example"],
            _by_name=MappingProxyType({each.name: each for each in fields}),
        )


def _field(file: str, key: str, parent: str, name: str, raw: dict[str, Any], enums: dict[str, Any]) -> Field:
    kind: str = raw["type"]
    if parent and "privacy" in raw:
        raise CatalogueError(file, key, "a nested field has no privacy mark; mark the field of data that holds it")
    if kind == "enum" and "of" in raw and raw["of"] not in enums:
        raise CatalogueError(file, key, f"{raw['of']!r} is not an enumeration of common.yaml")
    values = (raw["values"] if "values" in raw else enums[raw["of"]]) if kind == "enum" else {}
    pointer = f"{parent}/{name}"
    nested: tuple[Field, ...] = ()
    if kind == "object":
        nested = tuple(_field(file, f"{key}.{n}", pointer, n, value, enums) for n, value in raw["fields"].items())
    elif kind == "list":
        nested = (_field(file, f"{key}.items", pointer, "*", raw["items"], enums),)
    return Field(
        pointer=pointer,
        name=name,
        kind=kind,
        privacy=_privacy(kind, raw),
        required=raw.get("required", False),
        many=kind in ("persons", "actors", "list"),
        zh=raw["zh"],
        en=raw["en"],
        values=MappingProxyType({value: Label(*labels) for value, labels in values.items()}),
        nested=nested,
    )


def _privacy(kind: str, raw: dict[str, Any]) -> Privacy | None:
    if kind == "actors":
        return "role"
    if kind == "digests":
        return "digest"
    return cast("Privacy | None", raw.get("privacy"))


def _problems(error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    """Say a validator's error in our words: the validator's own message quotes the data, which may be personal."""
    pointer = "".join(f"/{part}" for part in error.instance_path)
    kind = error.kind
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            if "anyOf" not in error.schema_path:
                yield Problem(f"{pointer}/{name}", "field_missing", "the field is missing", "send it")
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            for name in names:
                shown = name if len(name) <= 64 else name[:64] + "…"
                yield Problem(
                    pointer, "field_unknown", f"the type has no field {shown!r}", "leave it out or correct its name"
                )
        case jsonschema_rs.ValidationErrorKind.AnyOf():
            yield Problem(pointer, "field_invalid", *_any_of(error))
        case _:
            yield Problem(pointer, "field_invalid", *_explain(keyword, kind))


def _any_of(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    if isinstance(error.instance, dict):
        return "a person has neither id nor name", "send the staff id, or the name where there is none"
    return "is not a time", "send RFC 3339 with an offset (2026-03-02T09:00:00+08:00) or a date (2026-03-02)"


def _explain(keyword: str, kind: Any) -> tuple[str, str]:
    match keyword:
        case "type":
            return (
                f"is not of type {kind.types[0] if getattr(kind, 'types', None) else 'given'}",
                "send the type that the schema names",
            )
        case "enum":
            return "is not one of the values of the list", "send a value that the catalogue lists for this field"
        case "maxLength" | "maxItems":
            return f"is too long ({keyword} {getattr(kind, 'limit', '')})".replace(" )", ")"), "shorten it"
        case "minLength" | "minItems" | "minProperties":
            return "is empty or too short", "leave the field out where there is nothing to say"
        case "minimum" | "maximum":
            return f"is out of range ({keyword} {getattr(kind, 'limit', '')})".replace(
                " )", ")"
            ), "send a value within the range"
        case "pattern":
            return "does not have the required form", "follow the pattern of the schema"
        case "format":
            return "is not a date", "send a date like 2026-03-02"
        case _:
            return f"does not satisfy {keyword}", "follow the schema of the type"
