"""Personal data becomes ciphertext, a pseudonym or a random reference before it reaches the chain (formats.md).

Everything here is a function of the case key, the register's answers and the event: a replay gives equal bytes, and
erasing one case's key makes that case unreadable without breaking a proof. What a field becomes is its catalogue
mark: `encrypted`, `pseudonym`, `registry`.
"""

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from balance_chain.core import canonical
from balance_chain.core.errors import BalanceError

if TYPE_CHECKING:
    from balance_chain.core.catalogue import EventType

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24
SALT_BYTES: Final = 32
TAG_BYTES: Final = 16
PURPOSES: Final = ("encrypt", "salt", "nonce", "source", "pseudonym")
REGISTRY_PREFIX: Final = "r_"
PSEUDONYM_PREFIX: Final = "p_"
REGISTRY_ROLES: Final = frozenset(
    {"judge", "clerk", "lawyer", "agency", "approver", "member", "signer", "viewer", "target"}
)
"""Roles of an office or a trade: one id in every case. Every other role is a party's: a pseudonym of the case."""
ACTORS: Final = "actors"

_blake2b: Final = hashlib.blake2b


class PrivacyError(BalanceError):
    """A field cannot be protected or opened."""


@dataclass(frozen=True)
class CaseKey:
    """The secret of one case; everything derived from it is worked out once."""

    caseid: str
    version: int
    key32: bytes

    def __repr__(self) -> str:
        return f"CaseKey({self.keyid})"

    @cached_property
    def keyid(self) -> str:
        """Names the key without naming the case anew: `<caseid digest>.<version>`."""
        return f"{hashlib.sha256(self.caseid.encode()).hexdigest()[:32]}.{self.version}"

    @cached_property
    def encrypt(self) -> bytes:
        """Subkey of encryption."""
        return subkey(self.key32, "encrypt")

    @cached_property
    def salt(self) -> bytes:
        """Subkey of salts."""
        return subkey(self.key32, "salt")

    @cached_property
    def nonce(self) -> bytes:
        """Subkey of nonces."""
        return subkey(self.key32, "nonce")

    @cached_property
    def source(self) -> bytes:
        """Subkey of source secrets."""
        return subkey(self.key32, "source")

    @cached_property
    def pseudonym(self) -> bytes:
        """Subkey of pseudonyms."""
        return subkey(self.key32, "pseudonym")


class RegistryRef(NamedTuple):
    """What the register is asked for: a staff id within a source, or, without one, a name within a court."""

    byname: bool
    scope: str
    value: str


class Sealed(NamedTuple):
    """An encrypted field opened: revealing these two discloses the field with proof, and nothing else."""

    salt: bytes
    plaintext: bytes


def subkey(case_key: bytes, purpose: str) -> bytes:
    """Subkey of a purpose: BLAKE2b-256 keyed with the case key, personalised with the purpose (zero-padded)."""
    return _blake2b(digest_size=KEY_BYTES, key=case_key, person=purpose.encode()).digest()


def prf(key: bytes, message: bytes, size: int = 32) -> bytes:
    """PRF of a purpose: BLAKE2b keyed with its subkey."""
    return _blake2b(message, digest_size=size, key=key).digest()


def associated_data(source: str, event_id: str, event_type: str, pointer: str) -> bytes:
    """A = JCS([source, id, type, field]): binds a ciphertext to its one place."""
    return canonical.encode([source, event_id, event_type, pointer])


def encrypt_field(case_key: CaseKey, where: bytes, value: Any) -> dict[str, str]:
    """An encrypted field; `where` is its associated data."""
    plaintext = canonical.encode(value)
    bound = where + plaintext
    salt = prf(case_key.salt, bound)
    nonce = prf(case_key.nonce, bound, NONCE_BYTES)
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(salt + plaintext, where, nonce, case_key.encrypt)
    commit = hmac.digest(salt, plaintext, "sha256")
    return {"ct": _base64(nonce + sealed), "commit": _base64(commit)}


def decrypt_field(case_key: CaseKey, where: bytes, field: Mapping[str, str]) -> Sealed:
    """Open an encrypted field and check its commitment."""
    try:
        sealed = base64.b64decode(field["ct"], validate=True)
        commit = base64.b64decode(field["commit"], validate=True)
        opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed[NONCE_BYTES:], where, sealed[:NONCE_BYTES], case_key.encrypt
        )
    except (KeyError, TypeError, ValueError, binascii.Error, CryptoError):
        raise PrivacyError(
            "ct", "cannot be opened with this key at this place", "use the case's key and the field's pointer"
        ) from None
    result = Sealed(opened[:SALT_BYTES], opened[SALT_BYTES:])
    if not open_commitment(result.salt, result.plaintext, commit):
        raise PrivacyError(
            "commit", "does not commit to what is encrypted", "report it: the normaliser never writes this"
        )
    return result


def open_commitment(salt: bytes, plaintext: bytes, commit: bytes) -> bool:
    """Whether `commit` is the commitment to this plaintext under this salt."""
    return hmac.compare_digest(hmac.digest(salt, plaintext, "sha256"), commit)


def pseudonym(case_key: CaseKey, text: str) -> str:
    """The same person in the same case, and nobody anywhere else."""
    return PSEUDONYM_PREFIX + prf(case_key.pseudonym, normal_name(text).encode()).hex()


def normal_name(text: str) -> str:
    """NFC, trimmed, white space folded to one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def source_secret(case_key: CaseKey, source: str, event_id: str) -> bytes:
    """The secret that a receipt gives to the sender, who alone can then prove what it sent."""
    return prf(case_key.source, canonical.encode([source, event_id]))


def source_digest(secret: bytes, sent: bytes) -> str:
    """`sourcedigest`: HMAC-SHA-256 of the canonical bytes of what was sent, hex."""
    return hmac.digest(secret, sent, "sha256").hex()


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


_Change = Callable[[Any, str], Any]


class Protected(NamedTuple):
    """An event's data as the chain may hold it."""

    data: dict[str, Any]
    encrypted: bool
    actorref: str | None
    actorrole: str | None


class Protector:
    """What one event type's marks mean, worked out once: lookups first, then protection."""

    def __init__(self, event_type: "EventType") -> None:
        self.type_id = event_type.id
        self._registry: list[tuple[str, ...]] = []
        self._pseudonym: list[tuple[str, ...]] = []
        self._encrypted: list[tuple[str, ...]] = []
        by_mark = {"registry": self._registry, "pseudonym": self._pseudonym, "encrypted": self._encrypted}
        for field in event_type.fields:
            path = _tokens(field.pointer)
            if field.privacy in by_mark and path[0] != ACTORS:
                by_mark[field.privacy].append(path)

    def lookups(self, data: Mapping[str, Any], source: str, court: str | None) -> list[RegistryRef]:
        """What the register must be asked before `protect` can run; the answers come in one batch."""
        wanted: list[RegistryRef] = []
        for actor in data.get(ACTORS, ()):
            if actor["role"] in REGISTRY_ROLES:
                ref = _ref(actor, source, court)
                if ref is not None:
                    wanted.append(ref)
        for path in self._registry:
            for person in _found(data, path):
                ref = _ref(person, source, court)
                if ref is not None:
                    wanted.append(ref)
        return wanted

    def protect(
        self,
        data: dict[str, Any],
        *,
        source: str,
        event_id: str,
        court: str | None,
        case_key: CaseKey,
        registry: Mapping[RegistryRef, str],
    ) -> Protected:
        """The data with every mark applied; `data` is not changed."""
        result = dict(data)
        actorref = actorrole = None
        actors = data.get(ACTORS)
        if actors:
            result[ACTORS] = [_actor(actor, source, court, case_key, registry) for actor in actors]
            actorrole = result[ACTORS][0]["role"]
            actorref = result[ACTORS][0].get("ref")
        for path in self._registry:
            _change(result, path, "", _each(lambda person: _registered(person, source, court, registry)))
        for path in self._pseudonym:
            _change(result, path, "", _each(lambda person: _pseudonymous(person, case_key)))
        encrypted = False

        def encrypt(value: Any, pointer: str) -> Any:
            nonlocal encrypted
            encrypted = True
            return encrypt_field(case_key, associated_data(source, event_id, self.type_id, pointer), value)

        for path in self._encrypted:
            _change(result, path, "", encrypt)
        return Protected(result, encrypted, actorref, actorrole)


def _tokens(pointer: str) -> tuple[str, ...]:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:])


def _ref(person: Any, source: str, court: str | None) -> RegistryRef | None:
    """How the register knows this person: `{id?, name?}`, or a name alone."""
    if isinstance(person, str):
        return RegistryRef(True, court or "", normal_name(person))
    staff_id = person.get("id")
    if staff_id is not None:
        return RegistryRef(False, source, staff_id)
    name = person.get("name")
    return None if name is None else RegistryRef(True, court or "", normal_name(name))


def _registered(person: Any, source: str, court: str | None, registry: Mapping[RegistryRef, str]) -> str | None:
    ref = _ref(person, source, court)
    return None if ref is None else registry[ref]


def _pseudonymous(person: Any, case_key: CaseKey) -> str | None:
    text = person if isinstance(person, str) else person.get("id", person.get("name"))
    return None if text is None else pseudonym(case_key, text)


def _actor(
    actor: Mapping[str, Any], source: str, court: str | None, case_key: CaseKey, registry: Mapping[RegistryRef, str]
) -> dict[str, Any]:
    result = {name: value for name, value in actor.items() if name not in ("id", "name")}
    if actor["role"] in REGISTRY_ROLES:
        ref = _ref(actor, source, court)
        if ref is not None:
            result["ref"] = registry[ref]
            if ref.byname:
                result["byname"] = True
    else:
        text = _pseudonymous(actor, case_key)
        if text is not None:
            result["ref"] = text
    return result


def _each(change: Callable[[Any], Any]) -> _Change:
    """A list of people stands for its members."""
    return lambda value, _: [change(item) for item in value] if isinstance(value, list) else change(value)


def _found(value: Any, path: tuple[str, ...]) -> Iterable[Any]:
    """Every value at the path; `*` is every item of a list, and a list at the end stands for its items."""
    for index, token in enumerate(path):
        if token == "*":  # noqa: S105 - a token of a path
            if isinstance(value, list):
                for item in value:
                    yield from _found(item, path[index + 1 :])
            return
        if not isinstance(value, dict) or token not in value:
            return
        value = value[token]
    if isinstance(value, list):
        yield from value
    elif value is not None:
        yield value


def _change(container: Any, path: tuple[str, ...], pointer: str, change: _Change) -> None:
    """Replace what is at the path within `container`, copying what it passes through."""
    token, rest = path[0], path[1:]
    if token == "*":  # noqa: S105 - a token of a path
        places: Iterable[Any] = range(len(container)) if isinstance(container, list) else ()
    else:
        places = (token,) if isinstance(container, dict) and container.get(token) is not None else ()
    for place in places:
        value = container[place]
        here = f"{pointer}/{place}"
        if rest:
            if isinstance(value, dict | list):
                container[place] = value.copy()
                _change(container[place], rest, here, change)
        else:
            container[place] = change(value, here)
