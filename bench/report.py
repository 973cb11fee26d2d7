"""What every bench says, in one shape: rows with a value, a target and the runs behind the value.

A value is the median of its runs; a target is a floor or a ceiling, and `met` is None where there is none.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parents[1] / "build" / "reports"

Row = dict[str, Any]


def machine() -> str:
    """Where it was measured, without naming the machine."""
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def row(
    name: str,
    runs: Sequence[float],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    note: str = "",
) -> Row:
    """One row; `runs` are the single results, in the order they were taken."""
    value = statistics.median(runs)
    target = at_least if at_least is not None else at_most
    met = None if target is None else (value >= target if at_least is not None else value <= target)
    told: Row = {"name": name, "value": round(value, 4), "unit": unit, "target": target, "met": met}
    told["runs"] = [round(each, 4) for each in runs]
    if target is not None:
        told["sense"] = "at least" if at_least is not None else "at most"
    return told | ({"note": note} if note else {})


def write(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Write build/reports/<name>.json and give what is in it."""
    ok = all(each["met"] is not False for each in rows)
    told = {"name": name, "machine": machine(), "ok": ok, "rows": list(rows)}
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return told


def show(rows: Sequence[Row]) -> None:
    """Print the rows as a table."""
    for each in rows:
        runs = each["runs"] if isinstance(each["runs"], list) else []
        spread = f"({min(runs):.4g} to {max(runs):.4g})" if len(runs) > 1 else ""
        told = "" if each["target"] is None else f"{each.get('sense', 'target')} {each['target']:g}"
        met = {None: "", True: ": met", False: ": MISSED"}[each["met"] if told else None]
        print(f"{each['name']:58} {each['value']:12.6g} {each['unit']:14} {spread:24} {told}{met}", flush=True)
