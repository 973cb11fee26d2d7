"""Code that nobody here wrote accepts our cosignatures and no others: filippo.io/torchwood and sumdb's notes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.needs import needs_go

HERE = Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden" / "cosignatures.json"
SECONDS = 300
"""Time limit of one Go command; the first build compiles the standard library."""

pytestmark = needs_go

Check = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Runs the Go program on a file of vectors."""
    program = tmp_path_factory.mktemp("cosignatures") / "cosignatures"
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=HERE / "cosignatures",
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    if run("go", "mod", "download").returncode:
        pytest.skip("needs Go modules: filippo.io/torchwood cannot be fetched")
    built = run("go", "build", "-o", str(program), ".")
    assert built.returncode == 0, built.stderr
    return lambda file: run(str(program), str(file))


def test_every_golden_cosignature_holds_in_go(check: Check) -> None:
    result = check(GOLDEN)
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
def test_a_wrong_vector_does_not_hold_in_go(check: Check, tmp_path: Path, right: str, wrong: str) -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert right in text
    changed = tmp_path / GOLDEN.name
    changed.write_text(text.replace(right, wrong), encoding="utf-8")
    result = check(changed)
    assert result.returncode == 1, result.stdout
