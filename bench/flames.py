"""Flame graphs of running processes, by py-spy."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "build" / "flame"
SAMPLES_A_SECOND = "100"
END_SECONDS = 60


@contextlib.contextmanager
def flames(pids: Mapping[str, int], bench: str) -> Iterator[None]:
    """Records each process while the block runs, into build/flame/<bench>-<process>.svg; none for an empty mapping."""
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if pids and spy is None:
        raise SystemExit("py-spy is not beside the interpreter; `make setup` installs it")
    FOLDER.mkdir(parents=True, exist_ok=True)
    recordings = [
        subprocess.Popen(
            (
                str(spy),
                "record",
                "--pid",
                str(pid),
                "--rate",
                SAMPLES_A_SECOND,
                "--output",
                FOLDER / f"{bench}-{name}.svg",
            ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, pid in pids.items()
    ]
    try:
        yield
    finally:
        for each in recordings:
            each.send_signal(signal.SIGINT)
        for each in recordings:
            each.wait(END_SECONDS)
