"""All SQL of the life of alerts in the worker's transactions: acts as they are sealed, and where each alert stands."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from balance_chain.core.times import parse_ms

from balance_judge_audit.engine.about import about
from balance_judge_audit.engine.alerts import Trigger
from balance_judge_audit.engine.escalation import RULE, Head
from balance_judge_audit.engine.life import Act, Life, Occurrence
from balance_judge_audit.engine.noted import ACTED, ASSIGNED, CLOSED, ROLE, Noted
from balance_judge_audit.repository import Connection

_triggers: Final = msgspec.json.Decoder(tuple[Trigger, ...])


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that the life of one alert is made of, and what was said of its escalations."""

    head: Head
    items: tuple[Occurrence | Act, ...]
    said: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that people have asked for."""

    event_id: str
    event: dict[str, Any]


async def note(connection: Connection, noted: Sequence[Noted], source: str) -> set[str]:
    """Keeps what a batch brought; says which alerts were acted on. Acts and roles count from our own source alone."""
    judges = [each for each in noted if each.type in ASSIGNED and each.caseid is not None]
    own = [each for each in noted if each.source == source and each.type not in ASSIGNED]
    acts = [each for each in own if each.type in (ACTED, CLOSED)]
    people = [each for each in own if each.type == ROLE and isinstance(each.content["person"], str)]
    if judges:
        await connection.execute(
            "INSERT INTO case_judge (caseid, record_offset, time, ref)"
            " SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) ON CONFLICT DO NOTHING",
            [each.caseid for each in judges],
            [each.offset for each in judges],
            [each.time for each in judges],
            [each.content["judge"] for each in judges],
        )
    for each in acts:
        event = {name: getattr(each, name) for name in ("type", "source", "id", "caseid")} | {"data": each.content}
        await connection.execute(
            "INSERT INTO alert_act (shard, record_offset, alert_id, time, leaf, event) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT DO NOTHING",
            *(each.shard, each.offset, each.content["alert_id"], each.time, each.leaf, json.dumps(event)),
        )
    for each in people:
        await connection.execute(
            "INSERT INTO person (event_id, ref) VALUES ($1, $2)"
            " ON CONFLICT (event_id) DO UPDATE SET ref = excluded.ref",
            *(each.id, each.content["person"]),
        )
    for each in own:
        refused = each.type not in (ACTED, CLOSED, ROLE)
        # What is sealed is read from the log from now on: its words are not kept twice.
        await connection.execute(
            "UPDATE action SET state = $2, answer = coalesce($3, answer), event = NULL"
            " WHERE event_id = $1 AND state <> 'sealed'",
            *(each.id, "refused" if refused else "sealed", each.content.get("reason") if refused else None),
        )
    return {each.content["alert_id"] for each in acts}


async def stories(connection: Connection, ids: Iterable[str]) -> dict[str, Story]:
    """The stories of these alerts; those that were never public, and escalations, have none."""
    names = sorted(set(ids))
    heads = await connection.fetch(
        "SELECT a.id, a.rule, a.severity, a.subject, a.courtcode, coalesce(l.said, '{}') AS said"
        " FROM alert a LEFT JOIN alert_life l ON l.alert_id = a.id"
        " WHERE a.id = ANY($1::text[]) AND NOT a.private AND a.rule <> $2",
        names,
        RULE,
    )
    revisions = await connection.fetch(
        "SELECT id, revision, body->>'judged' AS judged, body->>'state' AS state, body->>'start' AS start,"
        " (body->>'shard')::integer AS shard, body->>'triggers' AS triggers"
        " FROM alert_revision WHERE id = ANY($1::text[]) AND NOT private ORDER BY id, revision",
        names,
    )
    acts = await connection.fetch(
        "SELECT alert_id, shard, record_offset, time, event FROM alert_act WHERE alert_id = ANY($1::text[])", names
    )
    judges = await connection.fetch(
        "SELECT caseid, time, ref FROM case_judge WHERE caseid = ANY($1::text[]) ORDER BY caseid, record_offset",
        sorted({row["subject"] for row in heads}),
    )
    found: dict[str, Story] = {}
    said, done = _by(revisions, "id"), _by(acts, "alert_id")
    responsible = _by(judges, "caseid")
    for row in heads:
        own = said[row["id"]]
        assigned = [(each["time"], each["ref"]) for each in responsible[row["subject"]]]
        items: list[Occurrence | Act] = [_occurrence(each, row["subject"], assigned) for each in own]
        items += [act_of(each) for each in done[row["id"]]]
        last = own[-1]
        head = Head(
            *(row["id"], row["rule"], row["severity"], row["subject"], last["start"], row["courtcode"], last["shard"]),
            _triggers.decode(last["triggers"]),
        )
        found[row["id"]] = Story(head, tuple(items), tuple(row["said"]))
    return found


def _by(rows: Iterable[Mapping[str, Any]], name: str) -> defaultdict[str, list[Mapping[str, Any]]]:
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _occurrence(row: Mapping[str, Any], subject: str, assigned: Sequence[tuple[int, str]]) -> Occurrence:
    time = parse_ms(row["judged"])
    judges = [ref for since, ref in assigned if since <= time]
    whom = about(subject, row["start"], _triggers.decode(row["triggers"]), judges)
    return Occurrence(time, row["revision"], row["state"], whom)


def act_of(row: Mapping[str, Any]) -> Act:
    """A sealed act as the fold takes it."""
    event = json.loads(row["event"])
    data = event["data"]
    closes = event["type"] == CLOSED
    return Act(
        time=row["time"],
        shard=row["shard"],
        offset=row["record_offset"],
        id=event["id"],
        name="close" if closes else str(data.get("act")),
        actor=data.get("actor"),
        verdict=data.get("verdict"),
        assignee=data.get("assignee"),
        revision=data.get("revision"),
        cause=data.get("cause"),
        reasoned=("note" if closes else "reason") in data,
    )


async def waiting_actions(connection: Connection, most: int) -> list[Waiting]:
    """What people have asked to be sealed and is not on its way yet, in the order in which it was asked for."""
    rows = await connection.fetch(
        "SELECT event_id, event FROM action a WHERE state = 'pending'"
        " AND NOT EXISTS (SELECT FROM own_event o WHERE o.id = a.event_id) ORDER BY number LIMIT $1",
        most,
    )
    return [Waiting(row["event_id"], json.loads(row["event"])) for row in rows]


async def settle_action(connection: Connection, event_id: str, state: str, answer: str | None) -> None:
    """What the gateway said to it; what was sealed meanwhile stays sealed."""
    await connection.execute(
        "UPDATE action SET state = CASE state WHEN 'pending' THEN $2 ELSE state END, answer = $3 WHERE event_id = $1",
        *(event_id, state, answer),
    )


async def due(connection: Connection, before: int, most: int) -> list[str]:
    """Alerts of which there is something to say before this ledger time."""
    rows = await connection.fetch(
        "SELECT alert_id FROM alert_life WHERE wake < $1 ORDER BY wake, alert_id LIMIT $2", before, most
    )
    return [row["alert_id"] for row in rows]


async def store(connection: Connection, lives: Mapping[str, tuple[Life, Sequence[int], int | None]]) -> None:
    """Writes where these alerts stand, what was said of their escalations, and when there is more."""
    await connection.executemany(
        "INSERT INTO alert_life (alert_id, stage, level, assignee, subjects, said, wake)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (alert_id) DO UPDATE SET stage = excluded.stage, level = excluded.level,"
        " assignee = excluded.assignee, subjects = excluded.subjects, said = excluded.said, wake = excluded.wake",
        [
            (id_, life.stage, life.level, life.assignee, sorted(life.subjects), list(said), wake)
            for id_, (life, said, wake) in sorted(lives.items())
        ],
    )
