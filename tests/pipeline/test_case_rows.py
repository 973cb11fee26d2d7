"""A case's state in PostgreSQL: facts are written once, some a row, and come back as they were."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest
from balance_chain.runtime.db import migrate
from balance_judge_audit.engine.facts import CaseState, Fact
from balance_judge_audit.repository_cases import PIECE, load_cases, save_cases

CASE = "（2026）京0491民初1号"


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await migrate(pool, "balance_judge_audit", "audit")
        async with pool.acquire() as connection:
            await connection.execute("SET search_path TO audit")
            yield connection


def fact(number: int) -> Fact:
    return Fact(number, False, number, "judge.reassigned", "urn:x", f"e{number}", "00" * 32, ("R20:count",))


async def load(connection: asyncpg.Connection) -> CaseState:
    found, due = await load_cases(connection, [CASE], {0: 1})
    assert due == {}
    return found[CASE]


async def rows(connection: asyncpg.Connection) -> list[tuple[object, ...]]:
    kept = await connection.fetch("SELECT xmin::text, caseid, number, facts FROM case_facts ORDER BY number")
    return [tuple(row) for row in kept]


@pytest.mark.parametrize("step", [1, 2, PIECE, 3 * PIECE + 1])
async def test_a_case_comes_back_as_it_was_and_its_rows_do_not_tell_how_it_was_written(
    step: int, connection: asyncpg.Connection
) -> None:
    case, count = CaseState("京0491", 5), 6 * PIECE + 2
    for first in range(0, count, step):
        for number in range(first, min(first + step, count)):
            case.keep(fact(number))
        before = await rows(connection)
        await save_cases(connection, {CASE: (0, case)}, 1)
        assert (await rows(connection))[: len(before)] == before, "what is written is not written again"
        case = await load(connection)
    assert case.facts == [fact(number) for number in range(count)]
    stored = await connection.fetchval("SELECT state FROM case_state")
    assert msgspec.msgpack.decode(stored, type=CaseState).facts == case.facts[6 * PIECE :]
    assert [row[2] for row in await rows(connection)] == list(range(6))


async def test_a_state_from_before_has_all_its_facts_and_is_cut_when_it_is_next_written(
    connection: asyncpg.Connection,
) -> None:
    whole = CaseState("京0491", 5, [fact(number) for number in range(3 * PIECE)])
    await connection.execute("INSERT INTO case_state VALUES ($1, 0, $2, NULL)", CASE, msgspec.msgpack.encode(whole))
    case = await load(connection)
    assert case == whole
    case.keep(fact(3 * PIECE))
    await save_cases(connection, {CASE: (0, case)}, 1)
    assert await load(connection) == case
    assert [row[2] for row in await rows(connection)] == [0, 1, 2]
