"""The verification library stands alone: it needs PyNaCl and Python, and touches no file, network or clock."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import balance_verify
import pytest

MODULES = sorted(Path(balance_verify.__file__).parent.glob("*.py"))
IMPURE = {
    "asyncio",
    "http",
    "io",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "subprocess",
    "time",
    "urllib",
}


OPTIONAL = {"mldsa.py": {"cryptography"}, "timestamp.py": {"cryptography", "rfc3161_client"}}
"""What a module may use where it is installed: the extras of the package."""


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_imports_pynacl_and_the_standard_library_alone(module: Path) -> None:
    assert set(imported(module)) <= sys.stdlib_module_names | {"nacl"} | OPTIONAL.get(module.name, set())


@pytest.mark.parametrize("module", [m for m in MODULES if m.name != "__main__.py"], ids=lambda module: module.name)
def test_only_the_command_touches_the_world(module: Path) -> None:
    assert not set(imported(module)) & IMPURE
    names = {node.id for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
    assert not names & {"open", "print", "input"}
