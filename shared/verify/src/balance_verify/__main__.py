"""`balance-verify`: check a proof bundle offline, with nothing but the log's public key.

Exit 0 verified, 1 not verified, 2 wrong use, 3 a file that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .errors import MalformedError
from .note import VerifierKey
from .proof import MAX_BUNDLE_BYTES, ProofBundle
from .verify import MATCHES, NOT_CHECKABLE, OPERATOR_ALONE, Report, verify_bundle

VERIFIED, NOT_VERIFIED, USAGE, UNAVAILABLE = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        log_key = VerifierKey.parse(options.vkey.read_text(encoding="utf-8"))
        sealer_keys = [VerifierKey.parse(path.read_text(encoding="utf-8")) for path in options.sealer_vkey]
    except OSError as error:
        return _complain(UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
    except UnicodeDecodeError:
        return _complain(USAGE, "a key file is not text: give a vkey, name+hash+key")
    except MalformedError as error:
        return _complain(USAGE, f"a key file is malformed: {error}")
    try:
        with options.bundle.open("rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        return _complain(UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
    try:
        bundle = ProofBundle.parse(data)
    except MalformedError as error:
        if options.json:
            sys.stdout.write(json.dumps({"verified": False, "malformed": str(error)}) + "\n")
        return _complain(NOT_VERIFIED, f"not verified: the bundle is malformed: {error}")
    report = verify_bundle(bundle, log_key, sealer_keys=sealer_keys)
    verified = report.ok and (options.operator_only or report.finality != OPERATOR_ALONE)
    sys.stdout.write(_as_json(report, verified) if options.json else _as_text(bundle, report, verified))
    return VERIFIED if verified else NOT_VERIFIED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="balance-verify",
        description="Check offline that an event is in a log. Exit 0 verified, 1 not, 2 wrong use, 3 unreadable file.",
    )
    parser.add_argument("bundle", type=Path, help="the proof bundle, <name>.proof.json")
    parser.add_argument("--vkey", type=Path, required=True, help="file with the log's public key, name+hash+key")
    parser.add_argument(
        "--sealer-vkey",
        type=Path,
        action="append",
        default=[],
        help="file with a sealer's public key, to check the block's own signature too; may be repeated",
    )
    parser.add_argument(
        "--operator-only",
        action="store_true",
        help="accept the log operator's word alone, without witnesses against a second history",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    return parser


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"balance-verify: {text}\n")
    return code


def _as_json(report: Report, verified: bool) -> str:
    steps = [asdict(step) for step in report.steps]
    members = {"verified": verified, "ok": report.ok, "finality": report.finality, "steps": steps}
    return json.dumps(members, ensure_ascii=False) + "\n"


def _as_text(bundle: ProofBundle, report: Report, verified: bool) -> str:
    lines = [_event_line(bundle.event)]
    for step in report.steps:
        lines.append(f"{step.number}  {step.name:<21} {step.result:<22} {_printable(step.detail)}")
        if step.result not in (MATCHES, NOT_CHECKABLE):
            lines += [f"   expected  {_printable(step.expected)}", f"   got       {_printable(step.got)}"]
    if verified:
        lines.append(f"verified ({report.finality})")
    elif report.ok:
        lines.append(f"not verified: every step holds, on the {report.finality}; --operator-only accepts that")
    else:
        lines.append("not verified")
    return "\n".join(lines) + "\n"


def _event_line(event: bytes) -> str:
    """What the proof is about, as far as the event's bytes tell; the hash of a step speaks for all of them."""
    try:
        members = json.loads(event)
        told = " ".join(str(members[key]) for key in ("source", "id", "type", "time"))
    except (ValueError, RecursionError, TypeError, KeyError):
        told = f"{len(event)} bytes that are no CloudEvent"
    return f"event  {_printable(told)}"


def _printable(text: str) -> str:
    """`text` safe for a terminal: a bundle comes from strangers."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


if __name__ == "__main__":
    sys.exit(main())
