"""Builds and runs the peers that are written in Go: each prints one line of JSON with its seconds and CPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD_SECONDS = 600
RUN_SECONDS = 300


class PeerAbsent(Exception):
    """The peer cannot be built here; the message says why."""


@dataclass(frozen=True)
class PeerRun:
    """One measurement of a peer."""

    entries: int
    seconds: float
    cpu_seconds: float
    version: str


def build(name: str) -> Path:
    """The program of `peers/<name>`; `PeerAbsent` without Go or its modules."""
    if shutil.which("go") is None:
        raise PeerAbsent(f"{name}: Go is not installed")
    program = Path(tempfile.gettempdir()) / f"balance-bench-{os.getuid()}" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    built = subprocess.run(
        ["go", "build", "-o", str(program), "."],
        cwd=HERE / name, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False,
    )  # fmt: skip
    if built.returncode:
        raise PeerAbsent(f"{name}: {built.stderr.strip().splitlines()[-1]}")
    return program


def run(program: Path, entries: int, *arguments: str) -> PeerRun:
    """Append so many entries to a new, empty log."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        command = [str(program), "-folder", folder, "-entries", str(entries), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if ended.returncode:
        raise RuntimeError(f"{program.name}: {ended.stderr[-2000:]}")
    told = json.loads(ended.stdout)
    return PeerRun(told["entries"], told["seconds"], told["cpu_seconds"], told["version"])
