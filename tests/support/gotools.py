"""Build and run the Go programs of tests/conformance: code that nobody here wrote, over a few lines that call it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.needs import REPOSITORY

CONFORMANCE = REPOSITORY / "tests" / "conformance"
SECONDS = 300
"""Time limit of one command; the first build compiles all that it imports."""


class GoProgram:
    """One of the programs, built."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def build(cls, name: str, factory: pytest.TempPathFactory) -> GoProgram:
        """The program whose module is the folder `name`; the test is skipped where its modules cannot be fetched."""
        program = factory.mktemp(name) / name
        if _go(name, "mod", "download").returncode:
            pytest.skip(f"needs Go modules: those of tests/conformance/{name} cannot be fetched")
        built = _go(name, "build", "-o", str(program), ".")
        assert built.returncode == 0, built.stderr.decode()
        return cls(program)

    def run(self, *arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs it to its end."""
        return _run((str(self.path), *map(str, arguments)), given)

    def say(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs it to its end; what it says as text."""
        done = self.run(*arguments)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def _go(name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return _run(("go", *arguments), cwd=CONFORMANCE / name)


def _run(command: tuple[str, ...], given: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    return subprocess.run(
        command, cwd=cwd, env=environment, input=given, capture_output=True, timeout=SECONDS, check=False
    )
