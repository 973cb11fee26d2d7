"""`balance-chain timestamp`: have an RFC 3161 authority stamp a checkpoint, and keep the token beside the archive.

Anybody can: the checkpoint comes from a proof bundle, from a note on disk, or from a verifier. What is kept is what
`balance-verify --timestamp` reads: the token, and the note whose text it stamps.
"""

from pathlib import Path
from typing import Annotated, Final

import httpx
import typer
from balance_verify.checkpoint import Checkpoint
from balance_verify.errors import MalformedError
from balance_verify.note import SignedNote
from balance_verify.proof import ProofBundle
from balance_verify.timestamp import check_authorities, check_timestamp, query_for, time_of
from balance_verify.verify import MATCHES

from .exits import CommandFailed, Exit, read_bytes, write_bytes
from .output import people, results
from .publishing import uses_proxy

REQUEST_SECONDS: Final = 30.0
MAX_REPLY_BYTES: Final = 1_000_000
FOLDER: Final = "timestamps"
"""Folder of an archive that holds `<size>.tsr` and `<size>.note`."""


def timestamp(
    file: Annotated[
        Path | None, typer.Argument(help="A proof bundle or a signed note; by default the verifier's checkpoint.")
    ] = None,
    authority: Annotated[
        str, typer.Option("--tsa", envvar="BALANCE_TSA_URL", help="Address of the timestamp authority.")
    ] = "",
    authority_cert: Annotated[
        Path | None, typer.Option("--tsa-cert", help="PEM file with its certificates, to check the answer at once.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the token here.")] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Folder of an archive: keep token and note in it.")
    ] = None,
    url: Annotated[
        str, typer.Option("--url", envvar="BALANCE_VERIFIER_URL", help="Address of the verifier.")
    ] = "http://127.0.0.1:8082",
) -> Exit:
    """Have a checkpoint stamped by an RFC 3161 authority; check with: balance-verify --timestamp TOKEN."""
    if not authority:
        raise CommandFailed(Exit.USAGE, "give the authority's address with --tsa (or BALANCE_TSA_URL)")
    if output is None and archive is None:
        raise CommandFailed(Exit.USAGE, "say where the token goes: -o FILE, or --archive DIR")
    try:
        certificates = None if authority_cert is None else read_bytes(authority_cert)
        if certificates is not None:
            check_authorities(certificates)
        note = _note(read_bytes(file)) if file else SignedNote.parse(_fetch(f"{url.rstrip('/')}/log/checkpoint"))
        said = Checkpoint.parse(note.text)
    except MalformedError as error:
        raise CommandFailed(Exit.REFUSED, f"nothing to stamp: {error}") from None
    token, time = request_token(note.text, authority)
    if certificates is not None and (step := check_timestamp(note.text, token, certificates)).result != MATCHES:
        raise CommandFailed(Exit.REFUSED, f"the authority's answer is not kept: {step.result}: {step.got}")
    if output is not None:
        write_bytes(output, token)
    if archive is not None:
        folder = archive / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / f"{said.size}.note", note.encode())
        write_bytes(folder / f"{said.size}.tsr", token)
    results.print(f"size {said.size} root {said.root.hex()} stamped {time}", markup=False, soft_wrap=True)
    if certificates is None:
        people.print("the authority's signature was not checked: give its --tsa-cert", markup=False)
    return Exit.DONE


def request_token(text: str, authority: str) -> tuple[bytes, str]:
    """The authority's answer for a checkpoint's text: granted, over this text, to this very request; and its time."""
    query = query_for(text)
    answer = _fetch(authority, query.der)
    try:
        return answer, time_of(query, answer)
    except MalformedError as error:
        raise CommandFailed(Exit.REFUSED, f"no timestamp by {authority}: {error.problem}") from None


def _note(data: bytes) -> SignedNote:
    return ProofBundle.parse(data).log_proof.note if data.startswith(b"{") else SignedNote.parse(data)


def _fetch(address: str, query: bytes | None = None) -> bytes:
    """What an address answers; with a query, to that."""
    try:
        with httpx.Client(timeout=REQUEST_SECONDS, trust_env=uses_proxy(address)) as client:
            if query is None:
                response = client.get(address)
            else:
                response = client.post(address, content=query, headers={"Content-Type": "application/timestamp-query"})
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot reach {address}: {error}") from None
    if response.status_code != 200 or len(response.content) > MAX_REPLY_BYTES:
        told = f"{address} answered {response.status_code} with {len(response.content)} bytes"
        raise CommandFailed(Exit.UNAVAILABLE, told)
    return response.content
