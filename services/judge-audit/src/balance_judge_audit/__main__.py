"""`balance-judge-audit worker | shadow | send | resend | api | migrate`: the entry points of the service."""

import argparse
import asyncio
import sys

from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.service import Service, run

from balance_judge_audit.settings import ApiSettings, AuditSettings, SenderSettings, ShadowSettings, WorkerSettings

PACKAGE = "balance_judge_audit"


def main() -> None:
    """Parses the command line and runs one process until it is stopped."""
    parser = argparse.ArgumentParser(prog="balance-judge-audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="apply the rule book to the sealed stream")
    commands.add_parser("shadow", help="apply the rules on trial beside it; nothing of theirs is published")
    commands.add_parser("send", help="send alerts out to webhooks and Alertmanager")
    resend = commands.add_parser("resend", help="try deliveries that were given up once more")
    resend.add_argument("target", nargs="?", help="of this target alone")
    commands.add_parser("api", help="serve alerts, the rule book, the stream and the page")
    commands.add_parser("migrate", help="bring the database schema up to date, then end")
    arguments = parser.parse_args()
    command = arguments.command
    if command == "worker":
        sys.exit(_worker())
    if command == "shadow":
        sys.exit(_shadow())
    if command == "send":
        sys.exit(_send())
    if command == "resend":
        count = asyncio.run(_resend(AuditSettings(), arguments.target))
        sys.stdout.write(f"{count} deliveries are tried again\n")
        return
    if command == "api":
        sys.exit(_api())
    asyncio.run(_migrate(AuditSettings()))


def _worker() -> int:
    from balance_judge_audit.worker import run_worker

    settings = WorkerSettings()

    async def work(service: Service) -> None:
        await _migrate(settings)
        await run_worker(settings, service)

    return run("judge-audit-worker", settings, work)


def _shadow() -> int:
    from balance_judge_audit.shadow import run_shadow

    settings = ShadowSettings()

    async def work(service: Service) -> None:
        await run_shadow(settings, service)

    return run("judge-audit-shadow", settings, work)


def _send() -> int:
    from balance_judge_audit.sending.sender import run_sender

    settings = SenderSettings()

    async def work(service: Service) -> None:
        await _migrate(settings)
        await run_sender(settings, service)

    return run("judge-audit-sender", settings, work)


async def _resend(settings: AuditSettings, target: str | None) -> int:
    from balance_judge_audit import repository_sending

    pool = await connect(settings, settings.audit_schema, size=1)
    try:
        return await repository_sending.again(pool, target)
    finally:
        await pool.close()


def _api() -> int:
    from balance_judge_audit.api import build_app

    settings = ApiSettings()

    async def work(service: Service) -> None:
        await _migrate(settings)
        app = build_app(settings, service.health, service.stop)
        await serve_app(app, settings.host, settings.port, service.stop)

    return run("judge-audit-api", settings, work, health_server=False)


async def _migrate(settings: AuditSettings) -> None:
    pool = await connect(settings, settings.audit_schema, size=1)
    try:
        await migrate(pool, PACKAGE, settings.audit_schema)
    finally:
        await pool.close()


if __name__ == "__main__":
    main()
