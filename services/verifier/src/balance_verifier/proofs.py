"""Puts proof bundles together from the projection, and explains them. Whoever checks a bundle need not trust this."""

from __future__ import annotations

from typing import Any, Final

from balance_verify.checkpoint import Checkpoint
from balance_verify.entry import Entry
from balance_verify.errors import VerifyError
from balance_verify.merkle import assemble_path, inclusion_nodes, inclusion_path
from balance_verify.note import SignedNote, VerifierKey
from balance_verify.proof import ProofBundle, TlogProof
from balance_verify.receipt import Receipt
from balance_verify.verify import DIFFERS, MATCHES, NOT_CHECKABLE, NOT_YET, Report, Result

from balance_verifier.queries import FoundEvent, Queries

RECEIVED: Final = "received"
SEALED: Final = "sealed"
COVERED: Final = "covered"


def state_of(event: FoundEvent) -> str:
    """How far an event has come: in the events topic, in a block, under a checkpoint."""
    if event.height is None:
        return RECEIVED
    return SEALED if event.log_index is None else COVERED


async def proof_of(queries: Queries, event: FoundEvent, under: str | None = None) -> ProofBundle | None:
    """The bundle of an event; None where no checkpoint covers its block yet.

    Under the checkpoint in the note `under`, which covers it; else under the latest final one that does, else under
    the latest of all.
    """
    if event.height is None or event.from_pos is None or event.log_index is None:
        return None
    parts = await queries.proof_parts(event.shard, event.height)
    latest = (0, under) if under else await queries.final_checkpoint(event.log_index) or await queries.checkpoint()
    if parts is None or latest is None:
        return None
    entry, leaves = parts
    note = SignedNote.parse(latest[1].encode())
    size = Checkpoint.parse(note.text).size
    groups = inclusion_nodes(event.log_index, size)
    nodes = await queries.nodes([node for group in groups for node in group])
    index = event.pos - event.from_pos
    return ProofBundle(
        event=event.value,
        entry=entry,
        index=index,
        path=tuple(inclusion_path(leaves, index)),
        log_proof=TlogProof(event.log_index, tuple(assemble_path(groups, nodes)), note),
    )


def receipt_kept(receipt: Receipt, block_time: str | None) -> Result:
    """Whether the event was sealed by the time promised; both are canonical times, which sort as text.

    The receipt's source and id must be those of the event in the block. Without a block it is not yet so; whether the
    promise is broken by then is judged by ledger time, not by a clock of ours.
    """
    if block_time is None:
        return NOT_YET
    return MATCHES if block_time <= receipt.by else DIFFERS


def receipt_step(data: bytes, event: FoundEvent | None, gateways: list[VerifierKey]) -> dict[str, Any]:
    """Explains a receipt beside a proof: whose it is, and whether its promise was kept."""
    step: dict[str, Any] = {"number": 8, "name": "receipt", "expected": "", "got": "", "needed": True}
    try:
        signed = Receipt.parse_signed(data)
        receipt = signed.receipt
        if gateways:
            signed.verify(*gateways)
    except VerifyError as error:
        return {**step, "result": DIFFERS, "detail": str(error)}
    if not gateways:
        return {**step, "result": NOT_CHECKABLE, "detail": "no key of a gateway is known here", "needed": False}
    if event is None or (event.source, event.id) != (receipt.source, receipt.id):
        return {**step, "result": NOT_YET, "detail": "no event of the receipt's source and id is in the ledger"}
    return {
        **step,
        "result": receipt_kept(receipt, event.block_time),
        "expected": f"sealed in a block with time no later than {receipt.by}",
        "got": event.block_time or "not in a block",
        "detail": "the promise that the gateway signed",
    }


def report_json(report: Report) -> dict[str, Any]:
    """A report as JSON, step by step."""
    return {
        "ok": report.ok,
        "finality": report.finality,
        "steps": [
            {
                "number": step.number,
                "name": step.name,
                "result": step.result,
                "expected": step.expected,
                "got": step.got,
                "detail": step.detail,
                "needed": step.needed,
            }
            for step in report.steps
        ],
    }


def entry_json(entry: bytes) -> dict[str, Any]:
    """A block's entry as it was signed: header text, key, signature in hex."""
    parsed = Entry.parse(entry)
    return {"header": parsed.header_bytes.decode(), "key": parsed.key, "signature": parsed.signature.hex()}
