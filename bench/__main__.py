"""`make bench`: every bench in turn, one report, and the figures of docs/performance.md made from it.

    python bench [--length short|full|scale] [--only NAME ...]

`full` takes about a quarter of an hour, `short` a few minutes; `scale` fills the system up to a million events and
takes as long as that takes. Each bench writes build/reports/<name>.json; one that cannot run here (no Go) says so and
the others go on. The exit code is 0 where each bench that ran met its targets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from performance import write_figures
from report import REPORTS, show, write

HERE = Path(__file__).resolve().parent
SECONDS = 5400


@dataclass(frozen=True)
class Bench:
    """A bench's file, and its arguments for each length it belongs to."""

    name: str
    short: tuple[str, ...] | None = None
    full: tuple[str, ...] | None = None
    scale: tuple[str, ...] | None = None


BENCHES = (
    Bench("append", ("--events", "100000", "--rounds", "1"), ("--events", "400000", "--rounds", "3")),
    Bench("sealer_backlog", ("--events", "100000", "--rounds", "1"), ("--events", "400000", "--rounds", "3")),
    Bench("pipeline", ("--cases", "100"), ("--cases", "1000")),
    Bench("normaliser", ("--events", "5000", "--rounds", "1"), ("--events", "20000", "--rounds", "3")),
    Bench("judge_audit", ("--cases", "100", "--steady", "50"), ("--cases", "1000", "--steady", "250")),
    Bench("gateway", ("--events", "500", "--rounds", "1"), ("--events", "2000", "--rounds", "3")),
    Bench("exactlyonce", ("--events", "40000", "--rounds", "1"), ("--events", "100000", "--rounds", "3")),
    Bench("latency", ("--rate", "200", "--seconds", "10", "--rounds", "1"), ("--rate", "1000", "--seconds", "30")),
    Bench("fsck", ("--rounds", "1"), ()),
    Bench("growth", None, None, ()),
    Bench("scale", None, None, ()),
)


def run(bench: Bench, arguments: tuple[str, ...]) -> str:
    """Run one bench; what came of it in a word."""
    print(f"\n{bench.name} {' '.join(arguments)}", flush=True)
    (REPORTS / f"{bench.name}.json").unlink(missing_ok=True)
    started = time.monotonic()
    command = [sys.executable, str(HERE / f"{bench.name}.py"), *arguments]
    code = subprocess.run(command, timeout=SECONDS, check=False, env=dict(os.environ)).returncode
    made = (REPORTS / f"{bench.name}.json").is_file()
    word = "met" if code == 0 and made else "missed a target" if made else f"did not run (exit code {code})"
    print(f"{bench.name}: {word}, {time.monotonic() - started:.0f} s", flush=True)
    return word


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", choices=("short", "full", "scale"), default="full")
    parser.add_argument("--only", nargs="+", choices=[each.name for each in BENCHES])
    arguments = parser.parse_args()
    words = {}
    for bench in BENCHES:
        chosen = getattr(bench, arguments.length)
        if chosen is not None and (not arguments.only or bench.name in arguments.only):
            words[bench.name] = run(bench, chosen)
    rows = []
    for name in words:
        file = REPORTS / f"{name}.json"
        if file.is_file():
            rows += [{**each, "bench": name} for each in json.loads(file.read_text())["rows"]]
    if not rows:
        return 1
    print()
    show(rows)
    write("bench", rows)
    if arguments.length != "short":
        write_figures()
    print("\n".join(f"{name}: {word}" for name, word in words.items()))
    return 0 if all(word == "met" for word in words.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
