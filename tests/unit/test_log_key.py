"""The log's own key changes inside the log: with an overlap, by log size, and believed from whichever key one knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from balance_chain.core.keys import KeyDirectory
from balance_sealer.changes import Change, decide
from balance_sealer.errors import NotaryRefusal
from balance_sealer.log import State
from balance_sealer.signer import LogSigner
from balance_verifier.witness.service import Witness
from balance_verifier.witness.store import SqliteConnection, Store
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.entry import GenesisHeader
from balance_verify.equivocation import Evidence, check
from balance_verify.errors import MismatchError, SignatureError, UnknownSignerError
from balance_verify.keyset import KeyHistory, open_checkpoint, open_keys, sign_keys
from balance_verify.merkle import consistency_path, leaf_hash, tree_root
from balance_verify.note import SigningKey, sign_note
from balance_verify.policy import Policy
from balance_verify.verify import DIFFERS, MATCHES, SIGNER_NOT_RECOGNISED, verify_bundle
from balance_verify.witness import AddCheckpoint
from support.bundles import LOG as BUNDLE_LOG
from support.bundles import SEALER, OneBlock, event

ORIGIN = "test.example/balance-chain/1"
OLD, NEW, NEXT = (SigningKey.generate(ORIGIN, bytes([n]) * 32) for n in (1, 2, 3))
GATEWAY = SigningKey.generate(f"{ORIGIN}/gateway", b"\x05" * 32)
HEIGHTS = (2, 1)
BEGUN = KeyHistory.begin(
    GenesisHeader("0" * 64, (str(OLD.vkey), str(GATEWAY.vkey)), ORIGIN, 2, "2026-11-24T00:00:00.000Z")
)
OVERLAP = BEGUN.last.after(5, HEIGHTS, add=[NEW.vkey])
ENDED = OVERLAP.after(8, (4, 2), end=[OLD.vkey.id])
AGAIN = ENDED.after(9, (5, 2), add=[NEXT.vkey])
NOTES = [sign_keys(OVERLAP, OLD, NEW), sign_keys(ENDED, OLD, NEW), sign_keys(AGAIN, NEW, NEXT)]
CHAIN = b"\n".join(note.encode() for note in NOTES)


def checkpoint(size: int, *signers: SigningKey) -> bytes:
    return sign_note(Checkpoint(ORIGIN, size, bytes(32)).text(), *signers).encode()


@pytest.mark.parametrize(("signer", "sizes"), [(OLD, range(1, 9)), (NEW, range(5, 12)), (NEXT, range(9, 12))])
def test_a_key_signs_checkpoints_from_its_first_size_to_its_last(signer: SigningKey, sizes: range) -> None:
    for size in range(1, 12):
        if size in sizes:
            assert open_checkpoint(checkpoint(size, signer), AGAIN)[0].size == size
        else:
            with pytest.raises(UnknownSignerError):
                open_checkpoint(checkpoint(size, signer), AGAIN)


def test_a_set_that_brings_a_key_is_signed_by_one_before_it_and_by_that_key() -> None:
    assert BEGUN.taking_note(NOTES[0].encode().decode(), 5, HEIGHTS).last == OVERLAP
    for signers in ([OLD], [NEW], [NEXT, NEW]):
        with pytest.raises(SignatureError):
            BEGUN.taking_note(sign_keys(OVERLAP, *signers).encode().decode(), 5, HEIGHTS)


def test_a_key_that_has_ended_makes_no_set() -> None:
    history = BEGUN.taking(OVERLAP).taking(ENDED)
    more = ENDED.after(8, (4, 2), end=[GATEWAY.vkey.id])
    with pytest.raises(UnknownSignerError):
        history.taking_note(sign_keys(more, OLD).encode().decode(), 8, (4, 2))
    assert history.taking_note(sign_keys(more, NEW).encode().decode(), 8, (4, 2)).last == more


def test_the_last_key_of_a_log_does_not_end() -> None:
    with pytest.raises(MismatchError, match="the log's key"):
        BEGUN.taking(BEGUN.last.after(5, HEIGHTS, end=[OLD.vkey.id]))


@pytest.mark.parametrize("known", [OLD, NEW, NEXT])
def test_who_knows_any_key_of_the_log_can_believe_the_last_set(known: SigningKey) -> None:
    assert open_keys(CHAIN, known.vkey) == AGAIN


def test_a_chain_of_sets_holds_only_whole() -> None:
    stranger = SigningKey.generate(ORIGIN, b"\x09" * 32)
    with pytest.raises(UnknownSignerError):
        open_keys(CHAIN, stranger.vkey)
    gap = b"\n".join(note.encode() for note in (NOTES[0], NOTES[2]))
    with pytest.raises(MismatchError):
        open_keys(gap, OLD.vkey)
    forged = sign_keys(AGAIN, NEW, stranger)
    with pytest.raises(UnknownSignerError):
        open_keys(b"\n".join(note.encode() for note in (*NOTES[:2], forged)), OLD.vkey)


STATE = State(5, bytes(32), HEIGHTS)


def add(key: SigningKey) -> Change:
    return Change(1, "add", str(key.vkey))


def end(key: SigningKey) -> Change:
    return Change(2, "end", key.vkey.id)


def test_the_notary_takes_no_key_that_it_cannot_sign_with_and_ends_none_without_another() -> None:
    owned = {OLD.vkey.id, NEW.vkey.id}
    assert "does not have the private key" in decide(BEGUN, STATE, [add(NEW)], {OLD.vkey.id}).refused[1]
    assert decide(BEGUN, STATE, [add(NEW)], owned).keys == OVERLAP
    assert "must keep a key" in decide(BEGUN, STATE, [end(OLD)], owned).refused[2]
    both = decide(BEGUN, STATE, [add(NEW), end(OLD)], owned)
    assert both.keys is not None
    assert both.keys.open_log_keys() == (NEW.vkey,)
    late = State(8, bytes(32), (4, 2))
    assert "must keep a key" in decide(BEGUN.taking(OVERLAP), late, [end(OLD)], {OLD.vkey.id}).refused[2]
    assert decide(BEGUN.taking(OVERLAP), late, [end(OLD)], owned).keys == ENDED
    assert (
        "must be named"
        in decide(BEGUN, STATE, [add(SigningKey.generate("other.example", bytes(32)))], owned).refused[1]
    )


def test_both_keys_sign_in_the_overlap_and_the_new_one_alone_after_it(tmp_path: Path) -> None:
    keys = KeyDirectory.generate(tmp_path / "keys", ORIGIN)
    genesis = GenesisHeader("0" * 64, (str(keys.log_vkey),), ORIGIN, 2, "2026-11-24T00:00:00.000Z")
    signer = LogSigner(keys)
    signer.history = KeyHistory.begin(genesis)
    old, new = keys.log_vkey, keys.prepare("log").vkey
    assert signers(signer, 4) == {old.id}
    signer.refresh()
    assert signers(signer, 4) == {old.id}
    overlap = signer.history.last.after(5, HEIGHTS, add=[new])
    signer.history = signer.history.taking(overlap)
    assert signers(signer, 6) == {old.id, new.id}
    KeyHistory.begin(genesis).taking_note(signer.keys(overlap).encode().decode(), 5, HEIGHTS)
    assert keys.promote("log") == (old, new)
    signer.refresh()
    assert signers(signer, 6) == {old.id, new.id}
    ended = overlap.after(8, HEIGHTS, end=[old.id])
    before, signer.history = signer.history, signer.history.taking(ended)
    before.taking_note(signer.keys(ended).encode().decode(), 8, HEIGHTS)
    assert signers(signer, 9) == {new.id}
    loaded = KeyDirectory.load(tmp_path / "keys")
    loaded.forget_old()
    assert [key.vkey for key in loaded.log_keys()] == [new]
    # What the log began with is still what readers begin with.
    assert (loaded.log_vkey, loaded.vkey("log")) == (old, new)
    signer.refresh()
    assert signers(signer, 8) == {new.id}
    with pytest.raises(NotaryRefusal):
        signers(signer, 4)


def signers(signer: LogSigner, size: int) -> set[str]:
    note = signer.checkpoint(Checkpoint(ORIGIN, size, bytes(32)))
    return {f"{each.name}+{each.key_hash.hex()}" for each in note.signatures}


def test_a_bundle_is_checked_by_the_key_that_holds_at_its_checkpoint() -> None:
    block = OneBlock((event("e-1"),))
    bundle = block.bundle()
    size = bundle.log_proof.checkpoint.size
    later = SigningKey.generate(BUNDLE_LOG.name, b"\x21" * 32)
    genesis = GenesisHeader(
        "0" * 64, (str(BUNDLE_LOG.vkey), str(SEALER.vkey)), BUNDLE_LOG.name, 1, "2026-11-24T00:00:00.000Z"
    )
    first = KeyHistory.begin(genesis).last
    overlap = first.after(size, (0,), add=[later.vkey])
    results = []
    for keys in (overlap, overlap.after(size, (0,), end=[BUNDLE_LOG.vkey.id])):
        results.append(verify_bundle(bundle, later.vkey, keys=keys).steps[4].result)
    assert results == [MATCHES, MATCHES]
    early = first.after(size - 1, (-1,), add=[later.vkey]).after(size - 1, (-1,), end=[BUNDLE_LOG.vkey.id])
    assert verify_bundle(bundle, BUNDLE_LOG.vkey, keys=early).steps[4].result == SIGNER_NOT_RECOGNISED
    assert verify_bundle(bundle, BUNDLE_LOG.vkey, keys=overlap).steps[4].result != DIFFERS


def test_a_policy_that_lists_both_keys_takes_the_one_that_has_signed() -> None:
    policy = Policy.parse(f"log {OLD.vkey}\nlog {NEW.vkey}\nquorum none\n".encode())
    for signer in (OLD, NEW):
        note = sign_note(Checkpoint(ORIGIN, 3, bytes(32)).text(), signer)
        assert policy.log_of(ORIGIN, note) == signer.vkey
    assert policy.log_of(ORIGIN) == OLD.vkey


WITNESS = CosigningKey.generate("witness.example", b"\x31" * 32)


def request(old: int, size: int, *signers: SigningKey, history: int = 0) -> bytes:
    root = tree_root([leaf_hash(b"%d %d" % (history, n)) for n in range(size)])
    proof = consistency_path([leaf_hash(b"%d %d" % (history, n)) for n in range(size)], old) if 0 < old < size else ()
    return AddCheckpoint(old, tuple(proof), sign_note(Checkpoint(ORIGIN, size, root).text(), *signers)).encode()


async def test_a_witness_takes_the_new_key_in_the_overlap_and_leaves_the_old_one_after_it(tmp_path: Path) -> None:
    store = Store(SqliteConnection(tmp_path / "state"))
    asked = [(0, 3, [OLD]), (3, 4, [OLD, NEW]), (4, 5, [NEW])]
    for keys, statuses in (([OLD], [200, 200, 403]), ([OLD, NEW], [409, 409, 200])):
        # Started again with another configuration, on the same state.
        witness = Witness(WITNESS, [key.vkey for key in keys], store, tmp_path / "evidence")
        await witness.prepare()
        answers = [await witness.add_checkpoint(request(old, size, *signers)) for old, size, signers in asked]
        assert [answer.status for answer in answers] == statuses
    witness = Witness(WITNESS, [NEW.vkey], store, tmp_path / "evidence")
    await witness.prepare()
    assert (await witness.add_checkpoint(request(5, 6, OLD))).status == 403
    assert (await witness.add_checkpoint(request(5, 6, NEW))).status == 200
    await store.close()


async def test_evidence_names_the_key_that_has_signed_both(tmp_path: Path) -> None:
    store = Store(SqliteConnection(tmp_path / "state"))
    witness = Witness(WITNESS, [OLD.vkey, NEW.vkey], store, tmp_path / "evidence")
    await witness.prepare()
    assert (await witness.add_checkpoint(request(0, 4, OLD, NEW))).status == 200
    assert (await witness.add_checkpoint(request(4, 4, NEW, history=1))).status in (409, 422)
    ((id, _, _),) = await store.evidence()
    evidence = Evidence.parse(await store.evidence_data(id) or b"")
    assert evidence.log_key == NEW.vkey
    assert check(evidence, NEW.vkey).proven
    await store.close()
