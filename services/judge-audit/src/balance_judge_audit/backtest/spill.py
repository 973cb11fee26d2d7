"""Where a back-test keeps what it remembers: a private temporary file of SQLite, so that memory does not grow with
history.

One file a side. It is gone when it is closed, or when the process ends.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Final, Self

import msgspec
from balance_chain.core.times import parse_ms

from balance_judge_audit.engine.across import KeyState
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.facts import CaseState

CACHE_KIB: Final = 32 * 1024
_SCHEMA: Final = """
CREATE TABLE case_state (caseid TEXT PRIMARY KEY, shard INTEGER NOT NULL, state BLOB NOT NULL, wake INTEGER)
  WITHOUT ROWID;
CREATE INDEX case_wake ON case_state (shard, wake) WHERE wake IS NOT NULL;
CREATE TABLE key_state (key TEXT PRIMARY KEY, state BLOB NOT NULL, wake INTEGER) WITHOUT ROWID;
CREATE INDEX key_wake ON key_state (wake) WHERE wake IS NOT NULL;
CREATE TABLE alert (subject TEXT NOT NULL, start TEXT NOT NULL, raised INTEGER NOT NULL, revision INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (subject, start)) WITHOUT ROWID;
CREATE INDEX alert_raised ON alert (raised);
"""

_pack: Final = msgspec.msgpack.Encoder()
_case: Final = msgspec.msgpack.Decoder(CaseState)
_key: msgspec.msgpack.Decoder[KeyState] = msgspec.msgpack.Decoder(KeyState)
_said: Final = msgspec.msgpack.Decoder(Revision)


class Spill:
    """One side's case states, states across cases, and what was said last of each episode."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._file.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def load_cases(self, shard: int, wanted: Iterable[str], before: int) -> dict[str, CaseState]:
        """These cases, and all of the shard whose timers ledger time is about to pass."""
        found = {
            row[0]: _case.decode(row[1])
            for row in self._file.execute(
                "SELECT caseid, state FROM case_state WHERE shard = ? AND wake < ?", (shard, before)
            )
        }
        for caseid in wanted:
            if caseid not in found:
                row = self._file.execute("SELECT state FROM case_state WHERE caseid = ?", (caseid,)).fetchone()
                if row is not None:
                    found[caseid] = _case.decode(row[0])
        return found

    def open_cases(self, shard: int, courts: Collection[str]) -> dict[str, CaseState]:
        """The cases of these courts in which something is waited for or an alert stands."""
        rows = self._file.execute("SELECT caseid, state FROM case_state WHERE shard = ?", (shard,))
        read = ((caseid, _case.decode(state)) for caseid, state in rows)
        return {caseid: state for caseid, state in read if state.court in courts and state.open}

    def save_cases(self, shard: int, cases: Mapping[str, CaseState], touched: Iterable[str], grace_ms: int) -> None:
        """Writes back the cases that changed."""
        self._write(
            "INSERT OR REPLACE INTO case_state VALUES (?, ?, ?, ?)",
            [(name, shard, _pack.encode(cases[name]), cases[name].wake(grace_ms)) for name in touched],
        )

    def load_keys(self, keys: Iterable[str], before: int) -> dict[str, KeyState]:
        """These states of rules across cases, and those that are due."""
        found = {
            row[0]: _key.decode(row[1])
            for row in self._file.execute("SELECT key, state FROM key_state WHERE wake < ?", (before,))
        }
        for key in keys:
            if key not in found:
                row = self._file.execute("SELECT state FROM key_state WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    found[key] = _key.decode(row[0])
        return found

    def save_keys(self, states: Mapping[str, tuple[KeyState, int | None]]) -> None:
        """Writes them back, each with its next timer."""
        self._write(
            "INSERT OR REPLACE INTO key_state VALUES (?, ?, ?)",
            [(key, _pack.encode(state), wake) for key, (state, wake) in states.items()],
        )

    def drop_keys(self, keys: Iterable[str]) -> None:
        """Takes out states that have served."""
        self._write("DELETE FROM key_state WHERE key = ?", [(key,) for key in keys])

    def say(self, revisions: Iterable[Revision]) -> None:
        """Keeps the last revision of each episode that was ever more than a private warning, and when it first was."""
        self._write(
            "INSERT INTO alert VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject, start)"
            " DO UPDATE SET revision = excluded.revision, body = excluded.body",
            [
                (each.subject, each.start, parse_ms(each.judged), each.revision, _pack.encode(each))
                for each in revisions
                if not each.private
            ],
        )

    def said(self, since: int, until: int) -> Iterator[tuple[int, Revision]]:
        """What was first raised within this time, in order of subject and start."""
        rows = self._file.execute(
            "SELECT raised, body FROM alert WHERE raised >= ? AND raised < ? ORDER BY subject, start", (since, until)
        )
        for raised, body in rows:
            yield raised, _said.decode(body)

    def _write(self, statement: str, rows: list[tuple[object, ...]]) -> None:
        if rows:
            self._file.execute("BEGIN")
            self._file.executemany(statement, rows)
            self._file.execute("COMMIT")
