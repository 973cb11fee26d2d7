"""A court's calendar reaches every shard, as events that the catalogue and the partitioner accept."""

from pathlib import Path

import msgspec
import pytest
from balance_chain.cli.main import run
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from balance_chain.core.everyshard import calendar_events, subjects_of_shards
from balance_chain.core.partition import partition_for

SOURCE = "urn:court:bj0491:office"
CALENDAR = "court: 京0491\nyear: 2027\nholidays: [2027-02-08, '2027-02-09']\nworked: [2027-02-20]\n"


@pytest.mark.parametrize("shards", [1, 2, 7, 64])
def test_each_shard_has_a_subject_of_its_own(shards: int) -> None:
    subjects = subjects_of_shards(SOURCE, shards)
    assert [partition_for(subject, shards) for subject in subjects] == list(range(shards))


def test_equal_calendars_have_equal_ids() -> None:
    first, again = (calendar_events({"court": "京0491", "year": 2027}, SOURCE, 3, n, "t") for n in (5, 9))
    assert [event["id"] for event in first] == [event["id"] for event in again]
    assert [event["sequence"] for event in first] == ["5", "6", "7"]


def test_a_calendar_in_a_file_becomes_events_to_publish(tmp_path: Path) -> None:
    file, out = tmp_path / "calendar.yaml", tmp_path / "events.ndjson"
    file.write_text(CALENDAR, encoding="utf-8")
    more = ["--source", SOURCE, "--shards", "4", "--sequence", "12", "--out", str(out)]
    assert run(["import", "calendar", str(file), *more]) == 0
    events = [msgspec.json.decode(line) for line in out.read_bytes().splitlines()]
    catalogue = Catalogue.load(data_dir("catalogue"))
    assert len(events) == 4
    assert all(catalogue.problems(event["type"], event["data"]) == [] for event in events)
    assert events[0]["data"]["holidays"] == ["2027-02-08", "2027-02-09"]


def test_a_calendar_with_a_mistake_is_refused_by_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "calendar.yaml", tmp_path / "events.ndjson"
    file.write_text(CALENDAR.replace("2027-02-20", "soon"), encoding="utf-8")
    more = ["--source", SOURCE, "--shards", "4", "--sequence", "12", "--out", str(out)]
    assert run(["import", "calendar", str(file), *more]) == 1
    assert "/worked/0" in capsys.readouterr().err
    assert not out.exists()
