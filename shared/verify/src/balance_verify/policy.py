"""Say which logs to believe and whose cosignatures make a checkpoint final: the text format of C2SP tlog-policy.

`Policy.parse` reads a file and names the line of whatever is wrong with it; `Policy.judge` says of a signed checkpoint
which witnesses cosigned it and whether they are a quorum.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ._strict import decode_base64
from .cosignature import CosignerKey, cosignature_time
from .errors import MalformedError, UnknownSignerError
from .mldsa import SUBTREE_V1, MlDsaCosignerKey
from .note import SignedNote, VerifierKey, open_note

WitnessKey = CosignerKey | MlDsaCosignerKey
"""The public key of a witness, of either type."""

NONE: Final = "none"
"""The quorum that asks for no witness."""

MAX_POLICY_BYTES = 1_000_000
"""Largest policy file read."""

MAX_LINES_OF_A_KIND = 64
"""Most logs, witnesses or groups of a policy. The specification asks for 32 at least; a note takes 100 signatures."""

_LARGEST_TIME = int(datetime.max.replace(tzinfo=UTC).timestamp())


class PolicyError(MalformedError):
    """A policy file that is not one; `line` counts from 1, 0 for the file as a whole."""

    def __init__(self, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"policy line {line}" if line else "policy", problem, remedy)
        self.line = line


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log that may sign checkpoints; its key's name is its origin."""

    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A witness: the name that groups and quorum use, its key, and where it is asked."""

    name: str
    key: WitnessKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Witnesses and groups of which at least `threshold` must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness of the policy whose cosignature holds, and when it was made (seconds since the Epoch)."""

    witness: str
    key_id: str
    time: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy makes of a checkpoint's cosignatures."""

    reached: bool
    """Whether they are a quorum."""
    cosigned: tuple[Cosigned, ...]
    """The witnesses whose cosignatures hold, earliest first."""
    missing: tuple[str, ...]
    """The witnesses that the quorum may count on and that have not cosigned, in the policy's order."""
    time: int | None
    """When a quorum had cosigned: the checkpoint existed no later. None without one, or where it needs nobody."""

    def __str__(self) -> str:
        by = ", ".join(each.witness for each in self.cosigned) or "nobody"
        count = f"{len(self.cosigned)} of {len(self.cosigned) + len(self.missing)} witnesses cosigned ({by})"
        return count + (f"; missing {', '.join(self.missing)}" if self.missing else "")


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses, groups and the quorum; groups name only what stands before them."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str
    """The name of a witness or group, or "none"."""

    @classmethod
    def parse(cls, data: bytes) -> Policy:
        """Read a policy file."""
        if len(data) > MAX_POLICY_BYTES:
            raise PolicyError(0, f"{len(data)} bytes", f"give at most {MAX_POLICY_BYTES}")
        reader = _Reader()
        for number, octets in enumerate(data.split(b"\n"), 1):
            reader.read(number, octets)
        if reader.quorum is None:
            raise PolicyError(0, "has no quorum line", "add: quorum NAME, or: quorum none")
        return cls(tuple(reader.logs), tuple(reader.witnesses), tuple(reader.groups), reader.quorum)

    def text(self) -> str:
        """The policy as a file's text; reading it again gives this policy."""
        lines = [f"log {log.key} {log.url}".rstrip() for log in self.logs]
        lines += [f"witness {each.name} {each.key} {each.url}".rstrip() for each in self.witnesses]
        lines += [f"group {each.name} {each.threshold} {' '.join(each.members)}" for each in self.groups]
        return "\n".join([*lines, f"quorum {self.quorum}", ""])

    def log_of(self, origin: str, note: SignedNote | None = None) -> VerifierKey | None:
        """The key of the log listed under this origin: where several are, the one that has signed the note."""
        keys = [log.key for log in self.logs if log.key.name == origin]
        signers = {(each.name, each.key_hash) for each in note.signatures} if note else set()
        return next((key for key in keys if (key.name, key.key_hash) in signers), keys[0] if keys else None)

    def lists(self, key: VerifierKey) -> bool:
        """Whether the policy leaves the choice of log open, or lists this one."""
        return not self.logs or any(log.key == key for log in self.logs)

    def satisfied_by(self, names: Collection[str]) -> bool:
        """Whether these witnesses are a quorum."""
        if self.quorum == NONE:
            return True
        witnessed = {each.name: each.name in names for each in self.witnesses}
        for group in self.groups:
            witnessed[group.name] = sum(witnessed[member] for member in group.members) >= group.threshold
        return witnessed[self.quorum]

    def counted(self) -> tuple[str, ...]:
        """The witnesses that the quorum is made of, in the policy's order."""
        members = {group.name: group.members for group in self.groups}
        reached, open_ = set(), [self.quorum]
        while open_:
            name = open_.pop()
            reached.add(name)
            open_ += members.get(name, ())
        return tuple(each.name for each in self.witnesses if each.name in reached)

    def judge(self, note: SignedNote) -> Verdict:
        """Check the cosignatures on a checkpoint. One that names a witness of ours and does not fit raises."""
        names = {(each.key.name, each.key.key_hash): each.name for each in self.witnesses}
        try:
            verified = open_note(note.encode(), [each.key for each in self.witnesses]).signatures
        except UnknownSignerError:
            verified = ()
        cosigned = sorted(
            ((cosignature_time(s.signature), names[s.name, s.key_hash], s) for s in verified), key=lambda each: each[:2]
        )
        present = [name for _, name, _ in cosigned]
        reached = self.satisfied_by(present)
        time = None
        if reached and self.quorum != NONE:
            time = next(time for n, (time, _, _) in enumerate(cosigned, 1) if self.satisfied_by(present[:n]))
        return Verdict(
            reached,
            tuple(Cosigned(_shown(name), f"{s.name}+{s.key_hash.hex()}", time) for time, name, s in cosigned),
            tuple(_shown(name) for name in self.counted() if name not in present),
            time,
        )


def time_text(time: int) -> str:
    """Seconds since the Epoch as `2026-11-24T21:02:42Z`; the number itself where the calendar does not reach."""
    if time > _LARGEST_TIME:
        return f"second {time}"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _witness_key(text: str) -> WitnessKey:
    """A witness's key, of the type that its third part begins with."""
    try:
        kind = decode_base64(text.split("+", 2)[-1], "witness vkey")[:1]
    except MalformedError:
        kind = b""
    return MlDsaCosignerKey.parse(text) if kind == SUBTREE_V1 else CosignerKey.parse(text)


def _shown(name: str) -> str:
    """A name as text that any output takes: octets that are no UTF-8 are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass
class _Reader:
    """Reads line by line; names are octets, kept as text that surrogates make reversible."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    _line: int = 0
    _members: dict[str, bool] = field(default_factory=dict)
    """Each name defined so far, and whether a group has it as a member."""

    def read(self, number: int, octets: bytes) -> None:
        self._line = number
        if any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in octets):
            raise self._wrong("holds a control character", "use spaces, tabs and newlines only")
        words = [word for word in octets.decode("utf-8", "surrogateescape").replace("\t", " ").split(" ") if word]
        if not words or words[0].startswith("#"):
            return
        kind, *rest = words
        take = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}.get(kind)
        if take is None:
            raise self._wrong(f"begins with {kind[:40]!r}", "begin it with log, witness, group, quorum or #")
        take(rest)

    def _log(self, words: list[str]) -> None:
        if len(words) not in (1, 2):
            raise self._wrong("is not a log line", "write: log VKEY [URL]")
        try:
            key = VerifierKey.parse(words[0])
        except MalformedError as error:
            raise self._bad_key(error) from None
        if any(log.key.public == key.public for log in self.logs):
            raise self._wrong("lists a log's key a second time", "keep one of the lines")
        self._bounded(self.logs)
        self.logs.append(PolicyLog(key, *words[1:]))

    def _witness(self, words: list[str]) -> None:
        if len(words) not in (2, 3):
            raise self._wrong("is not a witness line", "write: witness NAME VKEY [URL]")
        try:
            key = _witness_key(words[1])
        except MalformedError as error:
            raise self._bad_key(error) from None
        if any(each.key.public == key.public for each in self.witnesses):
            raise self._wrong("lists a witness's key a second time", "keep one of the lines")
        self._bounded(self.witnesses)
        self._define(words[0])
        self.witnesses.append(PolicyWitness(words[0], key, *words[2:]))

    def _group(self, words: list[str]) -> None:
        if len(words) < 3:
            raise self._wrong("is not a group line", "write: group NAME all|any|K MEMBER...")
        name, rule, *members = words
        for member in members:
            if member not in self._members:
                raise self._wrong(f"names {member[:80]!r}, not defined before", "define members on lines above")
            if self._members[member]:
                raise self._wrong(f"has the member {member[:80]!r} once more", "let a name be a member once only")
            self._members[member] = True
        self._bounded(self.groups)
        self._define(name)
        self.groups.append(PolicyGroup(name, self._threshold(rule, len(members)), tuple(members)))

    def _threshold(self, rule: str, members: int) -> int:
        if rule in ("all", "any"):
            return members if rule == "all" else 1
        plain = rule.isascii() and rule.isdigit() and not rule.startswith("0") and len(rule) <= len(str(members))
        if not plain or not 1 <= int(rule) <= members:
            raise self._wrong(f"asks for {rule[:40]!r} of {members}", f"write all, any, or 1 to {members}")
        return int(rule)

    def _quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            raise self._wrong("is not a quorum line", "write: quorum NAME, or: quorum none")
        if self.quorum is not None:
            raise self._wrong("is a second quorum line", "keep one")
        if words[0] != NONE and words[0] not in self._members:
            raise self._wrong(f"names {words[0][:80]!r}, not defined before", "define it on a line above")
        self.quorum = words[0]

    def _bad_key(self, error: MalformedError) -> PolicyError:
        return self._wrong(f"has a bad key: {error.field}: {error.problem}", error.remedy)

    def _define(self, name: str) -> None:
        if name == NONE or name in self._members:
            raise self._wrong(f"defines {name[:80]!r}, a name that is taken", "choose another name")
        self._members[name] = False

    def _bounded(self, kept: Collection[object]) -> None:
        if len(kept) >= MAX_LINES_OF_A_KIND:
            raise self._wrong("is one line too many of its kind", f"give at most {MAX_LINES_OF_A_KIND}")

    def _wrong(self, problem: str, remedy: str) -> PolicyError:
        return PolicyError(self._line, problem, remedy)
