"""A rebuild of judge-audit says nothing twice: what was said keeps its number, only what was not reached is sent."""

from __future__ import annotations

import asyncpg
import pytest
from balance_chain.runtime.db import migrate
from balance_judge_audit import repository_numbers
from balance_judge_audit.rebuild import PACKAGE, carry_over
from balance_judge_audit.repository_numbers import Draft

OLD, SHADOW = "audit", "audit_rebuild"
Said = tuple[str, int, int]
"""Alert, revision, number."""


async def said(connection: asyncpg.Connection, schema: str, revisions: list[Said], waiting: list[str]) -> None:
    """Revisions as `say` stores them; those of the alerts in `waiting` are still to be sent, on both ways."""
    await connection.execute(f'SET search_path TO "{schema}"')
    for alert, revision, number in revisions:
        await connection.execute("INSERT INTO alert_revision VALUES ($1, $2, $3, false, '{}')", alert, revision, number)
        await connection.execute(
            "INSERT INTO alert (id, number, revision, rule, severity, state, private, subject, raised, judged, body)"
            " VALUES ($1, $2, $3, 'R01', 'H', 'open', false, 's', 0, 0, '{}') ON CONFLICT (id) DO UPDATE"
            " SET number = excluded.number, revision = excluded.revision",
            alert, number, revision,
        )  # fmt: skip
        if alert in waiting:
            for channel in ("topic", "gateway"):
                await connection.execute(
                    "INSERT INTO outbox (number, channel, id, revision, value) VALUES ($1, $2, $3, $4, $5)",
                    number, channel, alert, revision, alert.encode(),
                )  # fmt: skip


async def left(connection: asyncpg.Connection) -> list[Said]:
    rows = await connection.fetch(f'SELECT id, revision, number FROM "{SHADOW}".outbox WHERE channel = $1', "topic")
    return sorted((row["id"], row["revision"], row["number"]) for row in rows)


async def numbers(connection: asyncpg.Connection, table: str) -> list[Said]:
    rows = await connection.fetch(f'SELECT id, revision, number FROM "{SHADOW}".{table}')
    return sorted((row["id"], row["revision"], row["number"]) for row in rows)


@pytest.mark.parametrize("lost", [False, True])
async def test_what_was_said_is_not_said_again(database: str, lost: bool) -> None:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=1)
    try:
        for schema in (OLD, SHADOW):
            await migrate(pool, PACKAGE, schema)
        async with pool.acquire() as connection, connection.transaction():
            if not lost:
                await said(connection, OLD, [("a", 1, 5), ("a", 2, 6), ("b", 1, 9)], waiting=["b"])
                await connection.execute("INSERT INTO shard VALUES (0, 100, 0, 99, 0)")
                await connection.execute("UPDATE own_sequence SET next = 40")
                await connection.execute(
                    "INSERT INTO own_event (id, kind, event, revision_number, sequence)"
                    " VALUES ('b.1', 'alert', '{}', 9, 39), ('rule.R01', 'rule', '{}', NULL, NULL)"
                )
                await connection.execute("INSERT INTO freed_sequence VALUES (17)")
            again: list[Said] = [("b", 1, 1), ("a", 1, 2), ("c", 1, 3), ("a", 2, 5), ("c", 2, 6)]
            await said(connection, SHADOW, again, waiting=["a", "b", "c"])
            await connection.execute("UPDATE own_sequence SET next = 30")
            await carry_over(connection, OLD, SHADOW)
            following = await connection.fetchval(f"SELECT nextval('{SHADOW}.alert_number')")
            if lost:
                # Nothing to compare with: nothing is sent at all.
                assert await left(connection) == []
                return
            assert await numbers(connection, "alert_revision") == [
                ("a", 1, 5), ("a", 2, 6), ("b", 1, 9), ("c", 1, 10), ("c", 2, 11),
            ]  # fmt: skip
            assert await numbers(connection, "alert") == [("a", 2, 6), ("b", 1, 9), ("c", 2, 11)]
            assert await left(connection) == [("b", 1, 9), ("c", 1, 10), ("c", 2, 11)]
            assert following == 12
            await connection.execute(f'SET search_path TO "{SHADOW}"')
            await repository_numbers.queue(connection, [Draft("c.1", "alert", b"{}", 10)])
            given = await repository_numbers.number(connection)
            assert [(each.id, each.sequence, each.first) for each in given] == [
                ("rule.R01", 17, True), ("b.1", 39, False), ("c.1", 40, True),
            ]  # fmt: skip
            assert await connection.fetchval(f'SELECT next FROM "{SHADOW}".own_sequence') == 41
    finally:
        await pool.close()
