"""Two verifiers that share no code say the same of every bundle, changed in whatever way: ours, and one in Go.

The Go program is written from the format alone over golang.org/x/mod/sumdb. Keys and points of small order, where Go's
Ed25519 accepts more than ours, are out of scope here; test_ed25519_in_go.py pins that difference.
BALANCE_FUZZ_BUNDLES asks for more bundles, BALANCE_FUZZ_SEED for others.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.errors import MalformedError
from balance_verify.note import VerifierKey
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

    def with_keys(vkey: str, sealer: str = "", policy: str = "") -> Ask:
        options = []
        for name, content in (("vkey", vkey), ("sealer-vkey", sealer), ("policy", policy)):
            if content:
                (tmp_path / name).write_text(content, encoding="utf-8")
                options += [f"-{name}", str(tmp_path / name)]

        def ask(bundles: list[bytes]) -> list[Said]:
            lines = b"\n".join(map(base64.b64encode, bundles)) + b"\n"
            done = program.run(*options, "-batch", given=lines)
            assert done.returncode == 0, done.stderr.decode()
            answers = [json.loads(line) for line in done.stdout.splitlines()]
            assert len(answers) == len(bundles)
            return [Said(tuple(answer.get("results", ())), answer["ok"]) for answer in answers]

        return ask

    return with_keys


def ours(data: bytes, vkey: str, sealer: str = "", policy: str = "") -> Said:
    try:
        bundle = ProofBundle.parse(data)
    except MalformedError:
        return Said((), False)
    report = verify_bundle(
        bundle,
        VerifierKey.parse(vkey),
        policy=Policy.parse(policy.encode()) if policy else None,
        sealer_keys=[VerifierKey.parse(sealer)] if sealer else [],
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
