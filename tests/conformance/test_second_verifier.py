"""Two verifiers that share no code say the same of every bundle, changed in whatever way: ours, and one in Go.

The Go program is written from the formats alone over golang.org/x/mod/sumdb and filippo.io/mldsa. Keys and points of
small order, where Go's Ed25519 accepts more than ours, are out of scope here; test_ed25519_in_go.py pins that.
BALANCE_FUZZ_BUNDLES asks for more bundles, BALANCE_FUZZ_SEED for others.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.entry import Entry
from balance_verify.errors import MalformedError, VerifyError
from balance_verify.keyset import KeySet, open_keys, sign_keys
from balance_verify.mldsa import MlDsaCosigningKey
from balance_verify.note import NoteSignature, SignedNote, SigningKey, VerifierKey, sign_note
from balance_verify.policy import Policy
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle
from support.bundles import LOG, SEALER, OneBlock, event
from support.gotools import GoProgram
from support.mutations import WITNESSES, Mutator, with_cosignatures
from support.needs import needs_go

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
BUNDLES = int(os.environ.get("BALANCE_FUZZ_BUNDLES", "2000"))
SEED = int(os.environ.get("BALANCE_FUZZ_SEED", "7"))
BATCH = 5_000
POLICY = (
    f"log {LOG.vkey}\n"
    + "".join(f"witness w{n} {key.vkey}\n" for n, key in enumerate(WITNESSES))
    + "group two 2 w0 w1 w2\nquorum two\n"
)
LASTING = MlDsaCosigningKey("lasting.example", b"\x0d" * 32)
LASTING_POLICY = (
    f"log {LOG.vkey}\nwitness w0 {WITNESSES[0].vkey}\nwitness lasting {LASTING.vkey}\n"
    "group both all w0 lasting\nquorum both\n"
)
LATER = SigningKey.generate(LOG.name, b"\x51" * 32)
OTHER_SEALER = SigningKey.generate(SEALER.name, b"\x52" * 32)
FIRST = KeySet.of_genesis(Entry.parse(OneBlock((event(),)).genesis).genesis_header())
# The bundles' checkpoint has size 2 and their block is entry 1: these sets end and begin keys around it.
OVERLAP = FIRST.after(1, (-1,), add=[LATER.vkey, OTHER_SEALER.vkey])
SEALER_ENDED = OVERLAP.after(2, (0,), end=[SEALER.vkey.id])
LOG_ENDED = SEALER_ENDED.after(3, (1,), end=[LOG.vkey.id])
SETS = [sign_keys(OVERLAP, LOG, LATER), sign_keys(SEALER_ENDED, LOG), sign_keys(LOG_ENDED, LATER, LOG)]
ENDED_BEFORE = [
    sign_keys(OVERLAP, LOG, LATER),
    sign_keys(OVERLAP.after(1, (-1,), end=[SEALER.vkey.id, LOG.vkey.id]), LOG, LATER),
]


def chain(notes: Sequence[SignedNote]) -> bytes:
    return b"\n".join(note.encode() for note in notes)


pytestmark = needs_go


@dataclass(frozen=True)
class Said:
    """What a verifier says of a bundle; no results where it is malformed."""

    results: tuple[str, ...]
    ok: bool


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """The second verifier, built."""
    return GoProgram.build("secondverifier", tmp_path_factory)


Ask = Callable[[list[bytes]], list[Said]]


@pytest.fixture
def second(program: GoProgram, tmp_path: Path) -> Callable[..., Ask]:
    """Asks the second verifier about many bundles at once."""

    def with_keys(vkey: str, sealer: str = "", policy: str = "", keys: bytes = b"", of: bytes = b"") -> Ask:
        options = []
        given = {"vkey": vkey.encode(), "sealer-vkey": sealer.encode(), "policy": policy.encode(), "keys": keys}
        for name, content in given.items():
            if content:
                (tmp_path / name).write_bytes(content)
                options += [f"-{name}", str(tmp_path / name)]
        (tmp_path / "of").write_bytes(of)
        # Key sets are asked about one bundle, or bundles.
        options += ["-key-batch", str(tmp_path / "of")] if of else ["-batch"]

        def ask(bundles: list[bytes]) -> list[Said]:
            lines = b"\n".join(map(base64.b64encode, bundles)) + b"\n"
            done = program.run(*options, given=lines)
            assert done.returncode == 0, done.stderr.decode()
            answers = [json.loads(line) for line in done.stdout.splitlines()]
            assert len(answers) == len(bundles)
            return [Said(tuple(answer.get("results", ())), answer["ok"]) for answer in answers]

        return ask

    return with_keys


def ours(data: bytes, vkey: str, sealer: str = "", policy: str = "", keys: bytes = b"") -> Said:
    try:
        bundle = ProofBundle.parse(data)
        held = open_keys(keys, VerifierKey.parse(vkey)) if keys else None
    except VerifyError:
        return Said((), False)
    report = verify_bundle(
        bundle,
        VerifierKey.parse(vkey),
        policy=Policy.parse(policy.encode()) if policy else None,
        sealer_keys=[VerifierKey.parse(sealer)] if sealer else [],
        keys=held,
    )
    return Said(tuple(step.result for step in report.steps), report.ok)


def good_bundles() -> list[ProofBundle]:
    """Bundles of blocks of several sizes, without and with cosignatures."""
    blocks = [OneBlock(tuple(event(f"e-{n}") for n in range(size))) for size in (1, 2, 3, 8, 13)]
    plain = [block.bundle(index) for block in blocks for index in {0, len(block.events) // 2, len(block.events) - 1}]
    return [ProofBundle.parse(with_cosignatures(bundle, count)) for bundle in plain for count in range(4)]


def test_both_say_the_same_of_every_golden_bundle(second: Callable[..., Ask]) -> None:
    for vector in json.loads((GOLDEN / "bundles.json").read_text(encoding="utf-8")):
        (said,) = second(vector["vkey"], vector["sealer_vkey"])([vector["bundle"].encode()])
        assert said == Said(tuple(vector["results"]), vector["ok"]), vector["name"]


def test_both_say_the_same_of_every_changed_bundle(second: Callable[..., Ask]) -> None:
    mutator = Mutator(good_bundles(), random.Random(SEED))
    keys = (str(LOG.vkey), str(SEALER.vkey), POLICY)
    ask = second(*keys)
    kinds: Counter[str] = Counter()
    for start in range(0, BUNDLES, BATCH):
        bundles = [mutator.next() for _ in range(min(BATCH, BUNDLES - start))]
        for data, said in zip(bundles, ask(bundles), strict=True):
            mine = ours(data, *keys)
            assert said == mine, f"of {data!r}"
            kinds.update({"malformed"} if not mine.results else {"good" if mine.ok else "bad", *mine.results})
    # The changes reach every kind of answer, or they would show nothing.
    least = BUNDLES // 100
    assert {kind for kind, count in kinds.items() if count >= least} == {
        "bad",
        "differs",
        "good",
        "malformed",
        "matches",
        "not yet",
        "signer not recognised",
    }


def test_without_sealer_and_policy_both_leave_the_same_steps_out(second: Callable[..., Ask]) -> None:
    mutator = Mutator(good_bundles(), random.Random(SEED + 1))
    bundles = [mutator.next() for _ in range(200)]
    vkey = str(LOG.vkey)
    assert second(vkey)(bundles) == [ours(data, vkey) for data in bundles]


@pytest.mark.parametrize(
    ("vkey", "notes", "log_word", "sealer_word"),
    [
        (LOG, SETS, "matches", "matches"),
        (LATER, SETS, "matches", "matches"),
        (LOG, SETS[:1], "matches", "matches"),
        (LOG, ENDED_BEFORE, "signer not recognised", "signer not recognised"),
    ],
)
def test_both_take_the_keys_that_hold_at_the_place_in_the_log(
    second: Callable[..., Ask], vkey: SigningKey, notes: list[SignedNote], log_word: str, sealer_word: str
) -> None:
    data = good_bundles()[0].encode()
    keys = chain(notes)
    (said,) = second(str(vkey.vkey), keys=keys)([data])
    assert said == ours(data, str(vkey.vkey), keys=keys)
    assert (said.results[4], said.results[5]) == (log_word, sealer_word)


def test_both_say_the_same_of_every_changed_bundle_with_key_sets_and_lasting_cosignatures(
    second: Callable[..., Ask],
) -> None:
    good = [
        ProofBundle.parse(with_signatures(bundle, lines))
        for bundle in (OneBlock(tuple(event(f"e-{n}") for n in range(5))).bundle(index) for index in (0, 3))
        for lines in lasting_lines(bundle.log_proof.note.text)
    ]
    mutator = Mutator(good, random.Random(SEED + 2))
    keys = (str(LATER.vkey), "", LASTING_POLICY, chain(SETS))
    bundles = [bundle.encode() for bundle in good] + [mutator.next() for _ in range(BUNDLES // 4)]
    words: Counter[str] = Counter()
    for data, said in zip(bundles, second(*keys)(bundles), strict=True):
        assert said == ours(data, *keys), f"of {data!r}"
        words.update(said.results[6:])
    assert set(words) >= {"matches", "differs", "not yet"}


def test_both_say_the_same_of_every_changed_key_set(second: Callable[..., Ask]) -> None:
    dice = random.Random(SEED + 3)
    data = good_bundles()[0].encode()
    files = [chain(SETS), chain(SETS[:2]), chain(ENDED_BEFORE)]
    files += [changed_keys(dice) for _ in range(BUNDLES // 2)]
    for vkey in (LOG, LATER):
        answers = second(str(vkey.vkey), of=data)(files)
        words: Counter[bool] = Counter()
        for keys, said in zip(files, answers, strict=True):
            assert said == ours(data, str(vkey.vkey), keys=keys), f"of {keys!r}"
            words.update([bool(said.results)])
        assert min(words[True], words[False]) > len(files) // 50


def lasting_lines(text: str) -> list[list[str]]:
    """Cosignature lines: all of them, of one witness alone, and some that do not fit."""
    elliptic, lasting = (str(key.cosign(text, 1_800_000_000)) for key in (WITNESSES[0], LASTING))
    wrong = str(LASTING.cosign(text.replace("\n2\n", "\n3\n"), 1_800_000_000))
    late = LASTING.cosign(text, 1_800_000_000)
    other_time = str(NoteSignature(late.name, late.key_hash, (1).to_bytes(8, "big") + late.signature[8:]))
    return [[elliptic, lasting], [lasting], [elliptic], [elliptic, wrong], [elliptic, other_time], []]


def with_signatures(bundle: ProofBundle, lines: list[str]) -> bytes:
    note = bundle.log_proof.note
    more = tuple(NoteSignature.parse(line.rstrip("\n")) for line in lines)
    proof = replace(bundle.log_proof, note=SignedNote(note.text, (*note.signatures, *more)))
    return replace(bundle, log_proof=proof).encode()


def changed_keys(dice: random.Random) -> bytes:
    """A chain of key sets: a note lost or doubled, signed by others, a line changed, or its bytes."""
    keys = {"log": LOG, "later": LATER, "sealer": SEALER, "stranger": SigningKey.generate(LOG.name, b"?" * 32)}
    notes = list(dice.choice((SETS, ENDED_BEFORE)))
    at = dice.randrange(len(notes))
    match dice.randrange(6):
        case 0:
            notes.pop(at)
        case 1:
            notes.insert(at, dice.choice(SETS))
        case 2:
            notes[at] = sign_note(notes[at].text, *dice.sample(list(keys.values()), dice.choice((1, 2, 3))))
        case 3 | 4:
            lines = notes[at].text.split("\n")
            place = dice.randrange(len(lines))
            words = lines[place].split(" ")
            word = dice.randrange(len(words))
            words[word] = dice.choice(
                ("0", "1", "2", "3", "-", "-1", "00", "", str(OTHER_SEALER.vkey), "9007199254740992")
            )
            lines[place] = " ".join(words) if dice.random() < 0.8 else dice.choice((lines[place - 1], ""))
            with contextlib.suppress(MalformedError):
                notes[at] = sign_note("\n".join(lines), LOG, LATER)
    data = bytearray(chain(notes))
    if dice.random() < 0.2 and data:
        data[dice.randrange(len(data))] = dice.choice((0x0A, 0x20, 0x30, 0x41, 0x2B, 0xFF))
    return bytes(data)


@pytest.mark.parametrize("change", ["", "event", "text"])
def test_both_commands_exit_alike(program: GoProgram, tmp_path: Path, change: str) -> None:
    bundle, vkey = tmp_path / "bundle", tmp_path / "vkey"
    data = good_bundles()[0].encode()
    bundle.write_bytes(data.replace(b'"event":"ey', b'"event":"ay') if change == "event" else data + change.encode())
    vkey.write_text(f"{LOG.vkey}\n")
    for more in ([], ["operator-only"]):
        there = program.run("-vkey", vkey, *(f"-{each}" for each in more), bundle)
        assert there.returncode == main([str(bundle), "--vkey", str(vkey), *(f"--{each}" for each in more)])
    assert program.run("-vkey", vkey, tmp_path / "missing").returncode == 3
    assert program.run("-vkey", bundle, bundle).returncode == 2
    assert program.run(bundle).returncode == 2
