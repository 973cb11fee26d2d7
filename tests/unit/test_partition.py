"""A case is on the shard on which Kafka's own Java partitioner would put it."""

from __future__ import annotations

import pytest
from balance_chain.core.partition import murmur2, partition_for

# org.apache.kafka.common.utils.UtilsTest.testMurmur2
KAFKA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "expected"), KAFKA.items())
def test_murmur2_is_kafkas(data: bytes, expected: int) -> None:
    assert murmur2(data) == expected & 0xFFFFFFFF


def test_a_case_is_placed_by_its_utf8_bytes() -> None:
    caseid = "（2026）京0491民初123号"
    assert partition_for(caseid, 4) == (murmur2(caseid.encode()) & 0x7FFFFFFF) % 4
    assert partition_for(caseid, 1) == 0
