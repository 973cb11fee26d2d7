"""Run the local servers by themselves: `python -m balance_local servers`, and show logs: `… logs [name]`.

The whole product is started by `balance-chain demo`; this is for working on one service at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from balance_local.children import Folder, last_lines
from balance_local.servers import LocalServers
from balance_local.supervisor import AlreadyRunning, Supervisor


def main() -> None:
    """Parse the command line and run it."""
    parser = argparse.ArgumentParser(prog="python -m balance_local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    servers = commands.add_parser("servers", help="run Kafka and PostgreSQL until Ctrl-C")
    logs = commands.add_parser("logs", help="show the end of the logs")
    for command in (servers, logs):
        command.add_argument("--data", type=Path, default=Path(".balance"), help="the data folder")
    servers.add_argument("--kafka-port", type=int, default=19092)
    logs.add_argument("name", nargs="?", help="one process; all without it")
    logs.add_argument("--lines", type=int, default=30)
    arguments = parser.parse_args()
    folder = Folder(arguments.data.resolve())
    if arguments.command == "logs":
        _show_logs(folder, arguments.name, arguments.lines)
        return
    try:
        asyncio.run(_run_servers(folder, arguments.kafka_port))
    except AlreadyRunning as error:
        sys.exit(str(error))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _show_logs(folder: Folder, name: str | None, lines: int) -> None:
    files = [folder.log(name)] if name else sorted(folder.logs.glob("*.log"))
    for file in files:
        _say(f"── {file.stem}\n{last_lines(file, lines)}")


async def _run_servers(folder: Folder, kafka_port: int) -> None:
    async with Supervisor(folder, _say) as supervisor:
        servers = await LocalServers.start(supervisor, kafka_port=kafka_port)
        for name, pid in supervisor.pids().items():
            _say(f"running {name} {pid}")
        _say(f"BALANCE_KAFKA={servers.kafka}\nBALANCE_DATABASE={servers.database}")
        await supervisor.until_asked_to_stop()


if __name__ == "__main__":
    main()
