"""The golden files are what the generator makes: a format cannot change unseen."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests" / "golden"


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_golden", REPOSITORY / "tools" / "make_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


DOCUMENTS: dict[str, str] = load_generator().documents()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_golden_file_is_what_the_generator_makes(name: str) -> None:
    assert (GOLDEN / name).read_text(encoding="utf-8") == DOCUMENTS[name]
