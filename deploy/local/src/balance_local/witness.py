"""The demo's own witness: its key, its configuration file and the policy that names it, in the data folder.

A real witness is run by somebody else, on another machine; this one shows how a proof with a quorum is made and
checked, and nothing more.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from balance_verify.cosignature import CosigningKey
from balance_verify.note import VerifierKey

from balance_local.children import Folder

NAME = "demo.example/witness"
CONFIGURATION = "witness.toml"
POLICY = "policy.txt"
_KEY = "witness.skey"


def configuration_file(folder: Folder) -> Path:
    """The witness's one configuration file."""
    return folder.root / "witness" / CONFIGURATION


def policy_file(folder: Folder) -> Path:
    """The policy that asks for this witness's cosignature."""
    return folder.keys / POLICY


def prepare_witness(folder: Folder, host: str, port: int) -> None:
    """Make the key where there is none, and write configuration and policy as this run needs them."""
    home = configuration_file(folder).parent
    home.mkdir(parents=True, exist_ok=True)
    log_key = VerifierKey.parse((folder.keys / "log.vkey").read_text(encoding="utf-8"))
    key = _key(home / _KEY)
    configuration_file(folder).write_text(
        f'key = "{_KEY}"\nlogs = ["{log_key}"]\nhost = "{host}"\nport = {port}\n', encoding="utf-8"
    )
    policy_file(folder).write_text(
        "# Believe this log where the demo's own witness has cosigned. In earnest, witnesses are other institutions.\n"
        f"log {log_key}\nwitness local {key.vkey} http://{host}:{port}/\nquorum local\n",
        encoding="utf-8",
    )


def _key(path: Path) -> CosigningKey:
    if not path.exists():
        partial = path.with_suffix(".partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(CosigningKey.generate(NAME, secrets.token_bytes(32)).encode() + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    return CosigningKey.parse(path.read_text(encoding="utf-8"))
