"""Carry the data folders of the repository in what is built: the wheel installs them below share/balance-chain.

In a checkout they lie two folders up; in a source distribution, which the first hook fills, in `data/`.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("catalogue", "rules", "evidence")


class DataFolders(BuildHookInterface):  # type: ignore[type-arg]
    """Adds those of `FOLDERS` that exist."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # an editable install reads the checkout itself
            return
        own = Path(self.root)
        for name in FOLDERS:
            found = next((place for place in (own / "data" / name, own.parents[1] / name) if place.is_dir()), None)
            if found is None or not any(found.iterdir()):
                continue
            if self.target_name == "sdist":
                build_data["force_include"][str(found)] = f"data/{name}"
            else:
                build_data["shared_data"][str(found)] = f"share/balance-chain/{name}"
