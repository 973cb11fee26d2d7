"""Code that nobody here wrote agrees with our golden vectors: golang.org/x/mod/sumdb and Go's standard library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.needs import needs_go

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
SECONDS = 300
"""Time limit of one Go command; the first build compiles the standard library."""

pytestmark = needs_go

Check = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Runs the Go program on a folder of golden files."""
    program = tmp_path_factory.mktemp("conformance") / "conformance"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=HERE / "go",
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    if run("go", "mod", "download").returncode:
        pytest.skip("needs Go modules: golang.org/x/mod cannot be fetched")
    built = run("go", "build", "-o", str(program), ".")
    assert built.returncode == 0, built.stderr
    return lambda folder: run(str(program), str(folder))


def test_every_golden_vector_holds_in_go(check: Check) -> None:
    result = check(GOLDEN)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("vectors hold") == 9


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
    ],
)
def test_a_wrong_vector_does_not_hold_in_go(check: Check, tmp_path: Path, name: str, right: str, wrong: str) -> None:
    shutil.copytree(GOLDEN, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong, 1), encoding="utf-8")
    result = check(tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(name)
