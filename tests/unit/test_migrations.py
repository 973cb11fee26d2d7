"""Migrations go forward only: each number of a service is taken once, so that two that were written apart are seen."""

from __future__ import annotations

import pytest
from support.needs import REPOSITORY

FOLDERS = sorted(REPOSITORY.glob("services/*/src/*/migrations"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_number_is_taken_twice(folder: object) -> None:
    numbers = [path.name[:4] for path in folder.glob("*.sql")]  # type: ignore[attr-defined]
    assert numbers
    assert len(set(numbers)) == len(numbers), sorted(numbers)
