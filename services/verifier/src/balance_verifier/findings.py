"""A finding: one place where the log is not what it must be, with the value that was due and the value found.

Pure. The id is a digest of what was found and where, so finding the same thing twice is one finding and one alert.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from balance_verify import jcs

CRITICAL: Final = "critical"
NOT_COUNTING: Final = "medium"
SEVERITIES: Final = {CRITICAL: "C", NOT_COUNTING: "M"}
"""The letters that every alert on the topic uses."""
NO_SHARD: Final = -1
"""The shard of a fault in the log as a whole."""
MAX_TEXT: Final = 2000
"""Longest text kept of a value, in characters."""

TITLES: Final[dict[str, tuple[str, str]]] = {
    "event_missing": ("事件缺失", "An event record is missing"),
    "event_unreadable": ("事件无法解析", "An event record cannot be read"),
    "event_not_canonical": ("事件字节不规范", "An event's bytes are not its canonical bytes"),
    "event_not_counting": ("事件不计入", "An event record does not count"),
    "event_twice": ("事件重复计入", "Two counting events have the same source and id"),
    "raw_gap": ("原始记录无对应事件", "A raw record has no counting event"),
    "raw_missing": ("事件无对应原始记录", "An event names a raw record that does not exist"),
    "raw_differs": ("事件与原始记录不符", "An event says other than its raw record about source or time"),
    "block_missing": ("区块记录缺失", "A block record is missing"),
    "block_unreadable": ("区块无法解析", "A block record cannot be read"),
    "block_not_counting": ("区块不计入", "A block does not extend its chain and does not count"),
    "block_header": ("区块头有误", "A block header does not fit its chain"),
    "block_time": ("区块时间倒退", "A block's time goes back"),
    "block_signature": ("区块签名无效", "A block is not signed by a sealer's key that holds at its place"),
    "leaf": ("事件哈希不符", "A leaf of a block is not the hash of its event"),
    "leaf_count": ("叶子数不符", "A block holds more or fewer leaves than its header says"),
    "root": ("区块根不符", "A block's root is not the root of its leaves"),
    "record_gone": ("记录丢失", "Records that were read before are gone from the topic"),
    "checkpoint_missing": ("检查点记录缺失", "A checkpoint record is missing"),
    "checkpoint_unreadable": ("检查点无法解析", "A checkpoint record cannot be read"),
    "checkpoint_signature": ("检查点签名无效", "A checkpoint is not signed by the log's key"),
    "checkpoint_not_counting": ("检查点不计入", "A checkpoint neither grows nor adds signatures and does not count"),
    "checkpoint_coverage": ("检查点覆盖有误", "A checkpoint covers blocks that do not exist"),
    "checkpoint_size": ("检查点大小不符", "A checkpoint's size is not the number of its entries"),
    "checkpoint_root": ("检查点根不符", "A checkpoint's root is not the root of its entries"),
    "two_histories": ("两套历史", "The log's key has signed two checkpoints that cannot both be true"),
    "key_set": ("密钥集无效", "A key set or the end of the log does not follow from what was before"),
    "generation": ("代际条目无效", "The entry that begins a generation does not go on from the log as it was"),
    "after_final": ("日志冻结后增长", "The log goes on after the end that its key has signed"),
    "genesis": ("创世条目有误", "The genesis entry is not what the format demands"),
}
"""What each code means, in Chinese and English."""


def plain(text: str) -> str:
    """Text without what UTF-8 or PostgreSQL cannot hold: lone surrogates and NUL become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault: `place` is topic, partition and offset; `expected` was due, `got` was there."""

    code: str
    place: str
    expected: str
    got: str
    detail: str = ""
    shard: int | None = None
    severity: str = CRITICAL
    halts: bool = False

    def __post_init__(self) -> None:
        # What was found may be any bytes; a finding is text that a database, JSON and a reader can take.
        for name in ("expected", "got", "detail"):
            msgspec.structs.force_setattr(self, name, plain(getattr(self, name))[:MAX_TEXT])

    def id(self, origin: str) -> str:
        """The same fault at the same place of the same log always has the same id (32 hex digits)."""
        material = jcs.dumps([origin, self.code, self.place, self.expected, self.got])
        return hashlib.sha256(material).hexdigest()[:32]


def alert_record(finding: Finding, origin: str, found_time: str) -> bytes:
    """The value written to `integrity.alerts`: an alert's first revision as every alert has it, and both values."""
    zh, en = TITLES[finding.code]
    return jcs.dumps(
        {
            "courtcode": None,
            "detail": finding.detail,
            "expected": finding.expected,
            "got": finding.got,
            "id": finding.id(origin),
            "judged": found_time,
            "numbers": {},
            "origin": origin,
            "place": finding.place,
            "private": False,
            "revision": 1,
            "rule": f"verifier.{finding.code}",
            "severity": SEVERITIES[finding.severity],
            "shard": finding.shard if finding.shard is not None else NO_SHARD,
            "start": finding.place,
            "state": "open",
            "subject": finding.place,
            "title": {"en": en, "zh": zh},
            "triggers": [],
            "version": "1.0",
        }
    )
