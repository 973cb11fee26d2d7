"""Changed proof bundles, from a seed: bytes anywhere, values in their places, parts of other bundles, signed anew."""

from __future__ import annotations

import base64
import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from balance_verify.cosignature import CosigningKey, signed_message
from balance_verify.errors import MalformedError
from balance_verify.jcs import dumps
from balance_verify.note import NoteSignature, SignedNote, SigningKey, sign_note
from balance_verify.proof import ProofBundle
from support.bundles import LOG, SEALER

SEEDS = [bytes([n]) * 32 for n in range(1, 4)]
WITNESSES = [CosigningKey.generate(f"w{n}.example", seed) for n, seed in enumerate(SEEDS)]
STRANGER = SigningKey.generate(LOG.name, b"?" * 32)
SPELLINGS = [
    "",
    "0",
    "00",
    "-1",
    "+1",
    "1.0",
    "1e1",
    " 1",
    "é",
    "\u2028",
    "\u0085",
    "\x7f",
    "\\",
    '"',
    "\n",
    "\n\n",
    "\r",
    "\t",
    "+",
    "=",
    "A",
]
NUMBERS = [0, 1, -1, 2, 3, 7, 8, 63, 64, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64]
HEXES = ["0" * 64, "ab" * 32, "AB" * 32, "0" * 63, "0" * 65, "\N{FULLWIDTH DIGIT ONE}" * 64]
TIMES = [
    "2026-02-28T00:00:00.000Z",
    "2024-02-29T00:00:00.000Z",
    "2026-02-29T00:00:00.000Z",
    "0000-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-11-24T23:59:60.000Z",
    "2026-11-24T24:00:00.000Z",
    "2026-11-24T23:59:59.0000Z",
    "2026-11-24T23:59:59,000Z",
    "2026-11-24t23:59:59.000z",
]

Members = dict[str, Any]


@dataclass
class Mutator:
    """Makes changed bundles out of good ones."""

    good: list[ProofBundle]
    random: random.Random

    def next(self) -> bytes:
        """One bundle with one to three changes, the last of which may be of its bytes."""
        bundle = json.loads(self.random.choice(self.good).encode())
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            # A change that an earlier one has left no place for is passed over.
            with contextlib.suppress(ValueError, TypeError, AttributeError, LookupError, MalformedError):
                self.random.choice(self._of_values)(bundle)
        data = json.dumps(bundle, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "replace")
        return self._bytes(data) if self.random.random() < 0.3 else data

    @property
    def _of_values(self) -> list[Callable[[Members], None]]:
        return [
            self._event,
            self._index,
            self._block_path,
            self._log_line,
            self._log_line,
            self._log_text,
            self._signatures,
            self._signatures,
            self._header,
            self._header,
            self._entry,
            self._other_part,
            self._shape,
            self._nothing,
        ]

    def _bytes(self, data: bytes) -> bytes:
        """A flipped, lost, added, moved or doubled piece."""
        at = self.random.randrange(len(data))
        piece = data[at : at + self.random.choice((1, 1, 2, 4, 50))]
        rest = data[at + len(piece) :]
        return self.random.choice(
            (
                lambda: data[:at] + bytes([data[at] ^ (1 << self.random.randrange(8))]) + data[at + 1 :],
                lambda: data[:at] + rest,
                lambda: data[:at] + piece + piece + rest,
                lambda: data[:at] + self.random.choice(SPELLINGS).encode() + data[at:],
                lambda: data[:at] + b"\\u00" + piece + rest,
                lambda: data + self.random.choice((b"\n", b" ", b"{}", b"\0")),
                lambda: data.replace(b",", b", ", 1),
            )
        )()

    def _text(self, text: str) -> str:
        """A string with a piece changed."""
        at = self.random.randint(0, len(text))
        some = self.random.choice(SPELLINGS)
        return (
            text[:at] + self.random.choice((some, "", text[at : at + 1] * 2)) + text[at + self.random.choice((0, 1)) :]
        )

    def _hashes(self, lines: list[str]) -> list[str]:
        """A path with hashes lost, doubled, swapped, changed or added."""
        lines = list(lines)
        for _ in range(self.random.choice((1, 1, 2, 70))):
            at = self.random.randint(0, len(lines))
            random_hash = base64.b64encode(self.random.randbytes(self.random.choice((32, 32, 31, 33)))).decode()
            match self.random.randrange(6):
                case 0:
                    lines.insert(at, random_hash)
                case 5:
                    lines += [base64.b64encode(bytes(32)).decode()] * (self.random.choice((63, 64)) - len(lines))
                case 1 if lines:
                    lines.pop(min(at, len(lines) - 1))
                case 2 if lines:
                    lines[min(at, len(lines) - 1)] = self._text(self.random.choice(lines))
                case 3 if lines:
                    lines.insert(at, self.random.choice(lines))
                case _:
                    self.random.shuffle(lines)
        return lines

    def _event(self, bundle: Members) -> None:
        event = base64.b64decode(bundle["event"])
        bundle["event"] = self.random.choice(
            (self._text(bundle["event"]), base64.b64encode(event + b" ").decode(), base64.b64encode(event[1:]).decode())
        )

    def _index(self, bundle: Members) -> None:
        bundle["block"]["index"] = self.random.choice((*NUMBERS, *SPELLINGS[:6], None, True, 1.0))

    def _block_path(self, bundle: Members) -> None:
        path = self._hashes(bundle["block"]["path"])
        bundle["block"]["path"] = path if self.random.random() < 0.95 else None

    def _log_line(self, bundle: Members) -> None:
        """A line of the tlog-proof's head changed, or its path."""
        head, separator, note = bundle["log"].partition("\n\n")
        lines = head.split("\n")
        if self.random.random() < 0.5:
            lines[2:] = self._hashes(lines[2:])
        elif self.random.random() < 0.5:
            lines[1] = f"index {self.random.choice((*NUMBERS, *SPELLINGS))}"
        else:
            at = self.random.randrange(len(lines))
            lines[at] = self._text(lines[at])
        bundle["log"] = "\n".join(lines) + separator + note

    def _log_text(self, bundle: Members) -> None:
        bundle["log"] = self._text(bundle["log"])

    def _signatures(self, bundle: Members) -> None:
        """Signature lines lost, doubled, swapped, renamed, of strangers; or another text signed anew."""
        head, _, note = bundle["log"].partition("\n\n")
        signed = SignedNote.parse(note.encode())
        text, lines = signed.text, list(map(str, signed.signatures))
        for _ in range(self.random.choice((1, 2))):
            at = self.random.randint(0, len(lines))
            match self.random.randrange(8):
                case 0:
                    self.random.shuffle(lines)
                case 1:
                    lines.insert(at, str(sign_note(text, self.random.choice((LOG, STRANGER, SEALER))).signatures[0]))
                case 2:
                    lines.insert(at, self._cosignature(text))
                case 3 if lines:
                    lines.pop(min(at, len(lines) - 1))
                case 4 if lines:
                    lines[min(at, len(lines) - 1)] = self._text(self.random.choice(lines))
                case 5:
                    key = self.random.choice((LOG.vkey, WITNESSES[0].vkey))
                    octets = self.random.randbytes(self.random.choice((0, 1, 8, 64, 72, 73)))
                    lines.insert(at, _line(key.name, key.key_hash + octets))
                case 6:
                    lines += lines * self.random.choice((1, 60))
                case _:
                    parts = text.split("\n")
                    place = self.random.randrange(len(parts))
                    parts[place] = self.random.choice((self._text(parts[place]), str(self.random.choice(NUMBERS))))
                    text = "\n".join(parts)
                    lines = [_line(LOG.name, LOG.vkey.key_hash + LOG.sign(text.encode())), *lines[1:]]
        bundle["log"] = f"{head}\n\n{text}\n{''.join(lines)}"

    def _cosignature(self, text: str) -> str:
        """A line of a witness whose signature holds, at a time that may be none."""
        at = self.random.randrange(len(WITNESSES))
        time = self.random.choice((0, 1, 1_800_000_000, 2**63 - 1, 2**63, 2**64 - 1))
        key = WITNESSES[at].vkey
        signer = SigningKey.generate("witness", SEEDS[at])
        signature = signer.sign(signed_message(text.encode(), time))
        return _line(key.name, key.key_hash + time.to_bytes(8, "big") + signature)

    def _header(self, bundle: Members) -> None:
        """A member of the header changed, with a signature that fits it or the old one."""
        entry = _entry_of(bundle)
        header = json.loads(entry["header"])
        name = self.random.choice(sorted(header))
        old = header[name]
        some: list[Any] = [None, True, self._text(str(old)), self.random.choice(NUMBERS)]
        if self.random.random() < 0.8:
            some = NUMBERS if isinstance(old, int) else HEXES if name in ("prev", "root") else TIMES
        header[name] = self.random.choice(some)
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        signature = SEALER.sign(text.encode())
        entry["header"] = text
        if self.random.random() < 0.7:
            entry["signature"] = base64.b64encode(signature).decode()
        _set_entry(bundle, entry)

    def _entry(self, bundle: Members) -> None:
        """A member of the entry changed, lost or added."""
        entry = _entry_of(bundle)
        name = self.random.choice(("header", "key", "signature"))
        if self.random.random() < 0.2:
            entry["more"] = "1"
        elif self.random.random() < 0.2:
            entry.pop(name, None)
        else:
            entry[name] = self._text(str(entry.get(name, "")))
        _set_entry(bundle, entry)

    def _other_part(self, bundle: Members) -> None:
        """A part of another good bundle in the place of this one's."""
        other = json.loads(self.random.choice(self.good).encode())
        name = self.random.choice(("event", "log", "entry", "index", "path"))
        if name in ("event", "log"):
            bundle[name] = other[name]
        else:
            bundle["block"][name] = other["block"][name]

    def _shape(self, bundle: Members) -> None:
        """A member of another type, one too many, or one missing."""
        where = self.random.choice((bundle, bundle["block"]))
        name = self.random.choice(sorted(where))
        if name == "block":
            return
        some = self.random.choice((None, True, 1, 1.0, -0.0, "", [], {}, [None], [1], [""]))
        if self.random.random() < 0.6:
            where[name] = some
        else:
            where[self.random.choice((name.upper(), name + " ", "extra"))] = some

    def _nothing(self, bundle: Members) -> None:
        """So that good bundles are among the changed ones."""


def _line(name: str, data: bytes) -> str:
    return f"— {name} {base64.b64encode(data).decode()}\n"


def _entry_of(bundle: Members) -> Members:
    entry: Members = json.loads(base64.b64decode(bundle["block"]["entry"]))
    return entry


def _set_entry(bundle: Members, entry: Members) -> None:
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    bundle["block"]["entry"] = base64.b64encode(text.encode("utf-8", "replace")).decode()


def with_cosignatures(bundle: ProofBundle, witnesses: int) -> bytes:
    """The bundle, cosigned by so many witnesses."""
    members = json.loads(bundle.encode())
    head, _, _ = members["log"].partition("\n\n")
    note = bundle.log_proof.note
    cosigned: tuple[NoteSignature, ...] = tuple(key.cosign(note.text, 1_800_000_000) for key in WITNESSES[:witnesses])
    members["log"] = head + "\n\n" + SignedNote(note.text, (*note.signatures, *cosigned)).encode().decode()
    return dumps(members)
