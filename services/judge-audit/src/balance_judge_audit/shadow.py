"""A rule book on trial: judged beside the live one by a worker of its own, stored apart, and never published.

The shadow book has the live one's tables in a schema of its own, so it goes through the same code. In that schema the
database itself refuses to queue anything for sending. A book that has changed begins again at the log's first record.
"""

import asyncio
import hashlib
from typing import Final

import msgspec
from balance_chain.runtime.db import connect, migrate
from balance_chain.runtime.service import Service

from balance_judge_audit.errors import NoSuchRule
from balance_judge_audit.rulebook import fingerprints
from balance_judge_audit.settings import ShadowSettings, WorkerSettings
from balance_judge_audit.worker import run_worker

PACKAGE: Final = "balance_judge_audit"
LOCK: Final = 0x42414C05
UNSENT: Final = (
    "CREATE OR REPLACE RULE unsent AS ON INSERT TO outbox DO INSTEAD NOTHING",
    "CREATE OR REPLACE RULE unsent AS ON INSERT TO undeliverable DO INSTEAD NOTHING",
)


async def run_shadow(settings: ShadowSettings, service: Service) -> None:
    """Judges by the shadow book until stopped."""
    worker = shadow_worker(settings)
    await prepare(worker)
    await run_worker(worker, service, sends=False)


def shadow_worker(settings: ShadowSettings) -> WorkerSettings:
    """The settings with which the worker's code judges by the shadow book."""
    if settings.shadow_rules is None:
        raise NoSuchRule("shadow_rules", "is not set", "set BALANCE_SHADOW_RULES to a directory of rules")
    return settings.model_copy(
        update={
            "rules": settings.shadow_rules,
            "audit_schema": settings.shadow_schema,
            "audit_group": settings.audit_group + "-shadow",
        }
    )


async def prepare(settings: WorkerSettings) -> None:
    """Makes the schema; begins anew where it was another book's, or judged by another grace or lateness."""
    assert settings.rules is not None
    book = {rule: each.digest for rule, each in fingerprints(settings.rules).items()}
    meant = [book, settings.grace_seconds, settings.lateness_seconds, settings.partitions]
    mark = hashlib.sha256(msgspec.json.encode(meant, order="sorted")).hexdigest()
    schema = settings.audit_schema
    pool = await connect(settings, schema, size=2)
    try:
        async with pool.acquire() as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            known = await connection.fetchval(
                "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1", schema
            )
            if known != mark:
                await connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
            await migrate(pool, PACKAGE, schema)
            for statement in UNSENT:
                await connection.execute(statement)
            await connection.execute(f"COMMENT ON SCHEMA \"{schema}\" IS '{mark}'")
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)
    finally:
        await asyncio.wait_for(pool.close(), settings.database_timeout_seconds)
