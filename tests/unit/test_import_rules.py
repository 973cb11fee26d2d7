"""What the import rules cannot say by name: the checking library needs nothing but PyNaCl."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

VERIFY = Path(__file__).resolve().parents[2] / "shared" / "verify" / "src" / "balance_verify"


def imported(file: Path) -> set[str]:
    """The top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_what_a_stranger_checks_with_needs_only_the_standard_library_and_pynacl() -> None:
    allowed = sys.stdlib_module_names | {"nacl", "balance_verify"}
    found = {file.name: imported(file) - allowed for file in VERIFY.rglob("*.py")}
    assert {name: extra for name, extra in found.items() if extra} == {}
