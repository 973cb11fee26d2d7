"""The docket adapter: real docket reports of United States federal courts become events of the catalogue.

docket.py parses a file, reading.py reads a text by the tables, details.py fills an event's fields, mapping.py makes the
events. All of it is pure; the files are read by the command line.
"""

from .docket import Docket, DocketError, parse_docket
from .mapping import Mapped, Unread, map_dockets
from .reading import Found, Reading, Status, read

__all__ = [
    "Docket",
    "DocketError",
    "Found",
    "Mapped",
    "Reading",
    "Status",
    "Unread",
    "map_dockets",
    "parse_docket",
    "read",
]
