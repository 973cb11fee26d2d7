"""The alert that a receipt was not kept: the same record on `integrity.alerts` as every alert is.

Pure. The receipt is the evidence, without `s`: with `s` anybody could test guesses about what was sent. `receipt` in
the alert is the SHA-256 of the whole signed receipt, so that the holder's copy can be held against it.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from balance_chain.core.times import format_ms
from balance_verify import jcs

from balance_intake.sealing import Broken

RULE: Final = "receipt.broken"
TITLE: Final = {"en": "A receipt's promise was not kept", "zh": "存证回执的承诺未兑现"}
CRITICAL: Final = "C"
NO_SHARD: Final = -1
NOT_SHOWN: Final = "s"


def alert_id(broken: Broken, origin: str) -> str:
    """The same broken promise of the same log always has the same id (32 hex digits)."""
    material = jcs.dumps([origin, RULE, broken.source, broken.id, format_ms(broken.due)])
    return hashlib.sha256(material).hexdigest()[:32]


def alert_record(broken: Broken, origin: str, found_ms: int) -> bytes:
    """The value written to `integrity.alerts`: an alert's first revision, both values, and the evidence."""
    place = f"receipts/{broken.source}/{broken.id}"
    if broken.sealed is None:
        got = f"in no block when looked for at {format_ms(found_ms)}"
    else:
        got = f"sealed at {format_ms(broken.sealed)}, in block {broken.height} of shard {broken.shard}"
    told: dict[str, Any] = msgspec.json.decode(broken.receipt)
    return jcs.dumps(
        {
            "courtcode": None,
            "detail": "The receipt, without s, is the evidence; receipt is the SHA-256 of the whole signed receipt.",
            "evidence": {name: value for name, value in told.items() if name != NOT_SHOWN},
            "expected": f"sealed, as an event or a reject, in a block with time no later than {format_ms(broken.due)}",
            "got": got,
            "id": alert_id(broken, origin),
            "judged": format_ms(found_ms),
            "numbers": {},
            "origin": origin,
            "place": place,
            "private": False,
            "receipt": hashlib.sha256(broken.receipt).hexdigest(),
            "revision": 1,
            "rule": RULE,
            "severity": CRITICAL,
            "shard": NO_SHARD if broken.shard is None else broken.shard,
            "start": place,
            "state": "open",
            "subject": place,
            "title": TITLE,
            "triggers": [],
            "version": "1.0",
        }
    )
