"""`balance-verifier worker | api | migrate | witness | witness-init`: the entry points of the service."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.service import Service, run

from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.witness.process import CONFIGURATION, initialise, run_witness
from balance_verifier.worker import run_worker

PACKAGE = "balance_verifier"


def main() -> None:
    """Parse the command line and run one process until it is stopped."""
    parser = argparse.ArgumentParser(prog="balance-verifier", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="recompute the log and keep the projection")
    commands.add_parser("api", help="serve proofs, look-ups and the page")
    commands.add_parser("migrate", help="bring the database schema up to date, then end")
    witness = commands.add_parser("witness", help="cosign the checkpoints of logs, for whoever does not trust them")
    witness.add_argument("--config", type=Path, required=True, help="the witness's one configuration file (TOML)")
    making = commands.add_parser("witness-init", help="make a new witness's key and configuration file, then end")
    making.add_argument("folder", type=Path, help="where they go; what is there is left alone")
    making.add_argument("--name", required=True, help="name of the witness's key, such as court.example/witness")
    making.add_argument("--log", action="append", required=True, metavar="VKEY", help="a log's public key; repeatable")
    making.add_argument("--ml-dsa", action="store_true", help="make a second key, of type ML-DSA-44 (FIPS 204)")
    arguments = parser.parse_args()
    try:
        sys.exit(_run(arguments))
    except BalanceError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "worker":
            return _worker()
        case "api":
            return _api()
        case "witness":
            return run_witness(arguments.config)
        case "witness-init":
            vkeys = initialise(arguments.folder, arguments.name, tuple(arguments.log), ml_dsa=arguments.ml_dsa)
            sys.stdout.write("".join(f"{line}\n" for line in (*vkeys, arguments.folder / CONFIGURATION)))
            return 0
        case _:
            asyncio.run(_migrate(WorkerSettings()))
            return 0


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
