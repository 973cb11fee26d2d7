"""Names of people, and the places where they must not occur: every record of a topic, every table, every log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import asyncpg
from balance_chain.adapters.recap import Docket
from independent.reader import read_topic

SECONDS = 60.0
LEAST_LETTERS = 8
_SPACE = re.compile(r"\s+")


def full_names(docket: Docket) -> set[str]:
    """The names of parties, counsel and judges of two words and eight letters or more, folded."""
    names = {docket.assigned_to, docket.referred_to}
    names |= {name for party in docket.parties for name in (party.name, *party.counsel)}
    folded = {fold(name) for name in names if name}
    return {name for name in folded if len(name) >= LEAST_LETTERS and " " in name}


def invented_names(events: Iterable[dict[str, Any]]) -> set[str]:
    """Every value called `name` in the data of these events."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "name" and isinstance(inner, str):
                    found.add(fold(inner))
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for event in events:
        look(event["data"])
    return found


def names_in(names: set[str], texts: Iterable[str]) -> list[str]:
    """The names that occur in any of the texts."""
    whole = fold("\n".join(texts))
    return sorted(name for name in names if name in whole)


def fold(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()


async def texts_of_topic(kafka: str, topic: str, partitions: int) -> list[str]:
    """Value, key and headers of every record."""
    texts: list[str] = []
    for records in await read_topic(kafka, topic, partitions):
        for record in records:
            parts = [record.value, record.key, *(part for name, value in record.headers for part in (name, value))]
            texts += [as_text(part) for part in parts if part]
    return texts


async def texts_of_tables(database: str, besides: set[str]) -> list[str]:
    """Every value of every table of ours but those named, and but the case keys."""
    texts: list[str] = []
    connection = await asyncpg.connect(database, timeout=SECONDS)
    try:
        tables = await connection.fetch(
            "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
        )
        for schema, table in tables:
            if f"{schema}.{table}" not in besides:
                rows = await connection.fetch(f'select * from "{schema}"."{table}"')
                texts += [as_text(value) for row in rows for value in row.values() if value is not None]
    finally:
        await connection.close(timeout=SECONDS)
    return texts


def as_text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
