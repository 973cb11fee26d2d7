"""Where the data files of the product are: catalogue, rules.

They are read from the checkout when the package runs from one, and from the installation's share directory otherwise.
"""

import os
import sys
from pathlib import Path

ENVIRONMENT = "BALANCE_DATA_ROOT"


class DataMissing(FileNotFoundError):
    """A data directory is in none of the places where it is looked for."""


def _candidates(name: str) -> list[Path]:
    root = os.environ.get(ENVIRONMENT)
    if root:
        return [Path(root) / name]
    here = Path(__file__).resolve()
    above = [parent / name for parent in here.parents if (parent / "catalogue" / "common.yaml").is_file()]
    return [*above, Path(sys.prefix) / "share" / "balance-chain" / name]


def data_dir(name: str) -> Path:
    """Return the directory of that name ("catalogue", "rules"); it exists."""
    candidates = _candidates(name)
    for path in candidates:
        if path.is_dir():
            return path
    places = ", ".join(str(path) for path in candidates)
    raise DataMissing(
        f"data directory {name!r} is in none of: {places}; set {ENVIRONMENT} to the directory that holds it"
    )
