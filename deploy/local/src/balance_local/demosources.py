"""Write the demo's register of sources: those of the simulator, with tokens and keys that anybody can compute.

For one machine only. Promises a file that is replaced as a whole, and left alone where it says the same already.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator.sources import JUDGE_AUDIT, registrations

HEADING = "# The demo's sources. Their tokens and keys are public knowledge: never use this register outside a demo.\n"
AUDIT_TOKEN_FILE = "judge-audit.token"  # noqa: S105 (a file name)


def register_demo_sources(settings: CommonSettings) -> None:
    """Write `settings.sources`, and the token with which judge-audit sends its alerts as events.

    It fits `Stack(register_sources=…)`.
    """
    document = {"sources": [each.entry() for each in registrations()]}
    text = HEADING + yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    _write(settings.sources, text)
    own = next(each for each in registrations() if each.uri == JUDGE_AUDIT)
    _write(settings.keys / AUDIT_TOKEN_FILE, own.token + "\n")


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(path.name + ".partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
