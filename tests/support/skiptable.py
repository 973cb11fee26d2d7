"""Show what this machine could not run, and refuse in CI a skip that nobody has listed.

A pytest plugin: after the tests a table groups the skips by reason. With `CI=true` a reason that no line of
`tests/skips.txt` matches fails the run.
"""

from __future__ import annotations

import os
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

LIST = Path(__file__).resolve().parents[1] / "skips.txt"
_PREFIX = "Skipped: "


def allowed() -> list[str]:
    """The patterns of reasons that may be skipped in CI."""
    lines = (line.strip() for line in LIST.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def unlisted(reasons: Counter[str], patterns: list[str]) -> list[str]:
    """The reasons that no pattern matches."""
    return sorted(reason for reason in reasons if not any(fnmatchcase(reason, pattern) for pattern in patterns))


def skip_reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests were skipped, by reason."""
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        where = report.longrepr
        text = str(where[2]) if isinstance(where, tuple) else str(where)
        reasons[text.removeprefix(_PREFIX)] += 1
    return reasons


def _strict() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = skip_reasons(terminalreporter)
    if not reasons:
        return
    terminalreporter.section("skipped because this machine lacks", sep="-")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:5d}  {reason.removeprefix('needs ')}")
    missing = unlisted(reasons, allowed()) if _strict() else []
    for reason in missing:
        terminalreporter.write_line(f"in CI this skip is not in tests/skips.txt and fails the run: {reason}", red=True)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if _strict() and isinstance(reporter, pytest.TerminalReporter):
        failed = session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if not failed and unlisted(skip_reasons(reporter), allowed()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
