"""State a log's size and root in the form of C2SP tlog-checkpoint: the text that the notary and witnesses sign."""

from __future__ import annotations

from dataclasses import dataclass

from ._strict import check_line, check_range, decode_base64, decode_decimal, encode_base64
from .errors import MalformedError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's name, its number of entries and the RFC 6962 root over them."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        check_line(self.origin, "checkpoint origin")
        check_range(self.size, "checkpoint size", 0)
        if len(self.root) != 32:
            raise MalformedError("checkpoint root", f"{len(self.root)} bytes", "give a SHA-256 value")

    def text(self) -> str:
        """The note text: origin, size and base64 root, a line each."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text; extension lines, which our log never writes, are refused."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise MalformedError("checkpoint", f"{text.count(chr(10))} lines", "give origin, size and root")
        origin, size, root, _ = lines
        return cls(origin, decode_decimal(size, "checkpoint size"), decode_base64(root, "checkpoint root", 32))
