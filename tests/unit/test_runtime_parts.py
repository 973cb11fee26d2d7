"""Small parts of the runtime: kill points, trace context, topic settings as data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from balance_chain.core.topics import CHECKPOINTS, RAW, SPECS
from balance_chain.runtime import telemetry
from balance_chain.runtime.settings import CommonSettings
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HIT_THREE_TIMES = "from balance_chain.runtime.killpoints import hit\nfor _ in range(3): hit('here')\nprint('passed')"


def run_with(point: str, marker: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BALANCE_KILL_POINT": point, "BALANCE_KILL_MARKER": str(marker)}
    return subprocess.run(
        [sys.executable, "-c", HIT_THREE_TIMES],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("point", ["here", "here:3"])
def test_a_kill_point_kills_once_and_leaves_a_marker(point: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    assert run_with(point, marker).returncode == -signal.SIGKILL
    assert marker.read_text() == "here"
    assert run_with(point, marker).stdout == "passed\n"


@pytest.mark.parametrize("point", ["", "elsewhere", "here:4"])
def test_other_kill_points_are_passed(point: str, tmp_path: Path) -> None:
    assert run_with(point, tmp_path / "marker").stdout == "passed\n"


def test_a_traceparent_is_read_from_kafka_headers() -> None:
    headers = (("other", b"x"), ("traceparent", TRACEPARENT.encode()))
    context = telemetry.extract(telemetry.header(headers))
    assert context is not None
    assert f"{context.trace_id:032x}" == TRACEPARENT.split("-")[1]


@pytest.mark.parametrize("value", [None, b"", b"\xff", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-00"])
def test_a_malformed_traceparent_is_none_and_no_error(value: str | bytes | None) -> None:
    assert telemetry.extract(value) is None


def test_outside_of_a_span_no_header_is_sent() -> None:
    assert telemetry.trace_headers() == ()


def test_a_batch_span_links_to_the_spans_of_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_exporting", True)
    tracer = TracerProvider().get_tracer("test")
    headers = [(("traceparent", TRACEPARENT.encode()),), (), (("traceparent", b"nonsense"),)]
    with telemetry.batch_span(tracer, "seal", headers, shard=1) as span:
        assert telemetry.trace_headers()
    assert isinstance(span, ReadableSpan)
    assert [f"{link.context.span_id:016x}" for link in span.links] == [TRACEPARENT.split("-")[2]]
    assert dict(span.attributes or {}) == {"shard": 1}


def test_topics_keep_everything_for_ever_but_raw_thirty_days() -> None:
    for spec in SPECS:
        config = spec.config(replication=3)
        assert config["cleanup.policy"] == "delete"
        assert config["min.insync.replicas"] == "2"
        assert config["unclean.leader.election.enable"] == "false"
        assert config["retention.ms"] == ("2592000000" if spec.name == RAW else "-1")
        assert config["message.timestamp.type"] == ("LogAppendTime" if spec.name == RAW else "CreateTime")
        assert spec.partitions(4) == (1 if spec.name == CHECKPOINTS else 4)


def test_a_topic_prefix_separates_ledgers_on_one_kafka() -> None:
    assert CommonSettings(topic_prefix="t1.").topic(RAW) == "t1.litigation.raw"
