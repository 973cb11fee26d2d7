"""The whole product on free ports in a folder of its own, as the benches start it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from balance_local.demosources import register_demo_sources
from balance_local.stack import Ports, Stack, StackOptions

JARS = Path(__file__).resolve().parents[1] / ".balance" / "jars"


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def port_pair() -> int:
    """A free port whose next one is free too: Kafka takes both."""
    while True:
        port = free_ports(1)[0]
        with socket.socket() as after:
            try:
                after.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def bench_stack(data: Path, **options: Any) -> Stack:
    """A stack that is not started yet; jars that the demo has fetched are used again."""
    if JARS.is_dir():
        (data / "jars").symlink_to(JARS)
    made = StackOptions(data=data, kafka_port=port_pair(), ports=Ports(*free_ports(8)), **options)
    return Stack(made, register_sources=register_demo_sources)
