"""A change of the rule book is told once: by what differs from the last sealed book, under an identity of its own."""

from pathlib import Path

import pytest
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_judge_audit.rulebook import fingerprints
from balance_judge_audit.rulechanges import Announcement, Standing, Version, announcements, event_of

ONE, OTHER = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    ("book", "sealed", "expected"),
    [
        ({"R01": Version("1.0.0", ONE)}, {}, [("R01", None, "1.0.0", ONE, 0)]),
        ({"R01": Version("1.0.0", ONE)}, {"R01": Standing("1.0.0", ONE, 1)}, []),
        (
            {"R01": Version("1.1.0", OTHER)},
            {"R01": Standing("1.0.0", ONE, 1)},
            [("R01", "1.0.0", "1.1.0", OTHER, 1)],
        ),
        # A parameter changed under the same version is a change all the same.
        (
            {"R01": Version("1.0.0", OTHER)},
            {"R01": Standing("1.0.0", ONE, 3)},
            [("R01", "1.0.0", "1.0.0", OTHER, 3)],
        ),
        ({}, {"R01": Standing("1.0.0", ONE, 1)}, [("R01", "1.0.0", "withdrawn", None, 1)]),
        ({}, {"R01": Standing("withdrawn", None, 2)}, []),
        (
            {"R01": Version("1.0.0", ONE)},
            {"R01": Standing("withdrawn", None, 2)},
            [("R01", "withdrawn", "1.0.0", ONE, 2)],
        ),
    ],
)
def test_what_differs_from_the_last_sealed_book_is_announced(
    book: dict[str, Version], sealed: dict[str, Standing], expected: list[tuple[object, ...]]
) -> None:
    assert announcements(book, sealed) == [Announcement(*each) for each in expected]  # type: ignore[arg-type]


def test_a_change_back_is_another_event_and_the_same_change_said_twice_is_one() -> None:
    there = announcements({"R01": Version("2.0.0", OTHER)}, {"R01": Standing("1.0.0", ONE, 1)})
    again = announcements({"R01": Version("2.0.0", OTHER)}, {"R01": Standing("1.0.0", ONE, 1)})
    back = announcements({"R01": Version("1.0.0", ONE)}, {"R01": Standing("2.0.0", OTHER, 2)})
    later = announcements({"R01": Version("2.0.0", OTHER)}, {"R01": Standing("1.0.0", ONE, 3)})
    assert there[0].id == again[0].id
    assert len({there[0].id, back[0].id, later[0].id}) == 3


def test_the_event_is_one_that_the_catalogue_has() -> None:
    kind = Catalogue.load(data_dir("catalogue")).types["rule.changed"]
    for change in (Announcement("R01", None, "1.0.0", ONE, 0), Announcement("R01", "1.0.0", "withdrawn", None, 1)):
        event = event_of(change, "urn:balance-demo:judge-audit", 1_772_000_000_000)
        assert set(event["data"]) <= set(kind.schema["properties"])
        assert set(kind.schema["required"]) <= set(event["data"])
        assert event["subject"] == event["source"]


def test_a_file_is_known_by_its_version_and_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "R01.yaml").write_text("id: R01\nversion: 1.2.0\n", encoding="utf-8")
    first = fingerprints(tmp_path)
    (tmp_path / "R01.yaml").write_text("id: R01\nversion: 1.2.0\n# a word\n", encoding="utf-8")
    second = fingerprints(tmp_path)
    assert first["R01"].version == second["R01"].version == "1.2.0"
    assert first["R01"].digest != second["R01"].digest
