"""The keys of one deployment in one directory: a service opens only the files it needs; each is its owner's (0600).

A Kubernetes secret mounted as files is the same directory, with the file names as the secret's keys; it is read-only
there, so what is made and moved is made and moved in the secret (docs/keys.md).

log.skey, log.vkey          the notary's: signs checkpoints and the genesis entry; its name is the log's origin
sealer.skey, sealer.vkey    signs block headers
gateway.skey, gateway.vkey  signs receipts
gateway.mac                 authenticates what the gateway, and the normaliser's ticks, put on raw
<role>.next.skey, .vkey     the role's next key while it is rotated
log.old.skey, .vkey         the log's key before it, which signs beside it until it ends
log.first.vkey              the key that has signed the log's genesis entry, once another has taken its place
reject.key                  keys the digest in sealed rejects
master.key                  wraps the case keys
"""

import os
import secrets
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from balance_verify.note import SigningKey, VerifierKey

from balance_chain.core.errors import BalanceError

SECRET_BYTES: Final = 32
NEXT: Final = ".next"
OLD: Final = ".old"
FIRST: Final = "log.first"
Role = Literal["log", "sealer", "gateway"]
SIGNERS: Final[dict[Role, str]] = {"log": "", "sealer": "/sealer", "gateway": "/gateway"}
SECRETS: Final = ("gateway.mac", "reject.key", "master.key")


class KeyFileError(BalanceError):
    """A key file is absent or does not hold a key."""


class KeyDirectory:
    """The key files of one deployment, read when first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def generate(cls, path: Path, origin: str) -> "KeyDirectory":
        """Make the files that are absent. What exists is left alone: a log's key cannot be made again."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for role, suffix in SIGNERS.items():
            if not (path / f"{role}.skey").exists():
                key = SigningKey.generate(origin + suffix, secrets.token_bytes(SECRET_BYTES))
                _write(path / f"{role}.vkey", f"{key.vkey}\n")
                _write(path / f"{role}.skey", f"{key.encode()}\n")
        for name in SECRETS:
            if not (path / name).exists():
                _write(path / name, f"{secrets.token_hex(SECRET_BYTES)}\n")
        return cls(path)

    @classmethod
    def load(cls, path: Path) -> "KeyDirectory":
        """The directory as it is; a missing file is an error when it is asked for."""
        if not path.is_dir():
            raise KeyFileError(str(path), "there is no such directory", "run `balance-chain keys generate`")
        return cls(path)

    def signing_key(self, role: Role) -> SigningKey:
        """The key that a role signs with, read now: a rotated file is seen by whoever asks again."""
        return SigningKey.parse(self._read(f"{role}.skey"))

    @cached_property
    def log(self) -> SigningKey:
        """The notary's key."""
        return self.signing_key("log")

    @cached_property
    def sealer(self) -> SigningKey:
        """The sealer's key."""
        return self.signing_key("sealer")

    @cached_property
    def gateway(self) -> SigningKey:
        """The gateway's key."""
        return self.signing_key("gateway")

    @cached_property
    def log_vkey(self) -> VerifierKey:
        """The public key of the genesis entry: from it, key sets tell of every later key of the log."""
        return self.vkey(FIRST if (self.path / f"{FIRST}.vkey").exists() else "log")

    def log_keys(self) -> tuple[SigningKey, ...]:
        """The log's private keys that are here: the present one, and in a rotation the next or the one before."""
        names = [f"log{part}.skey" for part in ("", NEXT, OLD)]
        return tuple(SigningKey.parse(self._read(name)) for name in names if (self.path / name).exists())

    @cached_property
    def sealer_vkey(self) -> VerifierKey:
        """The public key of block headers."""
        return self.vkey("sealer")

    @cached_property
    def gateway_vkey(self) -> VerifierKey:
        """The public key of receipts."""
        return self.vkey("gateway")

    @property
    def origin(self) -> str:
        """The log's origin: the name of its key."""
        return self.log_vkey.name

    @cached_property
    def gateway_mac(self) -> bytes:
        """Key of the authenticator on raw records of gateway and ledger."""
        return self.secret("gateway.mac")

    @cached_property
    def reject_key(self) -> bytes:
        """Key of the digest in sealed rejects."""
        return self.secret("reject.key")

    @cached_property
    def master_key(self) -> bytes:
        """Key that wraps the case keys."""
        return self.secret("master.key")

    def prepare(self, role: Role) -> SigningKey:
        """The next key of a role, made where there is none yet; nothing signs with it before `promote`."""
        if not (self.path / f"{role}{NEXT}.skey").exists():
            key = SigningKey.generate(self.vkey(role).name, secrets.token_bytes(SECRET_BYTES))
            _write(self.path / f"{role}{NEXT}.vkey", f"{key.vkey}\n")
            _write(self.path / f"{role}{NEXT}.skey", f"{key.encode()}\n")
        return SigningKey.parse(self._read(f"{role}{NEXT}.skey"))

    def promote(self, role: Role) -> tuple[VerifierKey, VerifierKey]:
        """Make the next key the one that signs; gives the one before and it.

        The private key before is removed; the log's stays as its old one, which signs on beside it until `forget_old`.
        """
        before, after = self.vkey(role), self.vkey(role + NEXT)
        if role == "log":
            if not (self.path / f"{FIRST}.vkey").exists():
                _write(self.path / f"{FIRST}.vkey", f"{before}\n")
            for kind in ("vkey", "skey"):
                _write(self.path / f"log{OLD}.{kind}", self._read(f"log.{kind}") + "\n")
        (self.path / f"{role}{NEXT}.skey").replace(self.path / f"{role}.skey")
        (self.path / f"{role}{NEXT}.vkey").replace(self.path / f"{role}.vkey")
        return before, after

    def forget_old(self) -> None:
        """Remove the log's old private key, once it has ended."""
        for kind in ("skey", "vkey"):
            (self.path / f"log{OLD}.{kind}").unlink(missing_ok=True)

    def _read(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not ASCII text"
            raise KeyFileError(name, f"cannot be read ({reason})", "run `balance-chain keys generate`") from None

    def vkey(self, name: str) -> VerifierKey:
        """The public key of a role, or with `.next` of its next."""
        return VerifierKey.parse(self._read(f"{name}.vkey"))

    def secret(self, name: str) -> bytes:
        """One of the secrets that are no signing keys."""
        try:
            key = bytes.fromhex(self._read(name))
        except ValueError:
            key = b""
        if len(key) != SECRET_BYTES:
            raise KeyFileError(name, "is not 64 hex digits", "restore it from a backup")
        return key


def _write(path: Path, text: str) -> None:
    """Write a whole file or none: a half-written key must never be taken for one."""
    partial = path.with_name(path.name + ".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
