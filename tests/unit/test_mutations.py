"""The kept patches that break each invariant fit the tree as it is, and each is listed with its test."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from types import ModuleType

import pytest
from support.needs import REPOSITORY

INVARIANTS = {str(number) for number in range(1, 9)}


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutate", REPOSITORY / "tools" / "mutate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TABLE = load().read_table()


def test_every_patch_is_listed_once_and_every_invariant_has_one() -> None:
    names = [mutation.name for mutation in TABLE]
    assert len(set(names)) == len(names)
    assert set(names) == {path.stem for path in (REPOSITORY / "tests" / "mutations").glob("*.patch")}
    assert {name[0] for name in names} == INVARIANTS


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("mutation", TABLE, ids=lambda mutation: mutation.name)
def test_the_patch_fits_and_its_test_exists(mutation: object) -> None:
    argv = ["git", "apply", "-C1", "--check", str(REPOSITORY / mutation.file)]  # type: ignore[attr-defined]
    fits = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert fits.returncode == 0, fits.stderr
    file, _, test = mutation.test.partition("::")  # type: ignore[attr-defined]
    assert test.removeprefix("Test") in (REPOSITORY / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "test", "why"),
    [
        ("FAILED tests/unit/test_a.py::test_it - assert 1 == 2", "tests/unit/test_a.py::test_it", "assert 1 == 2"),
        ("FAILED tests/unit/test_a.py::test_it[a - b] - Boom: x", "tests/unit/test_a.py::test_it", "Boom: x"),
        ("ERROR tests/unit/test_a.py::test_it", "tests/unit/test_a.py::test_it", None),
    ],
)
def test_what_pytest_says_of_a_failing_test_is_read(line: str, test: str, why: str | None) -> None:
    found = load().FAILING.search(f"...\n{line}\n1 failed in 0.1s\n")
    assert (found["test"], found["why"]) == (test, why)
