"""Code that nobody here wrote accepts our cosignatures and no others: filippo.io/torchwood and sumdb's notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gotools import GoProgram
from support.needs import needs_go

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "cosignatures.json"

pytestmark = needs_go


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """The program that checks a file of vectors."""
    return GoProgram.build("cosignatures", tmp_path_factory)


def test_every_golden_cosignature_holds_in_go(program: GoProgram) -> None:
    result = program.say(GOLDEN)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "8 vectors hold\n"


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"reached": false', '"reached": true'),
        ('"time": 1795554282', '"time": 1795554162'),
        ('"vkey": "witness.example/w0+17041ac2', '"vkey": "witness.example/w0+17041ac3'),
        ("— witness.example/w0 ", "— witness.example/w00 "),
        ("group all-three 2", "group all-three 3"),
    ],
)
def test_a_wrong_vector_does_not_hold_in_go(program: GoProgram, tmp_path: Path, right: str, wrong: str) -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert right in text
    changed = tmp_path / GOLDEN.name
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    result = program.say(changed)
    assert result.returncode == 1, result.stdout
