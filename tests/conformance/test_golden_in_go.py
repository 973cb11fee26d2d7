"""Code that nobody here wrote agrees with our golden vectors: golang.org/x/mod/sumdb and Go's standard library."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.gotools import GoProgram
from support.needs import needs_go

GOLDEN = Path(__file__).resolve().parent.parent / "golden"

pytestmark = needs_go


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """The program that checks a folder of golden files."""
    return GoProgram.build("go", tmp_path_factory)


def test_every_golden_vector_holds_in_go(program: GoProgram) -> None:
    result = program.say(GOLDEN)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("vectors hold") == 10


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("keys.json", '"id": "court', '"id": "other'),
        ("notes.json", "One line.", "Two lines."),
        ("checkpoints.json", '"size": 3', '"size": 2'),
        ("headers.json", '"start": 1', '"start": 2'),
        ("entries.json", '\\\\\\"shard\\\\\\":1', '\\\\\\"shard\\\\\\":2'),
        ("receipts.json", "example-1", "example-2"),
        ("topic-values.json", '\\"leaves\\":\\"', '\\"leaves\\":\\"AAAA'),
        ("bundles.json", '"ok": false', '"ok": true'),
        ("merkle.json", '"index": 3', '"index": 2'),
        ("generations.json", '"old_size": 4', '"old_size": 3'),
    ],
)
def test_a_wrong_vector_does_not_hold_in_go(
    program: GoProgram, tmp_path: Path, name: str, right: str, wrong: str
) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    result = program.say(tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(name)
