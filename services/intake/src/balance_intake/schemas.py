"""What the HTTP interface says in JSON, and how OpenAPI describes it."""

from typing import Any, Final

import msgspec
from balance_chain.web.problems import MEDIA_TYPE


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong with one field."""

    pointer: str
    problem: str
    remedy: str


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 problem details of one event of a batch."""

    type: str
    title: str
    status: int
    errors: list[Fault]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event of a batch: a receipt or a problem."""

    status: int
    receipt: msgspec.Raw | None = None
    problem: Problem | None = None


class ReceiptAnswer(msgspec.Struct, frozen=True):
    """A receipt and its state."""

    state: str
    receipt: msgspec.Raw | None
    partition: int | None
    rawgen: int | None
    rawpos: int | None
    reason: str | None
    field: str | None
    remedy: str | None
    proof: str | None
    broken: bool


_TEXT: Final = {"type": "string"}
_FAULT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["pointer", "problem", "remedy"],
    "properties": {"pointer": _TEXT, "problem": _TEXT, "remedy": _TEXT},
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "errors": {"type": "array", "items": _FAULT},
    },
}
_RECEIPT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Sealed, as an event or as a reject, in a block with time no later than `by`. RFC 8785 bytes.",
    "required": ["by", "digest", "id", "key", "origin", "s", "signature", "source", "v"],
    "properties": {
        "by": {"type": "string", "format": "date-time"},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "id": _TEXT,
        "key": _TEXT,
        "origin": _TEXT,
        "s": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "signature": {"type": "string", "contentEncoding": "base64"},
        "source": _TEXT,
        "v": {"const": 1},
    },
}
_RESULT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "integer"}, "receipt": _RECEIPT, "problem": _PROBLEM},
}
_RESULTS: Final[dict[str, Any]] = {"type": "array", "items": _RESULT}
_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
        "source": {"type": "string", "format": "uri"},
        "type": _TEXT,
        "subject": {"type": "string", "description": "Case number, or the source's own URI."},
        "time": {"type": "string", "description": "RFC 3339 time, or a date."},
        "sequence": {"type": "string", "pattern": "^[1-9][0-9]{0,15}$"},
        "data": {"type": "object", "description": "By the type's schema: GET /v1/event-types/{type}."},
        "recordedtime": {"type": "string", "description": "When the source entered it."},
        "traceparent": _TEXT,
        "datacontenttype": {"const": "application/json"},
    },
}
_SUMMARY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": dict.fromkeys(("id", "zh", "en", "phase", "producer", "description"), _TEXT)
    | {"version": {"type": "integer"}},
}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}


EVENTS_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT},
            "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _EVENT, "minItems": 1}},
            "application/x-ndjson": {"schema": {"type": "string", "description": "One event a line."}},
        },
    }
}
POST_EVENTS: Final[dict[int | str, dict[str, Any]]] = {
    200: _json(
        "A repeat: its stored receipt. Or a batch, all accepted.",
        {"oneOf": [_RECEIPT, _RESULTS]},
    ),
    202: _json("Accepted: the receipt.", _RECEIPT),
    207: _json("A batch, some refused: one result an event, in order.", _RESULTS),
    401: _problem("No registered token."),
    403: _problem("A type, a court or a transport that is not this source's."),
    409: _problem("The id was accepted with other content."),
    413: _problem("Too large, or too many events."),
    415: _problem("Another media type."),
    422: _problem("Not valid: every field is named."),
    429: _problem("Too many events in flight."),
    431: _problem("Too many headers."),
    503: _problem("Kafka or PostgreSQL is away: nothing was promised, send again."),
}
GET_RECEIPT: Final[dict[int | str, dict[str, Any]]] = {
    200: _json(
        "The receipt and its state.",
        {
            "type": "object",
            "required": [
                "state",
                "receipt",
                "partition",
                "rawgen",
                "rawpos",
                "reason",
                "field",
                "remedy",
                "proof",
                "broken",
            ],
            "properties": {
                "state": {"enum": ["pending", "sealed", "rejected"]},
                "receipt": {"anyOf": [_RECEIPT, {"type": "null"}]},
                "partition": {"type": ["integer", "null"]},
                "rawgen": {"type": ["integer", "null"]},
                "rawpos": {"type": ["integer", "null"]},
                "reason": {"type": ["string", "null"], "description": "Why it was rejected: a code of a closed list."},
                "field": {"type": ["string", "null"], "description": "JSON Pointer of what was wrong."},
                "remedy": {"type": ["string", "null"]},
                "proof": {"type": ["string", "null"], "description": "Where the verifier serves the proof."},
                "broken": {"type": "boolean", "description": "Whether the promise was found not kept."},
            },
        },
    ),
    401: _problem("No registered token."),
    404: _problem("No such event of this source."),
    503: _problem("PostgreSQL is away."),
}
GET_EVENT_TYPES: Final[dict[int | str, dict[str, Any]]] = {
    200: _json("Every type.", {"type": "array", "items": _SUMMARY})
}
GET_EVENT_TYPE: Final[dict[int | str, dict[str, Any]]] = {
    200: _json(
        "The type.",
        {
            **_SUMMARY,
            "properties": {**_SUMMARY["properties"], "schema": {"type": "object"}, "example": {"type": "object"}},
        },
    ),
    404: _problem("No such type."),
}
