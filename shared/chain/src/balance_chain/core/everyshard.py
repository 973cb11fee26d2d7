"""Says the same to every shard: subjects under a source's URI that lie on each of them.

A court's calendar concerns no case, and cases of all shards. Shards never wait for each other, so it is sent once to
each, under the source's URI with a number as fragment; the fragment is the least that Kafka's partitioner puts there.
"""

from collections.abc import Mapping
from hashlib import sha256
from itertools import count
from typing import Any, Final

import msgspec

from balance_chain.core.partition import partition_for

CALENDAR_TYPE: Final = "calendar.declared"
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def subjects_of_shards(source: str, shards: int) -> list[str]:
    """One subject a shard, in the order of the shards."""
    found: dict[int, str] = {}
    for number in count():
        subject = f"{source}#{number}"
        found.setdefault(partition_for(subject, shards), subject)
        if len(found) == shards:
            break
    return [found[shard] for shard in range(shards)]


def calendar_events(
    declared: Mapping[str, Any], source: str, shards: int, sequence: int, time: str
) -> list[dict[str, Any]]:
    """A court's calendar as the events of one source, one a shard, numbered from `sequence` on. Equal calendars have
    equal ids, so sending one twice adds nothing.
    """
    name = sha256(_encode(declared)).hexdigest()[:24]
    return [
        {
            "specversion": "1.0",
            "id": f"calendar-{name}-{shard}",
            "source": source,
            "type": CALENDAR_TYPE,
            "subject": subject,
            "time": time,
            "sequence": str(sequence + shard),
            "data": dict(declared),
        }
        for shard, subject in enumerate(subjects_of_shards(source, shards))
    ]
