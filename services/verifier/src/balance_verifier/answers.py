"""The shapes of the API's answers: projection rows in, JSON-ready values out. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from balance_verify.keyset import LOG, KeySet

from balance_verifier.logcheck import genesis_of
from balance_verifier.proofs import state_of
from balance_verifier.queries import FoundBlock, FoundEvent, FoundFinding, LogStatus, ShardStatus


def event_path(source: str, id: str) -> str:
    """The path of an event; the source is a URI and is percent-encoded as one segment."""
    return f"/v1/events/{quote(source, safe='')}/{quote(id, safe='')}"


def event_json(event: FoundEvent, *, whole: bool = False) -> dict[str, Any]:
    """An event and how far it has come; `whole` adds its content."""
    sealed = event.height is not None and event.from_pos is not None
    block = {
        "shard": event.shard,
        "height": event.height,
        "index": event.pos - (event.from_pos or 0),
        "time": event.block_time,
        "log_index": event.log_index,
    }
    answer: dict[str, Any] = {
        "source": event.source,
        "id": event.id,
        "type": event.type,
        "caseid": event.caseid,
        "time": event.time,
        "receivedtime": event.received,
        "shard": event.shard,
        "offset": event.pos,
        "counts": event.counts,
        "leaf": event.leaf.hex(),
        "state": state_of(event),
        "block": block if sealed else None,
        "links": {
            "self": event_path(event.source, event.id),
            "proof": event_path(event.source, event.id) + "/proof",
            "certificate": event_path(event.source, event.id) + "/certificate",
        },
    }
    if whole:
        answer["event"] = msgspec.Raw(event.value)
    return answer


def block_json(block: FoundBlock) -> dict[str, Any]:
    """A recomputed block."""
    return {
        "shard": block.shard,
        "height": block.height,
        "offset": block.pos,
        "from": block.from_pos,
        "count": block.count,
        "start": block.start,
        "time": block.time,
        "root": block.root.hex(),
        "log_index": block.log_index,
        "verified": True,
    }


def finding_json(finding: FoundFinding) -> dict[str, Any]:
    """A fault found in the log."""
    return {name: getattr(finding, name) for name in FoundFinding.__struct_fields__}


def status_json(origin: str, shards: list[ShardStatus], log: LogStatus, findings: Mapping[str, int]) -> dict[str, Any]:
    """The numbers that the demo and operators look at."""
    return {
        "origin": origin,
        "shards": [{name: getattr(shard, name) for name in ShardStatus.__struct_fields__} for shard in shards],
        "events": sum(shard.events for shard in shards),
        "counting": sum(shard.counting for shard in shards),
        "sealed": sum(shard.sealed for shard in shards),
        "blocks_verified": sum(shard.height + 1 for shard in shards),
        "blocks_covered": sum(shard.covered_height + 1 for shard in shards),
        "log": {
            "size": log.size,
            "root": log.root.hex(),
            "checkpoints": log.checkpoints,
            "final_size": log.final_size,
            "cosigners": list(log.cosigners),
            "next": log.next,
            "genesis": bool(log.genesis),
            "ended": log.ended,
        },
        "follows": _follows(log),
        "findings": {"total": sum(findings.values()), "by_code": dict(findings)},
    }


def _follows(log: LogStatus) -> dict[str, Any] | None:
    """The log that this one goes on from, as its genesis entry names it."""
    before = genesis_of(log.genesis).follows if log.genesis else None
    return {"origin": before.origin, "size": before.size, "root": before.root} if before else None


def keys_json(origin: str, log_vkey: str, keys: KeySet | None) -> dict[str, Any]:
    """Every public key and the log sizes between which it holds: `until_size` null means still."""
    held = [(str(key.vkey), keys.role(key.vkey), key.from_size, key.until_size) for key in keys.keys] if keys else []
    if log_vkey not in [vkey for vkey, *_ in held]:
        held.insert(0, (log_vkey, LOG, 0, None))
    return {
        "origin": origin,
        "keys": [
            {"vkey": vkey, "role": role, "from_size": from_size, "until_size": until}
            for vkey, role, from_size, until in held
        ],
    }


def cursor(*parts: str | int) -> str:
    """An opaque place in a list, to go on from."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def parse_cursor(text: str) -> tuple[str, int, int] | None:
    """(time, number, number) of a cursor; None where it is not one of ours."""
    try:
        padded = text + "=" * (-len(text) % 4)
        time, first, second = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, UnicodeError, binascii.Error):
        return None
    if not (isinstance(time, str) and type(first) is int and type(second) is int):
        return None
    if "\0" in time or not (-(2**31) <= first < 2**31 and -(2**63) <= second < 2**63):
        return None
    return time, first, second
