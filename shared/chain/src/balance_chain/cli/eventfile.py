"""Events from a file or stdin: one CloudEvent, a JSON array of them, or one a line (NDJSON)."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from .exits import CommandFailed, Exit, read_bytes
from .publishing import Event

STDIN = "-"


def read_events(path: str) -> list[Event]:
    """All events of a file; what is not a JSON object is named by its place."""
    content = sys.stdin.buffer.read() if path == STDIN else read_bytes(Path(path))
    name = "stdin" if path == STDIN else path
    try:
        whole = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [_line(line, name, number) for number, line in enumerate(content.splitlines(), 1) if line.strip()]
    values = whole if isinstance(whole, list) else [whole]
    return [_object(value, f"{name}: event {number}") for number, value in enumerate(values, 1)]


def _line(line: bytes, name: str, number: int) -> Event:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CommandFailed(Exit.REFUSED, f"{name}: line {number}: is not JSON ({error})") from None
    return _object(value, f"{name}: line {number}")


def _object(value: Any, where: str) -> Event:
    if not isinstance(value, dict):
        raise CommandFailed(Exit.REFUSED, f"{where}: is not a CloudEvent; give a JSON object")
    return value
