"""A skip is shown to everyone, and one that nobody listed fails the run in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.skiptable import allowed, unlisted

SUPPORT = Path(__file__).resolve().parents[1]
SKIPPED = """
import pytest

@pytest.mark.skip(reason="needs {what}")
def test_it():
    pass

def test_other():
    pass
"""


def run(folder: Path, what: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_skipped.py").write_text(SKIPPED.format(what=what))
    env = {**os.environ, "CI": ci, "PYTHONPATH": str(SUPPORT)}
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "support.skiptable",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
    ]
    return subprocess.run([*argv, folder], env=env, capture_output=True, text=True, timeout=60, cwd=folder)


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_an_unlisted_skip_fails_only_in_ci_and_is_always_shown(tmp_path: Path, ci: str, code: int) -> None:
    made = run(tmp_path, "a quantum computer", ci)
    assert made.returncode == code, made.stdout
    assert "    1  a quantum computer" in made.stdout
    assert made.stdout.rstrip().splitlines()[-1].startswith("1 passed, 1 skipped")


def test_a_listed_skip_is_accepted_in_ci(tmp_path: Path) -> None:
    assert run(tmp_path, "a Docker engine", "true").returncode == 0


def test_only_reasons_that_no_pattern_matches_are_unlisted() -> None:
    reasons = Counter({"needs Go": 2, "needs luck": 1})
    assert unlisted(reasons, allowed()) == ["needs luck"]
