"""From the catalogue's fields to JSON Schema 2020-12: closed objects with both languages and the privacy mark."""

from typing import Any

MAX_SAFE_INTEGER = 2**53 - 1
MAX_ACTORS = 200

_HEX64 = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}
_PERSON_PROPERTIES = {
    "id": {"type": "string", "minLength": 1, "maxLength": 100},
    "name": {"type": "string", "minLength": 1, "maxLength": 2000},
}
_IDENTIFIED = [{"required": ["id"]}, {"required": ["name"]}]
_PERSON = {"type": "object", "properties": _PERSON_PROPERTIES, "additionalProperties": False, "anyOf": _IDENTIFIED}
_DIGESTS = {
    "type": "object",
    "properties": {"sha-256": _HEX64, "sm3": _HEX64},
    "additionalProperties": False,
    "minProperties": 1,
}


def object_schema(fields: dict[str, Any], enums: dict[str, Any], roles: tuple[str, ...]) -> dict[str, Any]:
    """Return the closed schema of an object with these fields."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: _field_schema(raw, enums, roles) for name, raw in fields.items()},
        "additionalProperties": False,
    }
    required = [name for name, raw in fields.items() if raw.get("required")]
    if required:
        schema["required"] = required
    return schema


def _field_schema(raw: dict[str, Any], enums: dict[str, Any], roles: tuple[str, ...]) -> dict[str, Any]:
    schema = _value_schema(raw, enums, roles)
    mark = {"actors": "role", "digests": "digest"}.get(raw["type"], raw.get("privacy"))
    if mark:
        schema["x-privacy"] = mark
    return {"title": f"{raw['zh']} {raw['en']}", **schema}


def _value_schema(raw: dict[str, Any], enums: dict[str, Any], roles: tuple[str, ...]) -> dict[str, Any]:
    match raw["type"]:
        case "string":
            pattern = {"pattern": raw["pattern"]} if "pattern" in raw else {}
            return {"type": "string", "minLength": 1, "maxLength": raw["max"], **pattern}
        case "integer":
            low, high = raw.get("min", -MAX_SAFE_INTEGER), raw.get("max", MAX_SAFE_INTEGER)
            return {"type": "integer", "minimum": low, "maximum": high}
        case "amount":
            return {"type": "integer", "minimum": 0, "maximum": MAX_SAFE_INTEGER, "x-unit": "fen"}
        case "bool":
            return {"type": "boolean"}
        case "time":
            return {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
        case "date":
            return {"type": "string", "format": "date"}
        case "enum":
            values = raw["values"] if "values" in raw else enums[raw["of"]]
            return {
                "enum": list(values),
                "x-labels": {value: {"zh": zh, "en": en} for value, (zh, en) in values.items()},
            }
        case "digests":
            return dict(_DIGESTS)
        case "person":
            return dict(_PERSON)
        case "persons":
            return {"type": "array", "items": _PERSON, "minItems": raw.get("min", 1), "maxItems": raw["max"]}
        case "actors":
            actor = {
                "type": "object",
                "properties": {"role": {"enum": list(roles)}, **_PERSON_PROPERTIES},
                "required": ["role"],
                "additionalProperties": False,
                "anyOf": _IDENTIFIED,
            }
            return {"type": "array", "items": actor, "minItems": 1, "maxItems": MAX_ACTORS}
        case "list":
            return {
                "type": "array",
                "items": _field_schema(raw["items"], enums, roles),
                "minItems": 1,
                "maxItems": raw["max"],
            }
        case "object":
            return object_schema(raw["fields"], enums, roles)
        case other:
            raise AssertionError(f"catalogue.schema.json lets through a kind of field without a schema: {other}")
