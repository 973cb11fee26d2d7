"""An operator finds what was refused, reads why in both languages, and sends it again without changing the past."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from balance_chain.core.keys import KeyDirectory
from balance_chain.core.rejects import EXPLANATIONS, REMEDIES, Reason
from balance_chain.runtime.settings import CommonSettings
from balance_local.children import script_argv
from balance_local.stack import environment
from support.intake import (
    HTTP_SOURCE,
    HTTP_TOKEN,
    KAFKA_SOURCE,
    an_event,
    as_bytes,
    put_raw,
    read_events,
    shard_of,
    signed,
    vouched,
    write_sources,
)
from support.ports import free_ports
from support.processes import Processes
from support.waiting import wait_until

PATIENCE_SECONDS = 90


def test_every_reason_is_explained_in_both_languages() -> None:
    assert EXPLANATIONS.keys() == set(Reason) == REMEDIES.keys()
    assert all(all(texts) for texts in EXPLANATIONS.values())


async def rejects(settings: CommonSettings, *arguments: str) -> tuple[int, str]:
    """Run `balance-chain rejects …`; exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *script_argv("balance-chain", "rejects", *arguments),
        env=environment(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    return process.returncode or 0, out.decode()


async def listed(settings: CommonSettings, *arguments: str) -> list[dict[str, Any]]:
    code, out = await rejects(settings, "list", "--json", *arguments)
    assert code == 0, out
    return [json.loads(line) for line in out.splitlines()]


async def test_rejects_are_listed_explained_and_sent_again(
    topics: CommonSettings, processes: Processes, keys: KeyDirectory, tmp_path: Path
) -> None:
    write_sources(topics.sources)
    right = shard_of(topics)
    strayed = as_bytes(an_event(1, source=KAFKA_SOURCE))
    broken = as_bytes(an_event(2, data={"amount": "much"}))
    await put_raw(
        topics,
        [(1 - right, strayed, signed(strayed)), (right, broken, vouched(broken, keys.gateway_mac)), (right, b"{", [])],
    )
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    gateway = processes.start(
        "balance-intake", "gateway", settings=topics, ready_url=f"{url}/readyz", env={"port": port}
    )
    processes.start("balance-intake", "normaliser", "--genesis", settings=topics, env={"tick_after_seconds": 600})

    async def events() -> list[Any]:
        return [event for shard in range(topics.partitions) for event in await read_events(topics, shard)]

    await wait_until(lambda: _count(events, 3), PATIENCE_SECONDS)
    found = {each["reason"]: each for each in await listed(topics)}
    assert found.keys() == {"wrong_partition", "field_invalid", "header_missing"}
    assert found["wrong_partition"]["right_partition"] == right
    assert [each["id"] for each in await listed(topics, "--source", HTTP_SOURCE)] == ["e-2"]
    assert await listed(topics, "--until", "2001-01-01") == []

    invalid = found["field_invalid"]["name"]
    code, out = await rejects(topics, "show", invalid)
    assert code == 0
    for text in ("/data/amount", EXPLANATIONS[Reason.FIELD_INVALID][1], REMEDIES[Reason.FIELD_INVALID]):
        assert text in out

    # What was right but in the wrong place is put in its place; what is wrong is not sent again as it is.
    code, out = await rejects(topics, "resend", found["wrong_partition"]["name"])
    assert code == 0, out
    code, out = await rejects(topics, "resend", invalid)
    assert code == 1
    assert "would be refused again" in out
    await gateway.ready(PATIENCE_SECONDS)
    corrected = tmp_path / "corrected.json"
    corrected.write_bytes(as_bytes(an_event(2)))
    code, out = await rejects(topics, "resend", invalid, "--file", str(corrected), "--token", HTTP_TOKEN, "--url", url)
    assert code == 0, out
    await wait_until(lambda: _count(events, 5), PATIENCE_SECONDS)
    accepted = {(event.source, event.id) for event in await events() if not event.is_rejected}
    assert accepted == {(KAFKA_SOURCE, "e-1"), (HTTP_SOURCE, "e-2")}
    assert len(await listed(topics)) == 3
    assert (await rejects(topics, "show", "9-9-9"))[0] == 1


async def _count(events: Any, wanted: int) -> bool:
    return len(await events()) == wanted
