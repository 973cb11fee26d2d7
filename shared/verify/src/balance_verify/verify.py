"""Check a proof bundle with the log's public key alone, step by step, and say of each step what was found.

The steps, as C2SP tlog-proof ("Verifying a tlog proof") orders them, with our block between event and log:

1. event position: the event's index in its block is below the block's count.
2. event in block: leaf hash of the event, folded with the block path, gives the root in the block's header.
3. entry in log: leaf hash of the entry, folded with the log path, gives the root of the checkpoint.
4. origin: the header and the checkpoint both name the log that the given key stands for.
5. checkpoint signature: the given key signed the checkpoint.
6. sealer signature: one of the given sealer keys, or of the given key set those that hold at the entry's index,
   signed the header. Without such keys it is not checkable, and not needed: step 3 binds the very bytes of the entry
   to the log.
7. witnesses: a quorum of the policy's witnesses cosigned the checkpoint, and the policy lists this log. Without a
   policy it is not checkable, and the finality is the operator's word alone; without a quorum it is not yet final.

Each step runs whatever the ones before it found, so that a report shows all that is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from .entry import Entry
from .errors import BadSignatureError, MalformedError, UnknownSignerError
from .keyset import SEALER, KeySet
from .merkle import leaf_hash, root_from_inclusion
from .note import VerifierKey, open_note
from .policy import NONE, Policy, Verdict, time_text
from .proof import ProofBundle

Result = Literal["matches", "differs", "signer not recognised", "not checkable", "not yet"]
MATCHES: Final = "matches"
DIFFERS: Final = "differs"
SIGNER_NOT_RECOGNISED: Final = "signer not recognised"
NOT_CHECKABLE: Final = "not checkable"
NOT_YET: Final = "not yet"

OPERATOR_ALONE: Final = "operator's word alone"
"""The finality of a checkpoint that no witness vouches for."""

FINAL: Final = "final by the policy"
"""How the finality of a checkpoint begins that the policy accepts."""

NOT_FINAL: Final = "not final by the policy"
"""How the finality of a checkpoint begins that lacks a quorum."""


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison: its number and name as in the module's list, the result, and the values compared.

    `needed` tells whether the proof stands or falls with it; `detail` is a sentence for people.
    """

    number: int
    name: str
    result: Result
    expected: str
    got: str
    detail: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What each step found, and how far the log's word reaches (`finality`)."""

    steps: tuple[Step, ...]
    finality: str

    @property
    def ok(self) -> bool:
        """Whether every needed step matches; whether the finality is enough is for the reader to say."""
        return all(step.result == MATCHES for step in self.steps if step.needed)


def verify_bundle(
    bundle: ProofBundle,
    log_key: VerifierKey,
    *,
    policy: Policy | None = None,
    sealer_keys: Sequence[VerifierKey] = (),
    keys: KeySet | None = None,
) -> Report:
    """Take the seven steps on `bundle`. Never raises: what cannot be computed is a result too."""
    if keys is not None:
        sealer_keys = (*sealer_keys, *keys.at(SEALER, bundle.log_proof.index))
    log_keys = keys.log_keys(bundle.log_proof.checkpoint.size) if keys is not None else (log_key,)
    witnesses, finality = _witnesses(bundle, log_keys, policy)
    return Report(
        (
            _event_position(bundle),
            _event_in_block(bundle),
            _entry_in_log(bundle),
            _origin(bundle, log_key),
            _checkpoint_signature(bundle, log_keys),
            _sealer_signature(bundle, sealer_keys, keys),
            witnesses,
        ),
        finality,
    )


def _event_position(bundle: ProofBundle) -> Step:
    # Step 1.
    count = bundle.header.count
    result: Result = MATCHES if bundle.index < count else DIFFERS
    detail = f"record {bundle.index} of the {count} in block {bundle.header.height} of shard {bundle.header.shard}"
    return Step(1, "event position", result, f"below {count}", str(bundle.index), detail)


def _event_in_block(bundle: ProofBundle) -> Step:
    # Step 2.
    header = bundle.header
    detail = f"the path of {len(bundle.path)} hashes from the event to the block's root"
    return _fold(2, "event in block", bundle.event, bundle.index, header.count, bundle.path, header.root, detail)


def _entry_in_log(bundle: ProofBundle) -> Step:
    # Step 3.
    proof = bundle.log_proof
    checkpoint = proof.checkpoint
    detail = f"the path of {len(proof.path)} hashes from entry {proof.index} to the root at size {checkpoint.size}"
    root = checkpoint.root.hex()
    return _fold(3, "entry in log", bundle.entry, proof.index, checkpoint.size, proof.path, root, detail)


def _fold(
    number: int, name: str, record: bytes, index: int, size: int, path: Sequence[bytes], root: str, detail: str
) -> Step:
    try:
        got = root_from_inclusion(leaf_hash(record), index, size, path).hex()
    except MalformedError as error:
        # A path that fits no tree of this size leads to no root, hence not to the expected one.
        return Step(number, name, DIFFERS, root, "no root", str(error))
    return Step(number, name, MATCHES if got == root else DIFFERS, root, got, detail)


def _origin(bundle: ProofBundle, log_key: VerifierKey) -> Step:
    # Step 4.
    in_header, in_checkpoint = bundle.header.origin, bundle.log_proof.checkpoint.origin
    got = in_header if in_header != log_key.name else in_checkpoint
    result: Result = MATCHES if got == log_key.name else DIFFERS
    named = in_header if in_header == in_checkpoint else f"{in_header} and {in_checkpoint}"
    detail = f"the header and the checkpoint name {named}"
    return Step(4, "origin", result, log_key.name, got, detail)


def _checkpoint_signature(bundle: ProofBundle, log_keys: Sequence[VerifierKey]) -> Step:
    # Step 5. With a key set these are the log's keys that hold at the checkpoint's size.
    result: Result = MATCHES
    expected = got = " or ".join(key.id for key in log_keys)
    try:
        open_note(bundle.log_proof.note.encode(), log_keys)
    except UnknownSignerError as error:
        result, got = SIGNER_NOT_RECOGNISED, error.got
    except BadSignatureError as error:
        result, got = DIFFERS, error.got
    return Step(5, "checkpoint signature", result, expected, got, "the log's signature over its size and root")


def _sealer_signature(bundle: ProofBundle, sealer_keys: Sequence[VerifierKey], keys: KeySet | None) -> Step:
    # Step 6.
    name = "sealer signature"
    entry = Entry.parse(bundle.entry)
    if not sealer_keys and keys is None:
        detail = f"no sealer key was given; the entry names {entry.key}"
        return Step(6, name, NOT_CHECKABLE, "", entry.key, detail, needed=False)
    expected = " or ".join(key.id for key in sealer_keys) or f"a key that holds at entry {bundle.log_proof.index}"
    result: Result = MATCHES
    got = entry.key
    detail = "the sealer's signature over the block header"
    if keys is not None:
        detail = f"{detail}, at entry {bundle.log_proof.index}: {keys.explain(entry.key)}"
    try:
        entry.verify(*sealer_keys)
    except UnknownSignerError:
        result = SIGNER_NOT_RECOGNISED
    except BadSignatureError as error:
        result, got = DIFFERS, error.got
    return Step(6, name, result, expected, got, detail)


def _witnesses(bundle: ProofBundle, log_keys: Sequence[VerifierKey], policy: Policy | None) -> tuple[Step, str]:
    # Step 7.
    name = "witnesses"
    if policy is None:
        return Step(7, name, NOT_CHECKABLE, "", "", "no witness policy was given", needed=False), OPERATOR_ALONE
    expected = "no witness" if policy.quorum == NONE else f"quorum {policy.quorum}"
    if not any(map(policy.lists, log_keys)):
        listed, got = (" or ".join(key.id for key in keys) for keys in ([log.key for log in policy.logs], log_keys))
        detail = "the policy does not list the log's key"
        return Step(7, name, SIGNER_NOT_RECOGNISED, listed, got, detail), f"{NOT_FINAL}: {detail}"
    try:
        verdict = policy.judge(bundle.log_proof.note)
    except BadSignatureError as error:
        detail = "a cosignature by a witness of the policy does not fit"
        return Step(7, name, DIFFERS, error.expected, error.got, detail), f"{NOT_FINAL}: {detail}"
    got = ", ".join(each.key_id for each in verdict.cosigned) or "no cosignature by a witness of the policy"
    result: Result = MATCHES if verdict.reached else NOT_YET
    return Step(7, name, result, expected, got, str(verdict)), finality_of(policy, verdict)


def finality_of(policy: Policy, verdict: Verdict) -> str:
    """How far the log's word reaches under this policy, as a sentence."""
    if not verdict.reached:
        return f"{NOT_FINAL}: {verdict}"
    if policy.quorum == NONE:
        return f"{FINAL}, which asks for no witness"
    assert verdict.time is not None, "a quorum of witnesses has a time"
    return f"{FINAL}: {verdict}, existed no later than {time_text(verdict.time)}"
