"""What a receipt is held against: the raw records that a shard's counting blocks seal, however the log is cut up."""

from __future__ import annotations

import hashlib
import json

from balance_chain.core.canonical import encode_event
from balance_chain.core.times import parse_ms
from balance_intake.receiptalerts import alert_id, alert_record
from balance_intake.sealing import Broken, SealedBatch, SealedShard, ShardSeals
from balance_verify.entry import Entry
from balance_verify.note import VerifierKey
from balance_verify.topicvalues import BlockRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from support.smallledger import ORIGIN, SmallLedger


def a_reject(ledger: SmallLedger, shard: int, rawpos: int) -> None:
    """A sealed reject of an event `bad`, in the place of the shard's last event."""
    event = ledger.add_event(shard, rawpos=rawpos)
    told = {"reason": "field_invalid", "field": "/data/amount", "source": "urn:a:b", "id": "bad", "digest": "0" * 64}
    place = {"source": f"urn:balance:{ORIGIN}", "id": f"{shard}-0-{rawpos}", "caseid": None, "subject": None}
    refused = replace(event, type="ledger.rejected", data=told, **place)
    ledger.events[shard][-1] = encode_event(refused)


def a_ledger() -> SmallLedger:
    """One shard: three events, a repeat that does not count, a reject; a block that does not extend the chain."""
    ledger = SmallLedger.of_seed(shards=1)
    for _ in range(3):
        ledger.add_event(0)
    ledger.seal(0, 2)
    ledger.add_event(0, rawpos=1, id="zombie")
    a_reject(ledger, 0, 4)
    ledger.seal(0, 2)
    ledger.blocks[0].append(ledger.blocks[0][0])
    ledger.seal(0)
    return ledger


def header_time(value: bytes) -> int:
    return parse_ms(Entry.parse(BlockRecord.parse(value).entry).block_header().time)


def run(ledger: SmallLedger, order: list[str], restart: bool = False) -> tuple[SealedBatch, SealedShard]:
    """Feed events and blocks in this order; with `restart` every block is taken by a new reader."""

    def sealers(shard: int, height: int) -> tuple[VerifierKey, ...]:
        return (key,)

    key = ledger.sealer_key.vkey
    seals = ShardSeals(SealedShard(shard=0), ORIGIN, sealers)
    found = SealedBatch()
    blocks = enumerate(ledger.blocks[0])
    for kind in order:
        if kind == "event":
            if seals.events_next < len(ledger.events[0]):
                seals.add_event(ledger.events[0][seals.events_next])
        else:
            each = next(blocks, None)
            if each is not None:
                seals.add_block(*each)
        batch = seals.take()
        found.seals += batch.seals
        found.rejects += batch.rejects
        if restart and batch.seals:
            state = seals.state()
            seals = ShardSeals(state, ORIGIN, sealers)
            blocks = iter([(at, ledger.blocks[0][at]) for at in range(state.blocks_next, len(ledger.blocks[0]))])
    return found, seals.state()


def test_a_block_seals_up_to_the_greatest_raw_record_that_counts() -> None:
    ledger = a_ledger()
    found, state = run(ledger, ["event"] * 5 + ["block"] * 4)
    assert [(seal.height, seal.rawpos) for seal in found.seals] == [(0, 1), (1, 2), (2, 4)]
    assert [seal.time for seal in found.seals] == [header_time(ledger.blocks[0][at]) for at in (0, 1, 3)]
    (reject,) = found.rejects
    assert (reject.id, reject.reason, reject.field, reject.rawpos) == ("bad", "field_invalid", "/data/amount", 4)
    assert (state.height, state.blocks_next, state.next_offset) == (2, 4, 5)


@settings(max_examples=60, deadline=None)
@given(st.permutations(["event"] * 5 + ["block"] * 4))
def test_whichever_of_the_two_topics_is_ahead_the_answer_is_the_same(order: list[str]) -> None:
    ledger = a_ledger()
    found, state = run(ledger, [*order, *["event"] * 5, *["block"] * 4])
    assert (found, state) == run(ledger, ["event"] * 5 + ["block"] * 4)


def test_a_restart_after_each_block_gives_the_same_answer() -> None:
    ledger = a_ledger()
    order = [kind for _ in range(4) for kind in [*["event"] * 5, *["block"] * 4]]
    assert run(ledger, order, restart=True) == run(ledger, ["event"] * 5 + ["block"] * 4)


def test_blocks_of_another_key_seal_nothing() -> None:
    ledger = a_ledger()
    ledger.sealer_key = SmallLedger.of_seed(2).sealer_key
    found, state = run(ledger, ["event"] * 5 + ["block"] * 4)
    assert found == SealedBatch()
    assert state.blocks_next == 4


def test_the_alert_holds_both_values_and_the_receipt_without_what_opens_it() -> None:
    receipt = json.dumps({"by": "2026-11-24T21:02:42.123Z", "id": "e-1", "s": "5e" * 32, "signature": "xx"}).encode()
    broken = Broken("urn:a:b", "e-1", 1_000, 3, 2_000, 7, receipt)
    told = json.loads(alert_record(broken, ORIGIN, 3_000))
    assert told["id"] == alert_id(broken, ORIGIN)
    assert (told["rule"], told["severity"], told["state"]) == ("receipt.broken", "C", "open")
    assert "1970-01-01T00:00:01.000Z" in told["expected"]
    assert told["got"] == "sealed at 1970-01-01T00:00:02.000Z, in block 7 of shard 3"
    assert told["evidence"]["signature"] == "xx"
    assert "5e" * 32 not in json.dumps(told)
    assert told["receipt"] == hashlib.sha256(receipt).hexdigest()
    assert "in no block" in json.loads(alert_record(replace(broken, sealed=None), ORIGIN, 3_000))["got"]
