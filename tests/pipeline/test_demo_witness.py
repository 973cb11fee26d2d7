"""The demo's own witness: a proof taken from the running product is final by the policy file beside the keys."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from balance_local.demosources import register_demo_sources
from balance_local.stack import Ports, Stack, StackOptions
from balance_verify.__main__ import main
from support.ports import free_ports
from support.waiting import wait_until


async def test_a_proof_is_final_by_the_policy_of_the_demos_witness(
    kafka: str, database: str, short_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALANCE_KAFKA", kafka)
    monkeypatch.setenv("BALANCE_DATABASE", database)
    *ports, witness = free_ports(9)
    prefix = f"w{ports[0]}."
    options = StackOptions(
        data=short_folder, ports=Ports(*ports), topic_prefix=prefix, witness_port=witness, partitions=1
    )
    only = frozenset({"normaliser", "sealer", "notary", "verifier", "verifier-api", "witness"})
    async with Stack(options, register_sources=register_demo_sources) as stack:
        await stack.start(only)
        async with httpx.AsyncClient(base_url=stack.urls.verifier, timeout=10, trust_env=False) as client:

            async def tick() -> bytes | None:
                """A proof of the first tick, which comes by itself, under a final checkpoint."""
                status = (await client.get("/v1/status")).json()
                if not status["log"]["final_size"] > 1:
                    return None
                name = f"{quote(f'urn:balance:{options.origin}', safe='')}/0-0-0"
                found = await client.get(f"/v1/events/{name}/proof")
                return found.content if found.status_code == 200 else None

            bundle = await wait_until(tick, 90, "a final checkpoint over a tick")
        file = short_folder / "tick.proof.json"
        file.write_bytes(bundle)
        assert main([str(file), "--policy", str(stack.policy_file), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["finality"].startswith("final by the policy: 1 of 1 witnesses cosigned (local)")
