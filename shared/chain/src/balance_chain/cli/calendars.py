"""`balance-chain import calendar`: a court's calendar, in a file that a person can write, as events for every shard."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.catalogue_files import CatalogueError, read_yaml
from balance_chain.core.data import data_dir
from balance_chain.core.everyshard import CALENDAR_TYPE, calendar_events
from balance_chain.core.times import format_ms

from .exits import CommandFailed, Exit, write_bytes

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def import_calendar(file: Path, source: str, shards: int, sequence: int, out: Path) -> Exit:
    """Writes the events to a file that `balance-chain publish` takes, or says what of the calendar is wrong."""
    declared = _read(file)
    problems = Catalogue.load(data_dir("catalogue")).problems(CALENDAR_TYPE, declared)
    if problems:
        first = problems[0]
        raise CommandFailed(Exit.REFUSED, f"{file}: {first.pointer or 'file'} {first.problem}; {first.remedy}")
    now = format_ms(int(datetime.now(UTC).timestamp() * 1000))
    events = calendar_events(declared, source, shards, sequence, now)
    write_bytes(out, b"".join(_encode(event) + b"\n" for event in events))
    return Exit.DONE


def _read(file: Path) -> dict[str, Any]:
    try:
        content = read_yaml(file)
    except CatalogueError as error:
        raise CommandFailed(Exit.REFUSED, f"{file}: {error.key or 'file'} {error.problem}") from None
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot read {file}: {error.strerror}") from None
    if not isinstance(content, dict):
        raise CommandFailed(Exit.REFUSED, f"{file}: is no mapping; give court, year, holidays and worked")
    return {str(name): _plain(value) for name, value in content.items()}


def _plain(value: Any) -> Any:
    """Days as text: YAML reads an unquoted one as a date."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
