"""Write the demo's register of sources: those of the simulator, with tokens and keys that anybody can compute.

For one machine only. Promises a file that is replaced as a whole, and left alone where it says the same already.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from balance_chain.core.sources import ANY, token_digest
from balance_chain.runtime.settings import CommonSettings
from balance_chain.simulator.sources import JUDGE_AUDIT, registrations

HEADING = "# The demo's sources. Their tokens and keys are public knowledge: never use this register outside a demo.\n"
PEOPLE_HEADING = (
    "# Who acts on alerts in the demo. Each token is the person's id: never use this file outside a demo.\n"
)
PEOPLE_FILE = "people.yaml"
PEOPLE = (
    ("monitor", "监督员(演示)", "X0491-91"),
    ("supervisor", "监督负责人(演示)", "X0491-92"),
    ("presiding", "院领导(演示)", "X0491-93"),
    ("judge", "承办法官(演示)", "J0491-01"),
)
AUDIT_TOKEN_FILE = "judge-audit.token"  # noqa: S105 (a file name)


def register_demo_sources(settings: CommonSettings) -> None:
    """Write `settings.sources`, the token with which judge-audit sends its alerts as events, and who acts on them.

    It fits `Stack(register_sources=…)`.
    """
    document = {"sources": [each.entry() for each in registrations()]}
    text = HEADING + yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    _write(settings.sources, text)
    own = next(each for each in registrations() if each.uri == JUDGE_AUDIT)
    _write(settings.keys / AUDIT_TOKEN_FILE, own.token + "\n")
    register_demo_people(settings)


def register_demo_people(settings: CommonSettings) -> None:
    """Write the people who act on alerts in the demo, each with the id as token, beside the register."""
    entries = [
        {
            "id": f"demo-{role}",
            "name": name,
            "token_sha256": token_digest(f"demo-{role}"),
            "staff": staff,
            "role": "subject" if role == "judge" else role,
            "courts": [] if role == "judge" else [ANY],
        }
        for role, name, staff in PEOPLE
    ]
    _write(
        settings.sources.with_name(PEOPLE_FILE),
        PEOPLE_HEADING + yaml.safe_dump({"people": entries}, allow_unicode=True, sort_keys=False),
    )


def _write(path: Path, text: str) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    partial = path.with_name(path.name + ".partial")
    partial.touch(mode=0o600)
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
