"""Who may act on alerts (`people.yaml`): small on purpose, until sign-in and access control are built in full.

people:
  - id: li-jing                 # how the file names a person
    name: 李静                   # shown on the pages, never sealed
    token_sha256: <64 hex>      # SHA-256 of the token with which the person signs in
    staff: X0100                # staff id, in the namespace of this service's own source (`staff` in sources.yaml)
    role: supervisor            # monitor, supervisor, presiding or subject
    courts: ["京0491"]           # whose alerts the person sees, or ["*"]
    deputy_of: [zhang-wei]      # who has nothing disposed of by this person
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from balance_chain.core import canonical
from balance_chain.core.catalogue_files import CatalogueError, read_yaml
from balance_chain.core.errors import BalanceError
from balance_chain.core.sources import ANY, token_digest

from balance_judge_audit.engine.life import ActName

_SPEECH: Final[frozenset[ActName]] = frozenset({"respond", "comment"})
_HANDLING: Final[frozenset[ActName]] = _SPEECH | {"acknowledge", "assign", "explain", "escalate"}
_DECIDING: Final[frozenset[ActName]] = _HANDLING | {"confirm", "dismiss", "close", "reopen"}
MAY: Final[dict[str, frozenset[ActName]]] = {
    "monitor": _HANDLING,
    "supervisor": _DECIDING,
    "presiding": _DECIDING,
    "subject": _SPEECH,
}
"""What each role may do; whom an alert is about may do less, whatever the role."""
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class PeopleError(BalanceError):
    """people.yaml is not valid."""


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person of the file."""

    id: str
    name: str
    token_sha256: str
    staff: str
    role: str
    courts: tuple[str, ...] = ()
    deputy_of: tuple[str, ...] = ()

    @property
    def grant(self) -> str:
        """The id of the event that puts the role on the chain: another role, other courts or another id, another
        event.
        """
        digest = hashlib.sha256(canonical.encode([self.staff, self.role, sorted(self.courts)]))
        return f"role-{digest.hexdigest()[:32]}"

    def sees(self, court: str | None) -> bool:
        """Whether alerts of this court are shown; what belongs to no court is for those who see all."""
        return ANY in self.courts or (court is not None and court in self.courts)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Everybody in the file."""

    all: tuple[Person, ...]

    def get(self, id_: str) -> Person | None:
        """The person of this id."""
        return next((each for each in self.all if each.id == id_), None)

    def by_token(self, token: str) -> Person | None:
        """Whose token this is; only digests are kept."""
        digest = token_digest(token)
        return next((each for each in self.all if each.token_sha256 == digest), None)


def load_people(path: Path) -> People:
    """The file, checked: the first mistake is said by its place."""
    try:
        people = msgspec.convert(read_yaml(path), _File).people
    except CatalogueError as error:
        raise PeopleError(f"{path.name}: {error.key}", error.problem, "correct it") from None
    except msgspec.ValidationError as error:
        raise PeopleError(path.name, str(error), "see docs/alerts.md") from None
    for number, each in enumerate(people):
        where = f"{path.name}: /people/{number}"
        others = [other for other in people if other is not each]
        if not _ID.fullmatch(each.id) or any(other.id == each.id for other in others):
            raise PeopleError(f"{where}/id", "is not an id of its own", "use lower-case letters, digits, . _ and -")
        if not re.fullmatch("[0-9a-f]{64}", each.token_sha256) or any(
            other.token_sha256 == each.token_sha256 for other in others
        ):
            raise PeopleError(f"{where}/token_sha256", "is not the SHA-256 of a token of its own", "give 64 hex digits")
        if each.role not in MAY:
            raise PeopleError(f"{where}/role", f"{each.role!r} is no role", f"choose one of {', '.join(MAY)}")
        if each.role != "subject" and not each.courts:
            raise PeopleError(f"{where}/courts", "is missing", 'name the courts, or ["*"] for all')
        for name in each.deputy_of:
            if not any(other.id == name for other in others):
                raise PeopleError(f"{where}/deputy_of", f"{name!r} is nobody else here", "name another id of the file")
    return People(people)
