"""`balance-chain certificate`: a proof bundle made into one HTML file that checks itself and prints."""

from pathlib import Path
from typing import Annotated

import typer
from balance_verify.errors import MalformedError
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import MATCHES, verify_bundle

from balance_chain.certificate.render import Language, file_name, render_certificate

from .exits import CommandFailed, Exit, read_bytes, write_bytes
from .output import people
from .verifying import read_key


def certificate(
    file: Annotated[Path, typer.Argument(help="The proof bundle, <name>.proof.json.")],
    vkey: Annotated[Path, typer.Option("--vkey", help="File with the log's public key.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the certificate here; by default <event id>.html.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", help="Witness policy, to say since when by their word.")
    ] = None,
    sealer_vkey: Annotated[
        list[Path] | None, typer.Option("--sealer-vkey", help="File with a sealer's public key, for the page to check.")
    ] = None,
    lang: Annotated[Language, typer.Option("--lang", help="Language shown first: zh or en.")] = "zh",
) -> Exit:
    """Make the certificate (存证证明) of a proof: one HTML file that checks itself in a browser, for A4 too."""
    log_key = read_key(vkey)
    sealers = [read_key(path) for path in sealer_vkey or []]
    try:
        bundle = ProofBundle.parse(read_bytes(file))
        believed = None if policy is None else Policy.parse(read_bytes(policy))
    except MalformedError as error:
        raise CommandFailed(Exit.REFUSED, f"no certificate: {error}") from None
    report = verify_bundle(bundle, log_key, policy=believed, sealer_keys=sealers)
    for step in report.steps:
        if step.needed and step.result != MATCHES:
            told = f"no certificate: step {step.number}, {step.name}: {step.result}"
            raise CommandFailed(Exit.REFUSED, f"{told}; expected {step.expected}, got {step.got}")
    html = render_certificate(bundle, log_key, policy=believed, sealer_keys=sealers, lang=lang)
    path = output or Path(f"{file_name(bundle)}.html")
    write_bytes(path, html.encode())
    people.print(f"wrote {path} ({report.finality}); open it in a browser, or print it", markup=False)
    return Exit.DONE
