"""The case keys: one secret a case in PostgreSQL, wrapped by the master key, made when the case is first seen.

They have a schema and a backup of their own. A key is random, so whoever has the database without `master.key` has
nothing, and whoever makes a key first decides it: two processes that meet a case at once get the same one.
"""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

import asyncpg
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from balance_chain.core import canonical
from balance_chain.core.privacy import KEY_BYTES, NONCE_BYTES, CaseKey, PrivacyError
from balance_chain.runtime.db import migrate

SCHEMA: Final = "casekeys"
FIRST_VERSION: Final = 1
CACHED_KEYS: Final = 20_000
"""Case keys kept in memory, about 1 KiB each with their subkeys."""

_MAKE: Final = """
INSERT INTO casekeys.key (caseid, version, wrapped)
SELECT caseid, $3, wrapped FROM unnest($1::text[], $2::bytea[]) AS new (caseid, wrapped)
ON CONFLICT (caseid, version) DO NOTHING
"""
_READ: Final = """
SELECT DISTINCT ON (caseid) caseid, version, wrapped
FROM casekeys.key WHERE caseid = ANY ($1::text[]) ORDER BY caseid, version DESC
"""


async def migrate_keys(pool: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
    """Bring the schema up to date; gives the names of the migrations applied."""
    return await migrate(pool, __name__, SCHEMA)


def wrap(master: bytes, key: CaseKey) -> bytes:
    """A case key as the database holds it: nonce, then ciphertext bound to case and version."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    bound = canonical.encode([key.caseid, key.version])
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(key.key32, bound, nonce, master)


def unwrap(master: bytes, caseid: str, version: int, wrapped: bytes) -> CaseKey:
    """The case key of a row."""
    bound = canonical.encode([caseid, version])
    try:
        key = crypto_aead_xchacha20poly1305_ietf_decrypt(wrapped[NONCE_BYTES:], bound, wrapped[:NONCE_BYTES], master)
    except (CryptoError, ValueError):
        raise PrivacyError("master.key", "does not open this database's case keys", "restore the right file") from None
    return CaseKey(caseid, version, key)


class CaseKeyStore:
    """Case keys by case, one round trip for all that are not in memory."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", master: bytes, cached: int = CACHED_KEYS) -> None:
        self._pool = pool
        self._master = master
        self._cached = cached
        self._cache: OrderedDict[str, CaseKey] = OrderedDict()

    async def get_many(self, caseids: Iterable[str]) -> Mapping[str, CaseKey]:
        """The newest key of each case; a case without one gets one."""
        found: dict[str, CaseKey] = {}
        missing: list[str] = []
        for caseid in dict.fromkeys(caseids):
            key = self._cache.get(caseid)
            if key is None:
                missing.append(caseid)
            else:
                self._cache.move_to_end(caseid)
                found[caseid] = key
        if missing:
            for key in await self._fetch(missing):
                found[key.caseid] = self._cache[key.caseid] = key
            while len(self._cache) > self._cached:
                self._cache.popitem(last=False)
        return found

    def forget(self, caseid: str) -> None:
        """Drop the case from memory, after its key was erased."""
        self._cache.pop(caseid, None)

    async def _fetch(self, caseids: list[str]) -> list[CaseKey]:
        async with self._pool.acquire() as connection:
            rows = await connection.fetch(_READ, caseids)
            known = {row["caseid"] for row in rows}
            # Sorted, so that two processes that make the same keys cannot wait for each other.
            absent = sorted(caseid for caseid in caseids if caseid not in known)
            if absent:
                made = [
                    wrap(self._master, CaseKey(caseid, FIRST_VERSION, secrets.token_bytes(KEY_BYTES)))
                    for caseid in absent
                ]
                await connection.execute(_MAKE, absent, made, FIRST_VERSION)
                # What another process made first is what counts: read again, never keep our own.
                rows += await connection.fetch(_READ, absent)
        return [unwrap(self._master, row["caseid"], row["version"], row["wrapped"]) for row in rows]
