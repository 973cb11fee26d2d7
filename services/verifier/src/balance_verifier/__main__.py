"""`balance-verifier worker | api | migrate`: the entry points of the service."""

from __future__ import annotations

import argparse
import asyncio
import sys

from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.service import Service, run

from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.worker import run_worker

PACKAGE = "balance_verifier"


def main() -> None:
    """Parse the command line and run one process until it is stopped."""
    parser = argparse.ArgumentParser(prog="balance-verifier", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="recompute the log and keep the projection")
    commands.add_parser("api", help="serve proofs, look-ups and the page")
    commands.add_parser("migrate", help="bring the database schema up to date, then end")
    arguments = parser.parse_args()
    if arguments.command == "worker":
        sys.exit(_worker())
    if arguments.command == "api":
        sys.exit(_api())
    asyncio.run(_migrate(WorkerSettings()))


def _worker() -> int:
    settings = WorkerSettings()

    async def work(service: Service) -> None:
        await _migrate(settings)
        await run_worker(settings, service)

    return run("verifier-worker", settings, work)


def _api() -> int:
    settings = ApiSettings()

    async def work(service: Service) -> None:
        await _migrate(settings)
        app = build_app(settings, service.health)
        await serve_app(app, settings.host, settings.verifier_api_port, service.stop)

    return run("verifier-api", settings, work, health_server=False)


async def _migrate(settings: WorkerSettings | ApiSettings) -> None:
    pool = await connect(settings, settings.verifier_schema, size=1)
    try:
        await migrate(pool, PACKAGE, settings.verifier_schema)
    finally:
        await pool.close()


if __name__ == "__main__":
    main()
