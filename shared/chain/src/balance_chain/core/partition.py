"""Kafka's own partitioner (murmur2), so that a Java producer and ours put a case on the same shard."""

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF
_CACHED_CASES: Final = 65_536
"""Cases whose shard is remembered: events of a case come close together."""


def murmur2(data: bytes) -> int:
    """The 32-bit unsigned murmur2 hash as `org.apache.kafka.common.utils.Utils.murmur2` computes it."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=_CACHED_CASES)
def partition_for(caseid: str, partitions: int) -> int:
    """The partition of a case: Kafka's default for the key `caseid` as UTF-8."""
    return (murmur2(caseid.encode()) & 0x7FFFFFFF) % partitions
