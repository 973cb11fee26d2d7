"""The register of sources (`sources.yaml`): who may send what, by which transport, for which courts.

sources:
  - uri: urn:court:bj0491:case-system
    zh: 北京互联网法院案件系统
    en: Case system of the Beijing Internet Court
    transport: http             # http or kafka, one of them
    token_sha256: <64 hex>      # SHA-256 of the bearer token; a Kafka source fetches its receipts with it
    key: <base64>               # Ed25519 public key, Kafka sources only
    types: ["*"]                # event types, or "*" for all but the ledger's own
    courts: ["京0491"]           # court codes, or "*"
    staff: urn:court:bj:staff   # whose staff ids it uses; one person has one reference across (default: uri)
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from balance_chain.core.errors import BalanceError

ANY: Final = "*"
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,250}")
_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_FIELDS: Final = frozenset({"uri", "zh", "en", "transport", "token_sha256", "key", "types", "courts", "staff"})


class SourcesError(BalanceError):
    """sources.yaml is not valid."""


@dataclass(frozen=True, slots=True)
class Source:
    """One registered source."""

    uri: str
    zh: str
    en: str
    transport: Literal["http", "kafka"]
    key: bytes | None
    """Ed25519 public key of a Kafka source, 32 bytes."""
    token_sha256: str | None
    types: tuple[str, ...]
    courts: tuple[str, ...]
    staff_namespace: str | None = None

    @property
    def staff(self) -> str:
        """The namespace of its staff ids: one person has one reference in all sources that share it."""
        return self.staff_namespace or self.uri

    def allows_type(self, type_id: str) -> bool:
        """Whether it may send events of this type. The ledger's own types are nobody's."""
        return not type_id.startswith("ledger.") and (ANY in self.types or type_id in self.types)

    def allows_court(self, courtcode: str | None) -> bool:
        """Whether it may speak of this court; what names no court is not restricted."""
        return courtcode is None or ANY in self.courts or courtcode in self.courts


class Sources:
    """All registered sources, by URI and by token."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._by_uri: dict[str, Source] = {}
        self._by_token: dict[str, Source] = {}
        for source in sources:
            if source.uri in self._by_uri:
                raise SourcesError(source.uri, "is registered twice", "keep one entry")
            self._by_uri[source.uri] = source
            if source.token_sha256 is not None:
                if source.token_sha256 in self._by_token:
                    raise SourcesError(source.uri, "shares its token with another source", "give it its own")
                self._by_token[source.token_sha256] = source

    @classmethod
    def load(cls, path: Path) -> "Sources":
        """Read the register from its file."""
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SourcesError(
                str(path), f"cannot be read ({error.strerror})", "set BALANCE_SOURCES to the register"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SourcesError(str(path), f"is not YAML ({error})", "correct it") from None
        if not isinstance(document, dict) or not isinstance(document.get("sources"), list):
            raise SourcesError(str(path), "has no list `sources`", "begin it with `sources:`")
        return cls(_source(item, f"/sources/{index}") for index, item in enumerate(document["sources"]))

    def get(self, uri: str) -> Source | None:
        """The source of this URI."""
        return self._by_uri.get(uri)

    def by_token(self, token: str) -> Source | None:
        """The source whose bearer token this is. Only digests are kept."""
        return self._by_token.get(token_digest(token))

    def all(self) -> tuple[Source, ...]:
        """Every source, in the order of the register."""
        return tuple(self._by_uri.values())


def token_digest(token: str) -> str:
    """What the register keeps of a bearer token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _source(item: Any, where: str) -> Source:
    if not isinstance(item, dict):
        raise SourcesError(where, "is not a mapping", "give uri, transport, types and courts")
    unknown = sorted(str(name) for name in item if name not in _FIELDS)
    if unknown:
        raise SourcesError(f"{where}/{unknown[0]}", "is not a known field", f"use {', '.join(sorted(_FIELDS))}")
    uri = item.get("uri")
    if not isinstance(uri, str) or not _URI.fullmatch(uri):
        raise SourcesError(
            f"{where}/uri", "is not a URI that a source may have", "give one such as urn:court:bj0491:case-system"
        )
    transport = item.get("transport")
    if transport not in ("http", "kafka"):
        raise SourcesError(f"{where}/transport", "is neither http nor kafka", "choose one")
    token = item.get("token_sha256")
    if token is not None and (not isinstance(token, str) or not _TOKEN.fullmatch(token)):
        raise SourcesError(f"{where}/token_sha256", "is not 64 lower-case hex digits", "give the SHA-256 of the token")
    if transport == "http" and token is None:
        raise SourcesError(f"{where}/token_sha256", "is missing", "an HTTP source needs a token")
    staff = item.get("staff")
    if staff is not None and (not isinstance(staff, str) or not _URI.fullmatch(staff)):
        raise SourcesError(
            f"{where}/staff", "is not a URI", "name the court network's register, such as urn:court:bj:staff"
        )
    key = _public_key(item.get("key"), where)
    if (transport == "kafka") != (key is not None):
        raise SourcesError(
            f"{where}/key", "does not fit the transport", "give a key to Kafka sources, and only to them"
        )
    return Source(
        uri=uri,
        zh=str(item.get("zh") or uri),
        en=str(item.get("en") or uri),
        transport=transport,
        key=key,
        token_sha256=token,
        types=_names(item.get("types"), f"{where}/types"),
        courts=_names(item.get("courts"), f"{where}/courts"),
        staff_namespace=staff,
    )


def _public_key(value: Any, where: str) -> bytes | None:
    if value is None:
        return None
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        key = b""
    if len(key) != 32:
        raise SourcesError(f"{where}/key", "is not a base64 Ed25519 public key", "give its 32 bytes in base64")
    return key


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise SourcesError(where, "is not a list of names", 'list them, or ["*"] for all')
    return tuple(value)
