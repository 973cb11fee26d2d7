"""How fast fsck recomputes an archive, against a bare hashlib tree over the same bytes, a core.

    python bench/fsck.py [--blocks N] [--events N] [--rounds N]

Makes an archive of its own in a temporary folder. Each round measures both in turn; the bare tree reads the same
files and hashes leaves and nodes with hashlib, and does nothing else. Writes build/reports/fsck.json.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from balance_verifier.archive.fsck import Options, fsck_archive
from madelog import EVENT_BYTES, MadeLog, export

TARGET = 0.25
REPORT = Path(__file__).resolve().parents[1] / "build" / "reports" / "fsck.json"


def bare_tree(folder: Path) -> tuple[float, int]:
    """CPU seconds and bytes of a tree over every block's events, by hashlib alone."""
    started, read = time.process_time(), 0
    for path in sorted(folder.glob("blocks/0/**/*.events")):
        data = path.read_bytes()
        read += len(data)
        row = [
            sha256(b"\x00" + data[at + 4 : at + 4 + EVENT_BYTES]).digest()
            for at in range(0, len(data), 4 + EVENT_BYTES)
        ]
        while len(row) > 1:
            above = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row) - 1, 2)]
            row = above + row[len(row) & ~1 :]
    return time.process_time() - started, read


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=200)
    parser.add_argument("--events", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder, log = Path(name), MadeLog(arguments.blocks, arguments.events)
        asyncio.run(export(log, name))
        alone, wide, bare = [], [], []
        for _ in range(arguments.rounds):
            bare.append(bare_tree(folder)[0])
            started = time.process_time()
            report = fsck_archive(name, Options(log_key=log.key.vkey), lambda _: None)
            alone.append(time.process_time() - started)
            assert not report.faults, report.faults
            wide.append(fsck_archive(name, Options(log_key=log.key.vkey, jobs=cores), lambda _: None).seconds)
    events = arguments.blocks * arguments.events
    ratios = [tree / own for tree, own in zip(bare, alone, strict=True)]

    def row(name: str, runs: list[float], unit: str, target: float | None = None) -> dict[str, object]:
        value = statistics.median(runs)
        met = None if target is None else value >= target
        return {"name": name, "value": value, "unit": unit, "target": target, "met": met, "runs": runs}

    rows = [
        row("fsck of an archive / bare hashlib tree, a core", ratios, "x", TARGET),
        row("fsck, one process, CPU", [1e6 * seconds / events for seconds in alone], "us/event"),
        row("bare tree, CPU", [1e6 * seconds / events for seconds in bare], "us/event"),
        row(f"fsck, {cores} processes, wall clock", [events / seconds for seconds in wide], "events/s"),
    ]
    ok = statistics.median(ratios) >= TARGET
    machine = f"{platform.machine()} {cores} cores, Python {platform.python_version()}"
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps({"name": "fsck", "machine": machine, "ok": ok, "rows": rows}, indent=1) + "\n")
    for line in rows:
        print(f"{line['name']:48} {line['value']:12.2f} {line['unit']}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
