"""`balance-chain verify` and `equivocation show`: what a stranger checks, by the same code that a stranger runs."""

from pathlib import Path
from typing import Annotated, Final

import typer
from balance_verify.__main__ import main as verify_main
from balance_verify.equivocation import MAX_EVIDENCE_BYTES, Evidence, check, checkpoint_of
from balance_verify.errors import MalformedError
from balance_verify.note import VerifierKey
from balance_verify.verify import MATCHES, NOT_CHECKABLE, Step

from .exits import CommandFailed, Exit
from .output import results, show_json

equivocation = typer.Typer(help="Two histories shown by one log.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


def verify(
    file: Annotated[Path | None, typer.Argument(help="The proof bundle, <name>.proof.json.")] = None,
    vkey: Annotated[Path | None, typer.Option("--vkey", help="File with the log's public key.")] = None,
    policy: Annotated[Path | None, typer.Option("--policy", help="File with logs and witnesses to believe.")] = None,
    sealer_vkey: Annotated[
        list[Path] | None, typer.Option("--sealer-vkey", help="File with a sealer's public key.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="File with the log's signed key set: which keys hold at which entry.")
    ] = None,
    operator_only: Annotated[
        bool, typer.Option("--operator-only", help="Accept the log operator's word alone, without witnesses.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option("--receipt", help="The gateway's receipt: was its promise kept?")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="With --receipt: the event as it was sent; is it what was sealed?")
    ] = None,
    gateway_vkey: Annotated[
        list[Path] | None, typer.Option("--gateway-vkey", help="With --receipt: file with a gateway's public key.")
    ] = None,
    genesis: Annotated[
        Path | None, typer.Option("--genesis", help="With --receipt: the log's genesis entry, which names that key.")
    ] = None,
    timestamp: Annotated[
        Path | None, typer.Option("--timestamp", help="An RFC 3161 timestamp over the bundle's checkpoint.")
    ] = None,
    tsa_cert: Annotated[
        Path | None, typer.Option("--tsa-cert", help="With --timestamp: PEM file with the authority's certificates.")
    ] = None,
    as_json: Json = False,
) -> Exit:
    """Check a proof bundle, a receipt or both offline, with nothing but the log's public key."""
    if file is not None and vkey is None and policy is None:
        raise CommandFailed(Exit.USAGE, "give the log's key with --vkey, or a --policy that lists logs")
    arguments = []
    for option, values in (
        ("--vkey", [vkey]),
        ("--policy", [policy]),
        ("--sealer-vkey", sealer_vkey or []),
        ("--keys", [keys]),
        ("--receipt", [receipt]),
        ("--against", [against]),
        ("--gateway-vkey", gateway_vkey or []),
        ("--genesis", [genesis]),
        ("--timestamp", [timestamp]),
        ("--tsa-cert", [tsa_cert]),
    ):
        arguments += [f"{option}={value}" for value in values if value is not None]
    arguments += ["--operator-only"] if operator_only else []
    arguments += ["--json"] if as_json else []
    arguments += [] if file is None else ["--", str(file)]
    try:
        return Exit(verify_main(arguments))
    except SystemExit as wrong_use:
        # argparse has said what is wrong.
        return Exit(wrong_use.code) if isinstance(wrong_use.code, int) else Exit.USAGE


@equivocation.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="The file of evidence that a verifier or witness kept.")],
    vkey: Annotated[Path | None, typer.Option("--vkey", help="File with the log's public key, as you know it.")] = None,
    as_json: Json = False,
) -> Exit:
    """Check evidence that a log signed two checkpoints which cannot both be true. Exit 0 proven, 1 not proven."""
    key = None if vkey is None else read_key(vkey)
    try:
        evidence = Evidence.parse(_read(file))
    except MalformedError as error:
        raise CommandFailed(Exit.REFUSED, f"not proven: {error}") from None
    judgement = check(evidence, key)
    if as_json:
        steps = [{name: getattr(step, name) for name in Step.__slots__} for step in judgement.steps]
        show_json({"proven": judgement.proven, "vkey": str(evidence.log_key), "steps": steps})
        return Exit.DONE if judgement.proven else Exit.REFUSED
    for which, note in (("first", evidence.first), ("second", evidence.second)):
        said = checkpoint_of(note)
        _line(f"{which:<7} {said.origin}  size {said.size}  root {said.root.hex()}")
    for step in judgement.steps:
        _line(f"{step.number}  {step.name:<17} {step.result:<22} {step.detail}")
        if step.result not in (MATCHES, NOT_CHECKABLE):
            _line(f"   expected  {step.expected}")
            _line(f"   got       {step.got}")
    whose = "your key" if key else "the key in the file; compare it with the log's own"
    _line(f"proven: {_CONCLUSION} (by {whose})" if judgement.proven else "not proven")
    return Exit.DONE if judgement.proven else Exit.REFUSED


_CONCLUSION: Final = "this key signed two checkpoints that cannot both be true"


def read_key(path: Path) -> VerifierKey:
    """The public key in a file."""
    try:
        return VerifierKey.parse(_read(path).decode())
    except UnicodeDecodeError:
        raise CommandFailed(Exit.USAGE, f"{path} is not text: give a vkey, name+hash+key") from None
    except MalformedError as error:
        raise CommandFailed(Exit.USAGE, f"{path} is no vkey: {error}") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot read {path}: {error.strerror}") from None


def _line(text: str) -> None:
    """One line on stdout, safe for a terminal: evidence comes from strangers."""
    printable = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    results.print(printable, markup=False, soft_wrap=True)
