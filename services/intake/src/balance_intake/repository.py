"""All SQL of intake. A call is one round trip for a whole batch; a second one only where two processes met on a row."""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from balance_chain.core import canonical
from balance_chain.core.privacy import RegistryRef, register_id
from balance_chain.runtime.casekeys import migrate_keys
from balance_chain.runtime.db import AWAY, migrate

from balance_intake.errors import DatabaseAway
from balance_intake.model import Claim, EventKey, Holder, Promise
from balance_intake.receiptstore import STEP_MS

SCHEMA: Final = "intake"
DATABASE_ERRORS: Final[tuple[type[BaseException], ...]] = (*AWAY, asyncpg.PostgresError)
"""Whatever PostgreSQL or the way to it may say: wait and try again."""
CACHED_PEOPLE: Final = 50_000
"""References of people kept in memory."""

_RESERVE: Final = """
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) AS t (source, id, digest, caseid)
), made AS (
    INSERT INTO intake.reservation (source, id, digest, caseid) SELECT source, id, digest, caseid FROM new
    ON CONFLICT (source, id) DO NOTHING RETURNING source, id, digest, receipt
)
SELECT source, id, digest, receipt, true AS made, false AS lost FROM made
UNION ALL
SELECT r.source, r.id, r.digest, r.receipt, false, r.lost FROM intake.reservation r JOIN new USING (source, id)
"""
_RESERVED: Final = """
SELECT source, id, digest, receipt, false AS made, lost FROM intake.reservation
JOIN unnest($1::text[], $2::text[]) AS t (source, id) USING (source, id)
"""
# What is promised for a time that was looked at already, or is about to be (the gateway stood still, or its clock is
# behind the judge's), is looked at again. The row of `judged` is locked only then.
_KEEP_RECEIPTS: Final = """
WITH first AS (
    SELECT min(due) AS due FROM unnest($4::bigint[]) AS t (due)
), back AS (
    UPDATE intake.judged j SET due = least(j.due, first.due - 1) FROM first WHERE first.due <= j.due + $5::bigint
)
UPDATE intake.reservation r SET receipt = coalesce(r.receipt, t.receipt), due = coalesce(r.due, t.due),
    lost = false
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[]) AS t (source, id, receipt, due)
WHERE r.source = t.source AND r.id = t.id RETURNING r.source, r.id, r.receipt
"""
_REBUILT: Final = "SELECT generation FROM intake.rebuilt"
_RESERVATION: Final = "SELECT digest, caseid, receipt FROM intake.reservation WHERE source = $1 AND id = $2"
_ARRIVAL: Final = "SELECT partition, rawgen, rawpos, caseid, digest FROM intake.dedup WHERE source = $1 AND id = $2"
_FATE: Final = """
SELECT coalesce(
    (SELECT (s.rawgen, s.rawpos) >= ($4::integer, $5::bigint) FROM intake.sealed_shard s WHERE s.shard = $3::integer),
    false
) AS sealed, EXISTS (SELECT FROM intake.broken_receipt b WHERE b.source = $1 AND b.id = $2) AS broken
"""
_REJECTED: Final = """
SELECT shard, rawgen, rawpos, reason, field FROM intake.rejected WHERE source = $1 AND id = $2
ORDER BY time DESC, shard, rawgen DESC, rawpos DESC LIMIT 1
"""
_CLAIM: Final = """
WITH new AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[])
        AS t (source, id, rawpos, caseid, sourcedigest, digest)
), made AS (
    INSERT INTO intake.dedup (source, id, partition, rawgen, rawpos, caseid, sourcedigest, digest)
    SELECT source, id, $7::integer, $8::integer, rawpos, caseid, sourcedigest, digest FROM new
    ON CONFLICT (source, id) DO NOTHING RETURNING source, id, partition, rawgen, rawpos, sourcedigest
)
SELECT source, id, partition, rawgen, rawpos, sourcedigest FROM made
UNION ALL
SELECT d.source, d.id, d.partition, d.rawgen, d.rawpos, d.sourcedigest FROM intake.dedup d JOIN new USING (source, id)
"""
_CLAIMED: Final = """
SELECT source, id, partition, rawgen, rawpos, sourcedigest FROM intake.dedup
JOIN unnest($1::text[], $2::text[]) AS t (source, id) USING (source, id)
"""
_PEOPLE: Final = """
WITH new AS (
    SELECT * FROM unnest($1::bytea[], $2::boolean[], $3::text[], $4::text[], $5::text[])
        AS t (key, byname, scope, value, ref)
), made AS (
    INSERT INTO intake.registry (key, byname, scope, value, ref) SELECT key, byname, scope, value, ref FROM new
    ON CONFLICT (key) DO NOTHING RETURNING key, ref
)
SELECT key, ref FROM made UNION ALL SELECT r.key, r.ref FROM intake.registry r JOIN new USING (key)
"""
_KNOWN_PEOPLE: Final = "SELECT key, ref FROM intake.registry WHERE key = ANY ($1::bytea[])"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A row of the gateway's: the digest reserved first, and the receipt once there is one."""

    digest: bytes
    receipt: bytes | None
    made: bool
    """Whether this call made it."""
    lost: bool = False
    """Whether a restore has lost what the receipt was given for."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """A reservation as a receipt's owner asks for it."""

    digest: bytes
    caseid: str
    receipt: bytes | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the raw record stands that speaks for an event."""

    partition: int
    rawgen: int
    rawpos: int
    caseid: str
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an event so far."""

    sealed: bool
    broken: bool


@dataclass(frozen=True, slots=True)
class Rejection:
    """A sealed reject: which raw record was refused, and why."""

    partition: int
    rawgen: int
    rawpos: int
    reason: str
    field: str | None


async def migrate_intake(pool: "asyncpg.Pool[asyncpg.Record]") -> list[str]:
    """Bring the schemas `intake` and `casekeys` up to date; gives the names of the migrations applied."""
    return await migrate(pool, "balance_intake", SCHEMA) + await migrate_keys(pool)


class Repository:
    """Reservations, dedup and the register of people."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._people: OrderedDict[RegistryRef, str] = OrderedDict()

    async def reserve(self, wanted: Sequence[tuple[EventKey, bytes, str]]) -> dict[EventKey, Reservation]:
        """Reserve (key, digest, case id) for each; keys are distinct. A key that is taken gives what took it."""
        # Sorted, so that two requests that reserve the same events cannot wait for each other.
        rows = sorted(wanted)
        sources, ids = [key.source for key, _, _ in rows], [key.id for key, _, _ in rows]
        found = await self._fetch(_RESERVE, sources, ids, [row[1] for row in rows], [row[2] for row in rows])
        if len(found) < len(rows):
            found = [*await self._fetch(_RESERVED, sources, ids), *found]
        return {
            EventKey(row["source"], row["id"]): Reservation(row["digest"], row["receipt"], row["made"], row["lost"])
            for row in found
        }

    async def keep_receipts(self, receipts: Mapping[EventKey, Promise]) -> dict[EventKey, bytes]:
        """Store the receipts and give those that stand: the first stored for an event is its receipt."""
        keys = sorted(receipts)
        rows = await self._fetch(
            _KEEP_RECEIPTS,
            [key.source for key in keys],
            [key.id for key in keys],
            [receipts[key].value for key in keys],
            [receipts[key].due_ms for key in keys],
            STEP_MS,
        )
        return {EventKey(row["source"], row["id"]): row["receipt"] for row in rows}

    async def reservation(self, key: EventKey) -> Reserved | None:
        """The reservation of one event."""
        for row in await self._fetch(_RESERVATION, key.source, key.id):
            return Reserved(row["digest"], row["caseid"], row["receipt"])
        return None

    async def arrival(self, key: EventKey) -> Arrival | None:
        """Where one event stands in raw, once the normaliser has taken it."""
        for row in await self._fetch(_ARRIVAL, key.source, key.id):
            return Arrival(row["partition"], row["rawgen"], row["rawpos"], row["caseid"], row["digest"])
        return None

    async def fate(self, key: EventKey, arrival: Arrival | None) -> Fate:
        """Whether a block holds the raw record that speaks for an event, and whether its receipt was broken."""
        place = (None, None, None) if arrival is None else (arrival.partition, arrival.rawgen, arrival.rawpos)
        for row in await self._fetch(_FATE, key.source, key.id, *place):
            return Fate(row["sealed"], row["broken"])
        return Fate(sealed=False, broken=False)

    async def rejection(self, key: EventKey) -> Rejection | None:
        """The last sealed reject of that name."""
        for row in await self._fetch(_REJECTED, key.source, key.id):
            return Rejection(*row)
        return None

    async def claim(self, claims: Sequence[Claim], partition: int, rawgen: int) -> dict[EventKey, Holder]:
        """Who speaks for each event: the first raw record written. Within a batch the lowest position tries."""
        first: dict[EventKey, Claim] = {}
        for claim in claims:
            first.setdefault(claim.key, claim)
        # Sorted, so that two normalisers that claim the same events cannot wait for each other.
        rows = [first[key] for key in sorted(first)]
        sources, ids = [claim.key.source for claim in rows], [claim.key.id for claim in rows]
        found = await self._fetch(
            _CLAIM,
            sources,
            ids,
            [claim.rawpos for claim in rows],
            [claim.caseid for claim in rows],
            [claim.sourcedigest for claim in rows],
            [claim.digest for claim in rows],
            partition,
            rawgen,
        )
        if len(found) < len(rows):
            found = await self._fetch(_CLAIMED, sources, ids)
        return {EventKey(row[0], row[1]): Holder(*tuple(row)[2:]) for row in found}

    async def rebuilt_generation(self) -> int:
        """The generation of the log that dedup is of."""
        for row in await self._fetch(_REBUILT):
            return int(row["generation"])
        return 0

    async def people(self, wanted: Iterable[RegistryRef]) -> dict[RegistryRef, str]:
        """The random reference of each person; one who has none gets one."""
        found: dict[RegistryRef, str] = {}
        missing: set[RegistryRef] = set()
        for person in wanted:
            ref = self._people.get(person)
            if ref is None:
                missing.add(person)
            else:
                found[person] = ref
        if missing:
            # Sorted, so that two processes that meet the same people cannot wait for each other.
            by_key = dict(sorted((_person_key(person), person) for person in missing))
            rows = by_key.values()
            answer = await self._fetch(
                _PEOPLE,
                list(by_key),
                [row.byname for row in rows],
                [row.scope for row in rows],
                [row.value for row in rows],
                [register_id(row, secrets.token_hex(16)) for row in rows],
            )
            if len(answer) < len(by_key):
                answer = await self._fetch(_KNOWN_PEOPLE, list(by_key))
            for key, ref in answer:
                found[by_key[key]] = self._people[by_key[key]] = ref
            while len(self._people) > CACHED_PEOPLE:
                self._people.popitem(last=False)
        return found

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await self._pool.fetch(query, *arguments)
        except DATABASE_ERRORS as error:
            raise DatabaseAway("database", f"no answer ({error!r})", "see that it is up and migrated") from error


def _person_key(person: RegistryRef) -> bytes:
    return hashlib.sha256(canonical.encode(list(person))).digest()
