"""The data of simulated events as the chain has it, with references in the place of people: what rules see."""

from __future__ import annotations

from functools import cache
from typing import Any

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.privacy import CaseKey, Protected, Protector

STAFF = "urn:balance-demo:staff"


@cache
def _protectors() -> dict[str, Protector]:
    catalogue = Catalogue.load(data_dir("catalogue"))
    return {name: Protector(kind, catalogue.roles) for name, kind in catalogue.types.items()}


def protect(event: dict[str, Any], caseid: str, court: str | None) -> Protected:
    """One event's data protected; the register answers with the id itself, as one that all sources share."""
    protector = _protectors()[event["type"]]
    registry = {ref: f"r_{ref.value}" for ref in protector.lookups(event["data"], STAFF, court)}
    return protector.protect(
        event["data"],
        source=event["source"],
        event_id=event["id"],
        court=court,
        case_key=CaseKey(caseid, 1, b"k" * 32),
        registry=registry,
        staff=STAFF,
    )
