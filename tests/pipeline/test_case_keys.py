"""A case has one key, whoever asks first, and the database alone does not open it."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from balance_chain.core.privacy import PrivacyError
from balance_chain.runtime.casekeys import CaseKeyStore, migrate_keys
from balance_chain.runtime.db import connect
from balance_chain.runtime.settings import CommonSettings

CASES = [f"（2026）京0491民初{n}号" for n in range(1, 40)]


async def test_two_processes_that_meet_the_same_cases_at_once_get_the_same_keys(settings: CommonSettings) -> None:
    master = secrets.token_bytes(32)
    pool = await connect(settings, "casekeys")
    try:
        await migrate_keys(pool)
        assert await migrate_keys(pool) == []
        stores = [CaseKeyStore(pool, master, cached=5) for _ in range(4)]
        answers = await asyncio.gather(*(store.get_many(CASES) for store in stores))
        assert all(answer == answers[0] for answer in answers)
        assert len({key.key32 for key in answers[0].values()}) == len(CASES)
        assert await stores[0].get_many(reversed(CASES)) == answers[0]
        assert await CaseKeyStore(pool, master).get_many(CASES[:1]) == {CASES[0]: answers[0][CASES[0]]}
    finally:
        await pool.close()


async def test_the_wrong_master_key_opens_nothing(settings: CommonSettings) -> None:
    pool = await connect(settings, "casekeys")
    try:
        await migrate_keys(pool)
        master = secrets.token_bytes(32)
        first = await CaseKeyStore(pool, master).get_many(CASES[:2])
        with pytest.raises(PrivacyError):
            await CaseKeyStore(pool, secrets.token_bytes(32)).get_many(CASES[:2])
        rows = await pool.fetch("SELECT wrapped FROM casekeys.key")
        for key in first.values():
            assert not any(key.key32 in row["wrapped"] for row in rows)
        await pool.execute("UPDATE casekeys.key SET caseid = 'x' || caseid")
        with pytest.raises(PrivacyError):
            await CaseKeyStore(pool, master).get_many(["x" + CASES[0]])
    finally:
        await pool.close()
