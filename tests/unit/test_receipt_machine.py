"""However the log, gateways and their clocks behave, a receipt's promise is kept or told broken, and a kept one is not.

The coroutine that follows the log and judges (`ReceiptKeeper._follow`, with its SealFollower and receiptstore) is
played step by step over a model of Kafka and of its tables. Gateways sign a promise and store it later; their clocks
and the judge's go ahead and behind; the judge lags, dies, is frozen, and runs twice. What the SQL itself says is tested
on PostgreSQL (tests/pipeline/test_receipt_judging.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch

from balance_chain.core.topics import EVENTS
from balance_chain.runtime.health import Health
from balance_intake import receiptkeeper, receiptstore
from balance_intake.receiptkeeper import ReceiptKeeper
from balance_intake.sealing import Seal, SealedShard
from balance_intake.settings import GatewaySettings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support.modelkafka import ModelPartition, ModelTopicReader
from support.schedules import schedules
from support.smallledger import ORIGIN, SOURCE, START_MS, SmallLedger
from support.stepping import Played, step

SHARDS = 2
KEEPERS = 2
SECOND = 1000
MINUTE = 60 * SECOND
STEPS_TO_SETTLE = 2000
GONE = ConnectionResetError("the connection is gone")


@dataclass
class Promised:
    """A signed promise; stored or still in its gateway's hands."""

    id: str
    due: int
    shard: int
    rawpos: int


@dataclass
class Tables:
    """What the keeper writes, in transactions."""

    judged: int | None = None
    sealed: dict[int, SealedShard] = field(default_factory=dict)
    seals: list[Seal] = field(default_factory=list)
    broken: dict[str, dict[str, Any]] = field(default_factory=dict)


class Database:
    """PostgreSQL: one transaction at a time, carried out whole or not at all, and its answer may be lost."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.reservation: dict[str, Promised] = {}
        self.dedup: dict[str, tuple[int, int]] = {}
        self.locked = False
        self.reservation_locked = False

    def keep(self, promise: Promised) -> None:
        """The gateway stores a receipt: `_KEEP_RECEIPTS` of repository.py."""
        self.reservation.setdefault(promise.id, promise)
        judged = self.tables.judged
        if judged is not None and promise.due <= judged + receiptstore.STEP_MS:
            self.tables.judged = min(judged, promise.due - 1)

    def waits(self, promise: Promised) -> bool:
        """Whether `keep` would wait for a transaction that holds the row of `judged`."""
        judged = self.tables.judged
        looked_at = judged is not None and promise.due <= judged + receiptstore.STEP_MS
        return self.reservation_locked or (self.locked and looked_at)

    def due(self, since: int, until: int) -> list[Promised]:
        return [each for each in self.reservation.values() if since < each.due <= until]

    def look(self, since: int, until: int) -> list[tuple[Any, ...]]:
        """What receiptstore asks in `_JUDGE`."""
        rows: list[tuple[Any, ...]] = []
        for each in self.due(since, until):
            shard, rawpos = self.dedup.get(each.id, (None, 0))
            found = [seal for seal in self.tables.seals if seal.shard == shard and seal.rawpos >= rawpos]
            seal = min(found, key=lambda seal: (seal.rawpos, seal.height), default=None)
            if seal is None or seal.time > each.due:
                sealed = (None, None) if seal is None else (seal.time, seal.height)
                rows.append((SOURCE, each.id, each.due, shard, *sealed))
        return rows


class Connection:
    """A connection as receiptstore asks it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._holds = False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        database = self._database
        await self._free()
        database.locked = self._holds = True
        before = deepcopy(database.tables)
        try:
            yield
            after, database.tables = database.tables, before
            outcome = await step("commit")
            if outcome == "lost":
                raise GONE
            before = after
            if outcome == "unanswered":
                raise GONE
        finally:
            database.tables = before
            database.locked = database.reservation_locked = self._holds = False

    async def _free(self) -> None:
        while self._database.locked and not self._holds:
            await step("lock")

    async def fetchrow(self, query: str, shard: int) -> Any:
        assert "FROM sealed_shard" in query
        state = self._database.tables.sealed.get(shard)
        return None if state is None else {name: getattr(state, name) for name in state.__struct_fields__}

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        database = self._database
        if query.startswith("SELECT due FROM judged"):
            return database.tables.judged
        if query.startswith("SELECT min(due)"):
            return min((each.due for each in database.reservation.values()), default=None)
        assert query.startswith("SELECT count(*) FROM reservation"), query
        return len(database.due(*arguments))

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        database = self._database
        if query == receiptstore._JUDGE:
            return database.look(*arguments)
        assert query.startswith("SELECT b.source"), query
        rows = [each for each in database.tables.broken.values() if not each["published"]]
        return [Row(each) for each in sorted(rows, key=lambda each: (each["found"], each["id"]))]

    async def execute(self, query: str, *arguments: Any) -> str:
        tables = self._database.tables
        if query.startswith("INSERT INTO sealed_shard"):
            *values, expected = arguments
            state = SealedShard(**dict(zip(SealedShard.__struct_fields__, values, strict=True)))
            known = tables.sealed.get(state.shard)
            if known is not None and known.blocks_next != expected:
                return "INSERT 0 0"
            tables.sealed[state.shard] = state
            return "INSERT 0 1"
        if query == receiptstore._PRUNE:
            self._prune(*arguments)
        elif query.startswith("LOCK TABLE reservation"):
            self._database.reservation_locked = True
        elif "judged" in query:
            tables.judged = arguments[0]
        return ""

    def _prune(self, until: int) -> None:
        tables = self._database.tables
        old = [seal for seal in tables.seals if seal.time <= until]
        for seal in old:
            place = (seal.rawpos, seal.height)
            if any(each.shard == seal.shard and (each.rawpos, each.height) > place for each in old):
                tables.seals.remove(seal)

    async def executemany(self, query: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await self._free()
        broken = self._database.tables.broken
        if query.startswith("UPDATE broken_receipt"):
            for _, id_ in rows:
                broken[id_]["published"] = True
            return
        for source, id_, due, shard, sealed, height, found in rows:
            row = {"source": source, "id": id_, "due": due, "shard": shard, "sealed": sealed, "height": height}
            broken.setdefault(id_, {**row, "receipt": b'{"s":"x"}', "found": found, "published": False})

    async def copy_records_to_table(self, table: str, *, columns: object, records: Any) -> None:
        if table == "seal":
            self._database.tables.seals += [Seal(*record) for record in records]


class Row(dict[str, Any]):
    """A row as asyncpg gives it: iterated by value."""

    def __iter__(self) -> Any:
        names = ("source", "id", "due", "shard", "sealed", "height", "receipt", "found")
        return iter([self[name] for name in names])


class Keys:
    """A log whose keys never changed."""

    def __init__(self, ledger: SmallLedger) -> None:
        self.history = SimpleNamespace(
            sealers=lambda shard, height: (ledger.sealer_key.vkey,), generation=lambda shard, height: 0
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def refresh(self) -> None:
        return


class Alerts:
    """The producer to `integrity.alerts`."""

    def __init__(self, told: list[tuple[bytes, bytes]]) -> None:
        self._told = told

    async def start(self) -> None:
        return

    async def send_and_wait(self, _topic: str, value: bytes, *, key: bytes, partition: int) -> None:
        outcome = await step("alert")
        if outcome != "lost":
            self._told.append((key, value))
        if outcome is not None:
            raise GONE


async def at_once(waited: Any, *_: object) -> Any:
    """Stands for what bounds a wait."""
    return await waited


async def nothing(*_: object) -> None:
    """Stands for what has no effect here."""


async def begun(_settings: object) -> bool:
    return True


class Receipts(RuleBasedStateMachine):
    """Any interleaving of promises, blocks, clocks and keepers."""

    shard = st.integers(0, SHARDS - 1)
    number = st.integers(0, KEEPERS - 1)

    def __init__(self) -> None:
        super().__init__()
        self.ledger = SmallLedger.of_seed(shards=SHARDS)
        self.now = START_MS
        self.ahead = {"gateway": 0, "keeper": 0}
        self.was_ahead = False
        self.events = [ModelPartition() for _ in range(SHARDS)]
        self.blocks = [ModelPartition() for _ in range(SHARDS)]
        self.raw: list[list[Promised]] = [[] for _ in range(SHARDS)]
        self.sealed_at: dict[str, int] = {}
        self.unsealed: list[list[str]] = [[] for _ in range(SHARDS)]
        self.signed: list[Promised] = []
        self.database = Database()
        self.told: list[tuple[bytes, bytes]] = []
        self.ids = count()
        self.ticks = count()
        self.played: list[Played | None] = [None] * KEEPERS
        self.settings = GatewaySettings(partitions=SHARDS, origin=ORIGIN, receipt_seconds=60, receipt_slack_seconds=30)
        self.slack = int(self.settings.receipt_slack_seconds * SECOND)
        self.patches = contextlib.ExitStack()
        for name, model in (
            ("TopicReader", self._reader),
            ("KeyWatch", lambda *_: Keys(self.ledger)),
            ("AIOKafkaProducer", lambda **_: Alerts(self.told)),
            ("in_time", at_once),
            ("end_producer", nothing),
            ("has_begun", begun),
            ("_log", SimpleNamespace(error=lambda *_, **__: None)),
            ("time", SimpleNamespace(monotonic=lambda: float(next(self.ticks) * 10))),
        ):
            self.patches.enter_context(patch.object(receiptkeeper, name, model))

    def teardown(self) -> None:
        """Once clocks are right and what is due has been looked at, each promise was kept or is on the topic."""
        try:
            self.ahead = {"gateway": 0, "keeper": 0}
            self._kill_all()
            while self.signed:
                self.store(0)
            self.now += 25 * MINUTE
            for _ in range(STEPS_TO_SETTLE):
                self.go_on(0, 1)
                if self.database.tables.judged == self.now - self.slack and self.played[0].waits_for == "read":  # type: ignore[union-attr]
                    break
            else:
                raise AssertionError("never looked at")
            told = dict(self.told)
            assert len(told) == len(set(self.told)), "one promise was told in two ways"
            texts = b"".join(told.values()).decode()
            for each in self.database.reservation.values():
                kept = self._kept(each)
                assert kept or f'/{each.id}"' in texts, f"{each.id} was broken and nobody told"
        finally:
            self._kill_all()
            self.patches.close()

    def _kept(self, promise: Promised) -> bool:
        return self.sealed_at.get(promise.id, promise.due + 1) <= promise.due

    def _reader(self, settings: GatewaySettings, topic: str, starts: dict[int, int], pace: float) -> ModelTopicReader:
        return ModelTopicReader(self.events if topic == EVENTS else self.blocks, starts)

    def _clock(self, whose: str) -> int:
        return self.now + self.ahead[whose]

    def _kill_all(self) -> None:
        for number, played in enumerate(self.played):
            if played is not None:
                played.kill()
            self.played[number] = None

    def _start(self, number: int) -> None:
        keys = SimpleNamespace(log_vkey=self.ledger.log_key.vkey)
        keeper = ReceiptKeeper(self.settings, keys, None, Health(), lambda: self._clock("keeper") / SECOND)  # type: ignore[arg-type]
        stop = SimpleNamespace(is_set=lambda: False)
        self._after(number, Played(keeper._follow(Connection(self.database), stop)))  # type: ignore[arg-type]

    def _after(self, number: int, played: Played) -> None:
        self.played[number] = None if played.ended else played

    @rule(shard=shard)
    def sign(self, shard: int) -> None:
        """An event is on raw, and a gateway has signed its receipt."""
        due = self._clock("gateway") + int(self.settings.receipt_seconds * SECOND)
        promise = Promised(f"p-{next(self.ids)}", due, shard, len(self.raw[shard]))
        self.raw[shard].append(promise)
        self.signed.append(promise)

    @precondition(lambda self: self.signed)
    @rule(which=st.integers(0, 9))
    def store(self, which: int) -> None:
        """A receipt is stored, at once or after its gateway stood still; then its holder has it."""
        promise = self.signed[which % len(self.signed)]
        if not self.database.waits(promise):
            self.signed.remove(promise)
            self.database.keep(promise)

    @rule(shard=shard, most=st.integers(1, 4))
    def normalise(self, shard: int, most: int) -> None:
        done = len(self.ledger.events[shard])
        for promise in self.raw[shard][done : done + most]:
            self.database.dedup[promise.id] = (shard, promise.rawpos)
            self.ledger.add_event(shard, id=promise.id, received_ms=self.now)
            self.events[shard].store(self.ledger.events[shard][-1])
            self.unsealed[shard].append(promise.id)

    @rule(shard=shard)
    def seal(self, shard: int) -> None:
        if self.unsealed[shard]:
            self.now += 1
            self.ledger.now_ms = self.now - 1
            self.blocks[shard].store(self.ledger.seal(shard))
            self.sealed_at |= dict.fromkeys(self.unsealed[shard], self.now)
            self.unsealed[shard] = []

    @rule(shard=shard)
    def all_goes_well(self, shard: int) -> None:
        """The usual case: signed, stored, normalised, sealed at once."""
        self.sign(shard)
        self.store(len(self.signed) - 1)
        self.normalise(shard, len(self.raw[shard]))
        self.seal(shard)

    @rule(shard=shard, number=number, steps=st.integers(3, 12))
    def the_follower_lags(self, shard: int, number: int, steps: int) -> None:
        """What was promised is sealed in time, and the keeper reads nothing of it until it is due."""
        self.all_goes_well(shard)
        self.time_passes(95)
        self.go_on(number, steps, 0)

    @rule(seconds=st.sampled_from([1, 20, 59, 61, 95, 300]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(whose=st.sampled_from(["gateway", "keeper"]), minutes=st.sampled_from([0, 0, 0, 0, -3, -3, 20]))
    def step_a_clock(self, whose: str, minutes: int) -> None:
        """Somebody's clock goes wrong, or right again."""
        self.ahead[whose] = minutes * MINUTE
        self.was_ahead |= self.ahead["keeper"] > 0

    @rule(number=number, steps=st.sampled_from([1, 3, 10, 30]), most=st.sampled_from([None, None, 1, 0]))
    def go_on(self, number: int, steps: int, most: int | None = None) -> None:
        """All goes well for some steps; a read gives `most` records of a partition, none where Kafka is slow."""
        for _ in range(steps):
            played = self.played[number]
            if played is None:
                self._start(number)
            else:
                played.go(most if played.waits_for == "read" else None)
                self._after(number, played)

    @rule(
        number=number,
        upto=st.sampled_from(["commit", "alert", "ends"]),
        outcome=st.sampled_from(["lost", "unanswered", "frozen", "dies"]),
    )
    def go_wrong(self, number: int, upto: str, outcome: str) -> None:
        """It comes to a statement or a record; that does not happen, or happens without its being told, or late."""
        for _ in range(12):
            played = self.played[number]
            if played is not None and played.waits_for == upto:
                break
            self.go_on(number, 1)
        played = self.played[number]
        if played is None or outcome == "frozen":
            return
        if outcome == "dies":
            played.kill()
            self.played[number] = None
        elif played.waits_for in ("commit", "alert"):
            played.go(outcome)
            self._after(number, played)

    @invariant()
    def no_kept_promise_is_called_broken(self) -> None:
        for id_ in self.database.tables.broken:
            assert self.was_ahead or not self._kept(self.database.reservation[id_]), f"{id_} was kept"


def test_every_promise_is_kept_or_told_broken_whatever_happens_to_gateways_clocks_and_keepers() -> None:
    run_state_machine_as_test(Receipts, settings=schedules(400, 35))
