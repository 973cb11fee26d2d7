"""The events that put each registration of the demo's register on the chain: a change of sources is an event too."""

from __future__ import annotations

import base64
import hashlib

from balance_chain.core import canonical
from balance_chain.simulator import Event, registrations
from balance_chain.simulator.sources import CONSOLE

REGISTERED = "2026-11-01T00:00:00.000Z"
"""When the demo's register was decided on: fixed, so that a second start repeats the same events."""


def register_events() -> list[Event]:
    """One `source.changed` a source; a changed registration has another id, an unchanged one repeats its own."""
    events: list[Event] = []
    for each in registrations():
        digest = hashlib.sha256(canonical.encode(each.entry())).hexdigest()
        data = {
            "actors": [{"role": "officer", "id": "demo"}],
            "uri": each.uri,
            "action": "added",
            "transport": each.transport,
            "digest": digest,
        }
        if each.public_key is not None:
            data["key"] = base64.b64encode(each.public_key).decode("ascii")
        events.append(
            {
                "specversion": "1.0",
                "id": f"register-{digest[:32]}",
                "source": CONSOLE,
                "type": "source.changed",
                "subject": CONSOLE,
                "time": REGISTERED,
                "recordedtime": REGISTERED,
                "sequence": str(len(events) + 1),
                "data": data,
            }
        )
    return events
