"""What operators read is what the code does: all that documents name exists, and all that exists is named."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from balance_chain.core.rejects import Reason
from balance_verifier.findings import TITLES

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
SOURCES = [
    path.read_text(encoding="utf-8")
    for part in ("shared/chain/src", "services")
    for path in sorted((ROOT / part).rglob("*.py"))
]
METRIC = re.compile(r"`(balance_[a-z_]+)")


@pytest.fixture(scope="module")
def gen_docs() -> ModuleType:
    """The generator, from tools/."""
    spec = importlib.util.spec_from_file_location("gen_docs", ROOT / "tools/gen_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gen_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(gen_docs: ModuleType) -> None:
    assert gen_docs.out_of_date() == [], "run python tools/gen_docs.py"


def test_every_metric_that_the_runbook_names_exists(gen_docs: ModuleType) -> None:
    there = set(METRIC.findall(gen_docs.metrics_page()))
    assert set(METRIC.findall(RUNBOOK)) - there == set()


def test_every_text_that_the_runbook_quotes_of_readyz_is_in_the_code() -> None:
    quoted = re.findall(r"\bsays\s+`([^`]+)`", RUNBOOK)
    quoted = [text for text in quoted if text not in ("sealed", "rejected", "pending")]
    assert len(quoted) > 10
    # A text may be written over two lines of source: adjacent string literals are one.
    joined = [re.sub(r"\"\s*\n\s*f?\"", "", text) for text in SOURCES]
    assert [text for text in quoted if not any(text in source for source in joined)] == []


def test_every_finding_and_every_reject_reason_has_an_entry() -> None:
    named = set(re.findall(r"`([a-z0-9_]+)`", RUNBOOK))
    assert set(TITLES) - named == set()
    assert {reason.value for reason in Reason} - named == set()


def test_every_setting_that_the_runbook_names_exists(gen_docs: ModuleType) -> None:
    there = set(re.findall(r"`(BALANCE_[A-Z_]+)`", gen_docs.settings_page()))
    named = set(re.findall(r"`(BALANCE_[A-Z_]+)(?:=1)?`", RUNBOOK))
    assert named - there == set()
