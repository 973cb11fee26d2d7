"""The demo's register holds exactly the simulator's sources, as intake reads it."""

from __future__ import annotations

from pathlib import Path

from balance_chain.core.sources import Sources
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator.sources import registrations
from balance_local.demosources import register_demo_sources


def test_the_register_is_what_intake_reads_back_and_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    settings = CommonSettings(sources=tmp_path / "sources.yaml", keys=tmp_path)
    register_demo_sources(settings)
    first = settings.sources.stat()
    assert Sources.load(settings.sources).all() == tuple(each.source() for each in registrations())
    register_demo_sources(settings)
    assert settings.sources.stat().st_mtime_ns == first.st_mtime_ns
    token = (tmp_path / "judge-audit.token").read_text().strip()
    source = Sources.load(settings.sources).by_token(token)
    assert source is not None
    assert source.allows_type("alert.raised")
