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
from collections.abc import Callable, Mapping
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
    from balance_chain.core.catalogue import EventType, Role

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 24
SALT_BYTES: Final = 32
TAG_BYTES: Final = 16
PURPOSES: Final = ("encrypt", "salt", "nonce", "source", "pseudonym")
REGISTRY_PREFIX: Final = "r_"
BYNAME_PREFIX: Final = "n_"
"""Of an id that stands for a name within a court, which two people may share: rules about one person pass over it."""
PSEUDONYM_PREFIX: Final = "p_"
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
    """What the register is asked for: a staff id within a staff namespace, or, without one, a name within a court."""

    byname: bool
    scope: str
    value: str


def register_id(asked: RegistryRef, drawn: str) -> str:
    """A new id of the register from 32 random hex digits; it shows whether it stands for a person or for a name."""
    return (BYNAME_PREFIX if asked.byname else REGISTRY_PREFIX) + drawn


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


class Protected(NamedTuple):
    """An event's data as the chain may hold it."""

    data: dict[str, Any]
    encrypted: bool
    actorref: str | None
    actorrole: str | None


class Protector:
    """What one event type's marks mean, worked out once: lookups first, then protection.

    Marks stand on the fields of `data` itself and hold for the whole value (catalogue.Field); the data is valid by
    its schema.
    """

    def __init__(self, event_type: "EventType", roles: "Mapping[str, Role]") -> None:
        self.type_id = event_type.id
        self._registry_roles = frozenset(name for name, role in roles.items() if role.privacy == "registry")
        self._registry = _marked(event_type, "registry")
        self._pseudonym = _marked(event_type, "pseudonym")
        self._encrypted = _marked(event_type, "encrypted")

    def lookups(self, data: Mapping[str, Any], staff: str, court: str | None) -> list[RegistryRef]:
        """What the register must be asked before `protect` can run; the answers come in one batch.

        `staff` is the namespace of the source's staff ids (core.sources.Source.staff).
        """
        wanted = [
            registry_ref(actor, staff, court) for actor in data.get(ACTORS, ()) if actor["role"] in self._registry_roles
        ]
        for name in self._registry:
            value = data.get(name)
            if type(value) is list:
                wanted += [registry_ref(person, staff, court) for person in value]
            elif value is not None:
                wanted.append(registry_ref(value, staff, court))
        return wanted

    def protect(
        self,
        data: Mapping[str, Any],
        *,
        source: str,
        event_id: str,
        court: str | None,
        case_key: CaseKey,
        registry: Mapping[RegistryRef, str],
        staff: str | None = None,
    ) -> Protected:
        """The data with every mark applied; `data` is not changed. `staff` as in `lookups`, else the source."""
        staff = staff or source
        result = dict(data)
        actorref = actorrole = None
        if ACTORS in result:
            actors = [self._actor(actor, staff, court, case_key, registry) for actor in result[ACTORS]]
            result[ACTORS] = actors
            actorref, actorrole = actors[0]["ref"], actors[0]["role"]
        for name in self._registry:
            if name in result:
                result[name] = _each(result[name], lambda person: registry[registry_ref(person, staff, court)])
        for name in self._pseudonym:
            if name in result:
                result[name] = _each(result[name], lambda person: pseudonym(case_key, _identity(person)))
        encrypted = False
        for name in self._encrypted:
            if name in result:
                encrypted = True
                where = associated_data(source, event_id, self.type_id, f"/{name}")
                result[name] = encrypt_field(case_key, where, result[name])
        return Protected(result, encrypted, actorref, actorrole)

    def _actor(
        self,
        actor: Mapping[str, str],
        staff: str,
        court: str | None,
        case_key: CaseKey,
        registry: Mapping[RegistryRef, str],
    ) -> dict[str, Any]:
        role = actor["role"]
        if role not in self._registry_roles:
            return {"role": role, "ref": pseudonym(case_key, _identity(actor))}
        asked = registry_ref(actor, staff, court)
        if asked.byname:
            return {"role": role, "ref": registry[asked], "byname": True}
        return {"role": role, "ref": registry[asked]}


def registry_ref(person: Mapping[str, str], staff: str, court: str | None) -> RegistryRef:
    """How the register knows a person `{id?, name?}`: by staff id, or else by name in the court."""
    staff_id = person.get("id")
    if staff_id is not None:
        return RegistryRef(False, staff, staff_id)
    return RegistryRef(True, court or "", normal_name(person["name"]))


def _identity(person: Mapping[str, str]) -> str:
    """What a pseudonym is made of: the id where the source has one, else the name."""
    return person["id"] if "id" in person else person["name"]


def _marked(event_type: "EventType", mark: str) -> tuple[str, ...]:
    return tuple(field.name for field in event_type.fields if field.privacy == mark)


def _each(value: Any, change: Callable[[Mapping[str, str]], str]) -> Any:
    """A person becomes a reference; a list of people a list of them."""
    return [change(person) for person in value] if type(value) is list else change(value)
