"""`balance-intake gateway | normaliser | migrate`: starts one process of intake."""

import argparse
import asyncio
import sys

from balance_chain.runtime.casekeys import CaseKeyStore
from balance_chain.runtime.db import connect, database_problems
from balance_chain.runtime.health import serve_app
from balance_chain.runtime.service import Service, run
from balance_chain.runtime.topics import topic_problems
from balance_chain.web.app import create_app

from balance_intake.api import router
from balance_intake.deployment import Deployment
from balance_intake.gateway import Gateway
from balance_intake.generations import Generations
from balance_intake.normaliser import Batcher, ShardNormaliser
from balance_intake.rawproducer import RawProducer
from balance_intake.receiptkeeper import ReceiptKeeper
from balance_intake.repository import SCHEMA, Repository, migrate_intake
from balance_intake.settings import GatewaySettings, IntakeSettings, NormaliserSettings


def main() -> None:
    """The console script."""
    parser = argparse.ArgumentParser(prog="balance-intake", description="Takes events in and normalises them.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("gateway", help="serve the HTTP interface")
    normaliser = commands.add_parser("normaliser", help="turn litigation.raw into litigation.events")
    normaliser.add_argument("--genesis", action="store_true", help="an empty litigation.events may begin here")
    commands.add_parser("migrate", help="bring the database's schemas up to date")
    arguments = parser.parse_args()
    if arguments.command == "gateway":
        settings = GatewaySettings()
        sys.exit(run("intake-gateway", settings, lambda service: gateway(settings, service), health_server=False))
    if arguments.command == "normaliser":
        options = NormaliserSettings()
        if arguments.genesis:
            options = options.model_copy(update={"genesis": True})
        sys.exit(run("intake-normaliser", options, lambda service: normalise(options, service)))
    common = IntakeSettings()
    sys.exit(run("intake-migrate", common, lambda _: migrate(common), health_server=False))


async def gateway(settings: GatewaySettings, service: Service) -> None:
    """Serve HTTP until stopped; what was accepted is finished first."""
    deployment = Deployment.load(settings)
    pool = await connect(settings, SCHEMA, by_key=True)
    producer = RawProducer(settings)
    try:
        await migrate_intake(pool)
        keys = CaseKeyStore(pool, deployment.keys.master_key)
        door = Gateway(settings, deployment, Repository(pool), keys, producer)
        service.health.add_check("database", lambda: database_problems(pool))
        service.health.add_check("topics", lambda: topic_problems(settings))
        app = create_app("Balance Chain intake", service.health)
        app.include_router(router(door, deployment, settings))
        keeper = ReceiptKeeper(settings, deployment.keys, pool, service.health)
        work = {asyncio.create_task(door.run()), asyncio.create_task(keeper.run(service.stop))}
        try:
            await serve_app(app, settings.host, settings.port, service.stop)
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work, timeout=settings.kafka_timeout_seconds)
    finally:
        await producer.close()
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


async def normalise(settings: NormaliserSettings, service: Service) -> None:
    """Normalise the shards that the group gives this process, until stopped."""
    deployment = Deployment.load(settings)
    pool = await connect(settings, SCHEMA, by_key=True)
    producer = RawProducer(settings)
    try:
        await migrate_intake(pool)
        keys = CaseKeyStore(pool, deployment.keys.master_key)
        repository = Repository(pool)
        batcher = Batcher(settings, deployment.normaliser(settings), repository, keys)
        generations = Generations(settings, repository, deployment.keys.log_vkey)
        service.health.add_check("database", lambda: database_problems(pool))
        service.health.add_check("topics", lambda: topic_problems(settings))
        shards = ShardNormaliser(settings, batcher, producer, deployment.keys.gateway_mac, service.health, generations)
        await shards.run(service.stop)
    finally:
        await producer.close()
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


async def migrate(settings: IntakeSettings) -> None:
    """Apply the migrations of intake and of the case keys."""
    pool = await connect(settings, SCHEMA, size=1)
    try:
        await migrate_intake(pool)
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)


if __name__ == "__main__":
    main()
