"""Exit codes, and the one way in which a command ends badly: one line that says what and what to do, no traceback."""

from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """What the shell is told."""

    DONE = 0
    REFUSED = 1
    """Something was refused, is not valid or is not verified."""
    USAGE = 2
    UNAVAILABLE = 3
    """A file cannot be read, or a service does not answer."""


class CommandFailed(Exception):
    """A command ends here; `str()` is the line for the person, `code` the exit code."""

    def __init__(self, code: Exit, line: str) -> None:
        super().__init__(line)
        self.code = code


def read_bytes(path: Path) -> bytes:
    """A file's content, or a failure that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot read {path}: {error.strerror}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, or fails naming it."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot write {path}: {error.strerror}") from None
