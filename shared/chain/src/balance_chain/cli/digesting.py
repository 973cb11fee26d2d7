"""`balance-chain digest`: the digests of files as events name them, SHA-256 and SM3 (GB/T 32905-2016) side by side."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from .exits import CommandFailed, Exit
from .output import people, progress, results, show_json

CHUNK_BYTES: Final = 1 << 20


def digest(
    files: Annotated[list[Path], typer.Argument(help="Files whose content is to be named by digest.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")] = False,
) -> Exit:
    """Compute the digests that an event's `data.digests` takes; look them up at /v1/digests/{algorithm}/{hex}."""
    known = sm3_known()
    shown = []
    for path in files:
        digests, size = file_digests(path, sm3=known, quiet=as_json)
        shown.append({"file": str(path), "size": size, "digests": digests})
        if not as_json:
            for algorithm, value in digests.items():
                results.print(f"{algorithm:<8}{value}  {path}", markup=False, soft_wrap=True)
    if as_json:
        show_json({"files": shown})
    if not known:
        people.print("balance-chain: no SM3: this Python's OpenSSL has none; SHA-256 alone is given", markup=False)
        return Exit.UNAVAILABLE
    return Exit.DONE


def sm3_known() -> bool:
    """Whether this Python's OpenSSL has SM3."""
    try:
        hashlib.new("sm3")
    except ValueError:
        return False
    return True


def file_digests(path: Path, *, sm3: bool, quiet: bool) -> tuple[dict[str, str], int]:
    """The digests of a file, read once in pieces, and its size."""
    hashes: dict[str, Any] = {"sha-256": hashlib.sha256()}
    if sm3:
        hashes["sm3"] = hashlib.new("sm3")
    size = 0
    try:
        with path.open("rb") as file, progress(path.name, path.stat().st_size, quiet=quiet) as advance:
            while piece := file.read(CHUNK_BYTES):
                for hash_ in hashes.values():
                    hash_.update(piece)
                size += len(piece)
                advance(len(piece))
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot read {path}: {error.strerror}") from None
    return {name: hash_.hexdigest() for name, hash_ in hashes.items()}, size
