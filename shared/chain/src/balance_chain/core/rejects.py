"""The closed list of reasons for which a raw record is refused: the same words in HTTP problems and in sealed rejects.

A reason never carries what the sender wrote, so that a reject can be sealed without sealing personal data.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why an event was refused."""

    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    DUPLICATE_KEY = "duplicate_key"
    FLOAT_NUMBER = "float_number"
    NUMBER_RANGE = "number_range"
    LONE_SURROGATE = "lone_surrogate"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    HEADER_MISSING = "header_missing"
    SOURCE_UNKNOWN = "source_unknown"
    SOURCE_TRANSPORT = "source_transport"
    SIGNATURE_BAD = "signature_bad"
    TYPE_UNKNOWN = "type_unknown"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    COURT_NOT_ALLOWED = "court_not_allowed"
    FIELD_MISSING = "field_missing"
    FIELD_UNKNOWN = "field_unknown"
    FIELD_INVALID = "field_invalid"
    SUBJECT_INVALID = "subject_invalid"
    SEVERAL_CASES = "several_cases"
    WRONG_PARTITION = "wrong_partition"
    TIME_INVALID = "time_invalid"
    TIME_FUTURE = "time_future"
    DUPLICATE = "duplicate"
    ID_CONFLICT = "id_conflict"


REMEDIES: dict[Reason, str] = {
    Reason.NOT_UTF8: "send UTF-8",
    Reason.NOT_JSON: "send one well-formed JSON object",
    Reason.NOT_OBJECT: "send a JSON object",
    Reason.DUPLICATE_KEY: "give each name once in an object",
    Reason.FLOAT_NUMBER: "send integers: amounts are in fen",
    Reason.NUMBER_RANGE: "keep integers within plus or minus 9007199254740991",
    Reason.LONE_SURROGATE: "send whole characters: a surrogate needs its partner",
    Reason.TOO_LARGE: "send less: a file is named by its digests, never included",
    Reason.TOO_DEEP: "nest less deeply",
    Reason.HEADER_MISSING: "add the attribute or header",
    Reason.SOURCE_UNKNOWN: "register the source first",
    Reason.SOURCE_TRANSPORT: "use the transport that the source is registered for",
    Reason.SIGNATURE_BAD: "sign the exact value with the registered key",
    Reason.TYPE_UNKNOWN: "use a type that GET /v1/event-types lists",
    Reason.TYPE_NOT_ALLOWED: "have the type added to the source's registration",
    Reason.COURT_NOT_ALLOWED: "have the court added to the source's registration",
    Reason.FIELD_MISSING: "add the field",
    Reason.FIELD_UNKNOWN: "leave the field out: schemas are closed",
    Reason.FIELD_INVALID: "send a value that the schema of the type allows",
    Reason.SUBJECT_INVALID: "send a case number such as （2026）京0491民初123号, or the source's own URI",
    Reason.SEVERAL_CASES: "send one event for each case",
    Reason.WRONG_PARTITION: "partition by the case id with Kafka's default partitioner",
    Reason.TIME_INVALID: "send an RFC 3339 time or a date",
    Reason.TIME_FUTURE: "check the clock: the time is more than five minutes ahead",
    Reason.DUPLICATE: "nothing to do: the same event is accepted already",
    Reason.ID_CONFLICT: "give a different event a new id",
}
"""What the sender can do about each."""
