"""What a simulation yields: events as sources send them, what was planted among them, and who the sources are."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final, Literal

from balance_chain.core.sources import Source, token_digest

Event = dict[str, Any]
"""A CloudEvent as its source sends it, ready for JSON."""

ANCHOR_MS: Final = 1_793_491_200_000
"""2026-11-01T00:00:00Z: simulated cases are over before it. It is fixed, so that a run repeated has equal bytes."""


@dataclass(frozen=True, slots=True)
class Label:
    """One thing that the simulator planted, or nearly did: what a detector is scored against."""

    rule: str
    caseid: str | None
    subject: str
    """What an alert would be about: the case, or for R38 the source's URI."""
    expected: bool
    """Whether the rule must raise an alert."""
    kind: Literal["positive", "near_miss", "honest"]
    """`honest`: what the rule's column of known false alarms describes, recorded as the law asks."""
    note: str
    subtlety: Literal["blatant", "plain", "subtle"] | None = None
    start: str | None = None
    """Which of several episodes of one subject it is, where that must be said."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A demo source with its secrets. They are derived from a public seed: NEVER register one outside a demo."""

    uri: str
    zh: str
    en: str
    transport: Literal["http", "kafka"]
    types: tuple[str, ...]
    courts: tuple[str, ...]
    token: str
    private_seed: bytes | None
    """Ed25519 seed of a Kafka source, 32 bytes."""
    public_key: bytes | None
    staff: str | None = None
    """The namespace of its staff ids, where it is not its own."""

    def source(self) -> Source:
        """What the register holds of it."""
        return Source(
            uri=self.uri,
            zh=self.zh,
            en=self.en,
            transport=self.transport,
            key=self.public_key,
            token_sha256=token_digest(self.token),
            types=self.types,
            courts=self.courts,
            staff_namespace=self.staff,
        )

    def entry(self) -> dict[str, Any]:
        """Its entry in sources.yaml, without the secrets."""
        entry: dict[str, Any] = {
            "uri": self.uri,
            "zh": self.zh,
            "en": self.en,
            "transport": self.transport,
            "token_sha256": token_digest(self.token),
            "types": list(self.types),
            "courts": list(self.courts),
        }
        if self.public_key is not None:
            entry["key"] = base64.b64encode(self.public_key).decode("ascii")
        if self.staff is not None:
            entry["staff"] = self.staff
        return entry


@dataclass(frozen=True, slots=True)
class Simulation:
    """Events in publishing order, labels of what was planted, and the sources that must be registered first."""

    events: list[Event]
    labels: list[Label]
    sources: list[Registration]


def digests(*parts: object) -> dict[str, str]:
    """The digests of a file that the simulator imagines: stable, and different for each."""
    return {"sha-256": hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()}
