"""What the running product hands out is checked by a sender offline: receipts, proofs and what was sent, by file."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from balance_chain.simulator import generate
from balance_verify.__main__ import main
from balance_verify.jcs import dumps
from balance_verify.tiles import parse_bundle
from support.wholestack import get_bytes, whole_stack

CASES, SEED = 4, 5
CHECKED = 12


async def test_every_promise_made_to_a_sender_is_shown_kept_and_for_what_was_sent(
    kafka: str, postgres: str, tmp_path: Path
) -> None:
    async with whole_stack(kafka, postgres) as whole:
        await whole.publish(generate(CASES, SEED).events)
        await whole.sealed()
        await whole.verified()
        verifier = whole.stack.urls.verifier
        size = int((await get_bytes(f"{verifier}/log/checkpoint")).split(b"\n")[1])
        # The genesis entry is entry 0 of the log, served like any other.
        width = min(size, 256)
        part = "" if width == 256 else f".p/{width}"
        entries = parse_bundle(await get_bytes(f"{verifier}/log/tile/entries/000{part}"), width)
        (tmp_path / "genesis").write_bytes(entries[0])
        assert whole.receipts
        for receipt in whole.receipts[:: max(1, len(whole.receipts) // CHECKED)]:
            source, id = receipt["source"], receipt["id"]
            address = f"{verifier}/v1/events/{quote(source, safe='')}/{quote(id, safe='')}"
            proof, certificate = await get_bytes(f"{address}/proof"), await get_bytes(f"{address}/certificate")
            (tmp_path / "e.proof.json").write_bytes(proof)
            (tmp_path / "receipt.json").write_bytes(dumps(receipt))
            (tmp_path / "sent.json").write_text(json.dumps(whole.published[source, id], indent=1))
            arguments = [str(tmp_path / "e.proof.json"), "--receipt", str(tmp_path / "receipt.json")]
            arguments += ["--vkey", str(whole.stack.log_vkey), "--genesis", str(tmp_path / "genesis")]
            arguments += ["--operator-only", "--against"]
            assert main([*arguments, str(tmp_path / "sent.json")]) == 0, (source, id)
            # Anything else is not what was sent.
            (tmp_path / "other.json").write_text(json.dumps({**whole.published[source, id], "id": "other"}))
            assert main([*arguments, str(tmp_path / "other.json")]) == 1
            assert b'id="bundle">' in certificate
