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

EXPLANATIONS: dict[Reason, tuple[str, str, str]] = {
    Reason.NOT_UTF8: ("it is not UTF-8 text", "内容不是 UTF-8 文本", "请以 UTF-8 编码发送"),
    Reason.NOT_JSON: ("it is not JSON", "内容不是 JSON", "请发送一个格式正确的 JSON 对象"),
    Reason.NOT_OBJECT: ("it is JSON, but not an object", "内容是 JSON，但不是对象", "请发送 JSON 对象"),
    Reason.DUPLICATE_KEY: ("a name occurs twice in one object", "同一对象中名称重复", "每个名称在一个对象中只写一次"),
    Reason.FLOAT_NUMBER: ("it has a number that is no integer", "含有非整数", "请发送整数：金额以分为单位"),
    Reason.NUMBER_RANGE: (
        "an integer is too large to be read alike everywhere",
        "整数超出各系统一致读取的范围",
        "整数须在 ±9007199254740991 之内",
    ),
    Reason.LONE_SURROGATE: ("a string has half a character", "字符串含有不成对的代理字符", "请发送完整的字符"),
    Reason.TOO_LARGE: ("it is larger than the limit", "超过大小上限", "请减小：文件只写摘要，不写内容"),
    Reason.TOO_DEEP: ("it is nested more deeply than the limit", "嵌套过深", "请减少嵌套层数"),
    Reason.HEADER_MISSING: ("a header that says who sent it is missing", "缺少说明来源的消息头", "请补上消息头或属性"),
    Reason.SOURCE_UNKNOWN: ("its source is not registered", "来源未登记", "请先登记来源"),
    Reason.SOURCE_TRANSPORT: (
        "it came by a way that its source is not registered for",
        "传输方式与来源登记不符",
        "请使用登记的传输方式",
    ),
    Reason.SIGNATURE_BAD: ("its authenticator does not fit its value", "签名与内容不符", "请用登记的密钥对原文签名"),
    Reason.TYPE_UNKNOWN: ("its type is not in the catalogue", "事件类型不在目录中", "请使用目录中的类型"),
    Reason.TYPE_NOT_ALLOWED: (
        "its source may not send this type",
        "该来源无权发送此类型",
        "请在来源登记中加入该类型",
    ),
    Reason.COURT_NOT_ALLOWED: (
        "its source may not speak of this court",
        "该来源无权提交此法院的事件",
        "请在来源登记中加入该法院",
    ),
    Reason.FIELD_MISSING: ("a field that must be there is missing", "缺少必填字段", "请补上该字段"),
    Reason.FIELD_UNKNOWN: ("it has a field that the type does not know", "含有类型未定义的字段", "请去掉该字段"),
    Reason.FIELD_INVALID: ("a field has a value that is not allowed", "字段的值不符合要求", "请按类型的模式填写"),
    Reason.SUBJECT_INVALID: ("its subject is no case number", "主题不是案号", "请写案号，或来源自己的 URI"),
    Reason.SEVERAL_CASES: ("it names several cases", "一个事件涉及多个案件", "请为每个案件各发一个事件"),
    Reason.WRONG_PARTITION: ("it is on the wrong partition", "所在分区不对", "请按案号用 Kafka 默认分区器分区"),
    Reason.TIME_INVALID: ("a time cannot be read", "时间无法解析", "请写 RFC 3339 时间或日期"),
    Reason.TIME_FUTURE: ("its time is in the future", "时间在未来", "请校准时钟：时间超前五分钟以上"),
    Reason.DUPLICATE: ("the same event is on the ledger already", "同一事件已经入账", "无需处理"),
    Reason.ID_CONFLICT: ("the id is another event's", "该标识已属于另一事件", "请为不同的事件使用新的标识"),
}
"""What each means, in English and Chinese, and what to do in Chinese; `REMEDIES` has the English."""
