"""`balance-verify`: check a proof bundle offline, with nothing but the log's public key and a witness policy.

With `--receipt` it says whether the promise in a receipt was kept or broken; with `--against` too, whether what was
sent is what was sealed. Exit 0 verified, 1 not verified, 2 wrong use, 3 a file that cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .errors import MalformedError, VerifyError
from .keyset import GATEWAY, open_keys
from .note import VerifierKey
from .policy import Policy, PolicyError
from .promise import PromiseReport, gateway_keys, verify_promise
from .proof import MAX_BUNDLE_BYTES, ProofBundle
from .receipt import Receipt, SignedReceipt
from .timestamp import check_authorities, check_timestamp
from .verify import MATCHES, NOT_CHECKABLE, OPERATOR_ALONE, Report, Step, verify_bundle

VERIFIED, NOT_VERIFIED, USAGE, UNAVAILABLE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class _Trusted:
    """What the reader knows beforehand."""

    log_key: VerifierKey | None
    policy: Policy | None
    sealers: list[VerifierKey]
    gateways: list[VerifierKey]
    authorities: bytes
    """PEM certificates of timestamp authorities."""


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be checked."""

    bundle: ProofBundle | None
    receipt: SignedReceipt | None
    genesis: bytes | None
    sent: bytes | None
    timestamp: bytes | None
    keys: bytes | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.bundle is None and options.receipt is None:
        parser.error("give a proof bundle, or --receipt, or both")
    if options.receipt is None and (options.against or options.genesis or options.gateway_vkey):
        parser.error("--against, --genesis and --gateway-vkey go with --receipt")
    if bool(options.timestamp) != bool(options.tsa_cert) or (options.timestamp and options.bundle is None):
        parser.error("--timestamp goes with --tsa-cert and a proof bundle")
    try:
        trusted = _Trusted(
            _key(options.vkey) if options.vkey else None,
            Policy.parse(_read(options.policy)) if options.policy else None,
            [_key(path) for path in options.sealer_vkey],
            [_key(path) for path in options.gateway_vkey],
            _read(options.tsa_cert) if options.tsa_cert else b"",
        )
        if options.tsa_cert:
            check_authorities(trusted.authorities)
    except OSError as error:
        return _complain(UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
    except UnicodeDecodeError:
        return _complain(USAGE, "a key file is not text: give a vkey, name+hash+key")
    except PolicyError as error:
        return _complain(USAGE, str(error))
    except MalformedError as error:
        return _complain(USAGE, f"a key file is malformed: {error}")
    if trusted.log_key is None and not (trusted.policy and trusted.policy.logs) and (options.bundle or options.genesis):
        return _complain(USAGE, "give the log's key with --vkey, or a --policy that lists logs")
    try:
        given = _Given(
            ProofBundle.parse(_read(options.bundle)) if options.bundle else None,
            Receipt.parse_signed(_read(options.receipt)) if options.receipt else None,
            _read(options.genesis) if options.genesis else None,
            _read(options.against) if options.against else None,
            _read(options.timestamp) if options.timestamp else None,
            _read(options.keys) if options.keys else None,
        )
    except OSError as error:
        return _complain(UNAVAILABLE, f"cannot read {error.filename}: {error.strerror}")
    except MalformedError as error:
        return _refuse(f"malformed: {error}", options.json)
    return _check(trusted, given, operator_only=options.operator_only, as_json=options.json)


def _check(trusted: _Trusted, given: _Given, *, operator_only: bool, as_json: bool) -> int:
    log_key, policy, bundle = trusted.log_key, trusted.policy, given.bundle
    if log_key is None and policy is not None and policy.logs:
        # Where the policy lists several logs, the checkpoint's own; where it lists another, the steps will say so.
        origin = bundle.log_proof.checkpoint.origin if bundle else given.receipt.receipt.origin if given.receipt else ""
        log_key = policy.log_of(origin, bundle.log_proof.note if bundle else None) or policy.logs[0].key
    held = None
    if given.keys is not None and log_key is not None:
        try:
            held = open_keys(given.keys, log_key)
        except VerifyError as error:
            return _refuse(f"the key set does not hold: {error}", as_json)
    report = None
    if bundle is not None and log_key is not None:
        report = verify_bundle(bundle, log_key, policy=policy, sealer_keys=trusted.sealers, keys=held)
        if given.timestamp is not None:
            step = check_timestamp(bundle.log_proof.note.text, given.timestamp, trusted.authorities)
            report = replace(report, steps=(*report.steps, step))
    verified = report is not None and report.ok and (operator_only or report.finality != OPERATOR_ALONE)
    promise = None
    if given.receipt is not None:
        gateways = trusted.gateways
        if given.genesis is not None and log_key is not None:
            try:
                gateways = [*gateways, *gateway_keys(given.genesis, log_key)]
            except VerifyError as error:
                return _refuse(f"the genesis entry does not hold: {error}", as_json)
        if held is not None:
            gateways = [*gateways, *held.at(GATEWAY, held.size if bundle is None else bundle.log_proof.index)]
        promise = verify_promise(given.receipt, gateways, log_key=log_key, bundle=bundle, sent=given.sent)
        verified = verified and promise.kept
    if as_json:
        sys.stdout.write(_as_json(report, promise, verified))
    else:
        lines = _bundle_lines(bundle, report) if bundle and report else []
        lines += _receipt_lines(given.receipt.receipt, promise) if given.receipt and promise else []
        sys.stdout.write("\n".join([*lines, _verdict(report, promise, verified)]) + "\n")
    return VERIFIED if verified else NOT_VERIFIED


def _read(path: Path) -> bytes:
    """A file's bytes, not many more than the largest that is accepted of any kind."""
    with path.open("rb") as file:
        return file.read(MAX_BUNDLE_BYTES + 1)


def _key(path: Path) -> VerifierKey:
    return VerifierKey.parse(path.read_text(encoding="utf-8"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="balance-verify",
        description="Check offline that an event is in a log. Exit 0 verified, 1 not, 2 wrong use, 3 unreadable file.",
    )
    parser.add_argument("bundle", type=Path, nargs="?", help="the proof bundle, <name>.proof.json")
    parser.add_argument("--vkey", type=Path, help="file with the log's public key, name+hash+key")
    parser.add_argument(
        "--policy", type=Path, help="file with the logs and witnesses to believe (tlog-policy); it may replace --vkey"
    )
    parser.add_argument(
        "--sealer-vkey",
        type=Path,
        action="append",
        default=[],
        help="file with a sealer's public key, to check the block's own signature too; may be repeated",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        help="file with the log's key set, a note that the log's key has signed: which keys hold at which entry",
    )
    parser.add_argument(
        "--operator-only",
        action="store_true",
        help="accept the log operator's word alone, without witnesses against a second history",
    )
    parser.add_argument("--receipt", type=Path, help="the gateway's receipt: was its promise kept? (with the bundle)")
    parser.add_argument(
        "--against", type=Path, help="with --receipt: file with the event as it was sent; is it what was sealed?"
    )
    parser.add_argument(
        "--gateway-vkey",
        type=Path,
        action="append",
        default=[],
        help="with --receipt: file with a gateway's public key; may be repeated",
    )
    parser.add_argument(
        "--genesis", type=Path, help="with --receipt: file with the log's genesis entry, which names the gateway's key"
    )
    parser.add_argument("--timestamp", type=Path, help="file with an RFC 3161 timestamp over the bundle's checkpoint")
    parser.add_argument("--tsa-cert", type=Path, help="with --timestamp: PEM file with the authority's certificates")
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    return parser


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"balance-verify: {text}\n")
    return code


def _refuse(text: str, as_json: bool) -> int:
    """What is given proves nothing as it stands."""
    if as_json:
        sys.stdout.write(json.dumps({"verified": False, "malformed": text}) + "\n")
    return _complain(NOT_VERIFIED, f"not verified: {_printable(text)}")


def _as_json(report: Report | None, promise: PromiseReport | None, verified: bool) -> str:
    members: dict[str, object] = {"verified": verified}
    if report is not None:
        members |= {"ok": report.ok, "finality": report.finality, "steps": [asdict(step) for step in report.steps]}
    if promise is not None:
        steps = [asdict(step) for step in promise.steps]
        members["receipt"] = {"kept": promise.kept, "broken": promise.broken, "steps": steps}
    return json.dumps(members, ensure_ascii=False) + "\n"


def _bundle_lines(bundle: ProofBundle, report: Report) -> list[str]:
    return [_event_line(bundle.event), *_step_lines(report.steps)]


def _receipt_lines(receipt: Receipt, promise: PromiseReport) -> list[str]:
    told = f"receipt  {receipt.source} {receipt.id}, to be sealed by {receipt.by}"
    return [_printable(told), *_step_lines(promise.steps)]


def _step_lines(steps: Sequence[Step]) -> list[str]:
    lines = []
    for step in steps:
        lines.append(f"{step.number}  {step.name:<21} {step.result:<22} {_printable(step.detail)}")
        if step.result not in (MATCHES, NOT_CHECKABLE):
            lines += [f"   expected  {_printable(step.expected)}", f"   got       {_printable(step.got)}"]
    return lines


def _verdict(report: Report | None, promise: PromiseReport | None, verified: bool) -> str:
    finality = "" if report is None else _printable(report.finality)
    if verified:
        return f"verified ({finality})" if promise is None else f"verified: the promise was kept ({finality})"
    if promise is not None and report is not None and report.ok:
        if promise.broken:
            return f"not verified: the promise was broken: {promise.steps[3].detail} ({finality})"
        if promise.altered:
            return f"not verified: what was sealed is not what was sent ({finality})"
        if not promise.kept:
            return "not verified: the receipt does not go with the bundle, or cannot be checked"
    if report is None:
        return "not verified: not yet; the event's proof bundle shows whether the promise was kept"
    if report.ok:
        return f"not verified: every step holds, on the {finality}; --operator-only accepts that"
    return "not verified" if report.finality == OPERATOR_ALONE else f"not verified ({finality})"


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
