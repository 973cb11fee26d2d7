"""Every command ends with the right exit code and, where it fails, one line that says what to do."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from balance_chain.cli.main import run
from balance_chain.core.keys import KeyDirectory

NOBODY = "http://127.0.0.1:1"
ENTRY = {"date_filed": "2003-01-02", "description": "Complaint by Example Company"}
DOCKET: dict[str, Any] = {"court_id": "exd", "docket_number": "1:03-cv-00001", "docket_entries": [ENTRY]}


def complaint_of(capsys: pytest.CaptureFixture[str]) -> str:
    """What stderr says: one line, no traceback."""
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    return said


@pytest.fixture
def dockets(tmp_path: Path) -> Path:
    folder = tmp_path / "dockets"
    folder.mkdir()
    (folder / "docket-exd.json").write_text(json.dumps(DOCKET))
    return folder


def test_an_unknown_command_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["no-such-command"]) == 2
    assert "no-such-command" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish"],
        ["publish", "events.json"],
        ["import", "recap", "folder"],
        ["simulate", "--cases", "many", "--seed", "1"],
        ["simulate", "--seed", "1"],
        ["verify", "bundle.json"],
    ],
)
def test_wrong_use_exits_2_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert complaint_of(capsys).startswith("balance-chain: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "absent.json", "--token", "t"],
        ["import", "recap", "absent", "--dry-run"],
        ["prove", "urn:test:s", "e1", "--url", NOBODY],
        ["prove", "urn:test:s", "e1", "--url", "no address"],
        ["verify", "absent.json", "--vkey", "absent.vkey"],
    ],
)
def test_what_cannot_be_read_or_reached_exits_3_in_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 3
    complaint_of(capsys)


def test_importing_dry_tells_what_it_would_publish(dockets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "recap", str(dockets), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["files"], told["cases"], told["entries"], told["mapped"], told["events"]) == (1, 1, 1, 1, 1)
    assert "accepted" not in told


def test_a_file_that_is_no_docket_is_named_and_the_others_go_on(
    dockets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (dockets / "broken.json").write_text('{"not": "a docket"}')
    assert run(["import", "recap", str(dockets), "--dry-run", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["events"] == 1
    assert [each["file"] for each in told["refused_files"]] == [str(dockets / "broken.json")]
    assert "court_id" in told["refused_files"][0]["problem"]


def test_machines_are_told_no_text_of_a_docket(dockets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"date_filed": "2003-01-02", "description": "Arrest of Some Person"}
    (dockets / "docket-exd.json").write_text(json.dumps(DOCKET | {"docket_entries": [entry]}))
    assert run(["import", "recap", str(dockets), "--dry-run", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["unmapped_entries"] == [{"file": "docket-exd.json", "entry": 0}]
    assert "Some Person" not in out


def test_a_line_that_is_not_json_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text('{"id": "e1"}\nnot json\n')
    assert run(["publish", str(file), "--token", "t", "--url", NOBODY]) == 1
    assert "line 2" in complaint_of(capsys)


def test_the_simulator_writes_events_and_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, labels = tmp_path / "events.ndjson", tmp_path / "labels.json"
    arguments = ["simulate", "--cases", "3", "--seed", "7", "--out", str(out), "--labels", str(labels), "--json"]
    assert run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["events"] == len(out.read_bytes().splitlines()) > 3
    assert told["labels"] == len(json.loads(labels.read_bytes()))


def test_a_town_is_written_in_the_order_of_entry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "events.ndjson"
    assert run(["simulate", "--cases", "5", "--seed", "7", "--town", "honest", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    entered = [datetime.fromisoformat(json.loads(line)["recordedtime"]) for line in out.read_bytes().splitlines()]
    assert told["events"] == len(entered) > 5
    assert entered == sorted(entered)


def test_keys_are_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["keys", "generate", str(tmp_path / "keys"), "--origin", "test.example/log"]
    assert run(arguments) == 0
    first = capsys.readouterr().out.strip()
    assert first == str(KeyDirectory.load(tmp_path / "keys").log_vkey)
    assert run(arguments) == 0
    assert capsys.readouterr().out.strip() == first


def test_a_bundle_that_is_none_is_not_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    KeyDirectory.generate(tmp_path / "keys", "test.example/log")
    (tmp_path / "bundle.json").write_text("{}")
    assert run(["verify", str(tmp_path / "bundle.json"), "--vkey", str(tmp_path / "keys" / "log.vkey")]) == 1
    complaint_of(capsys)


def test_kafka_that_does_not_answer_exits_3_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALANCE_KAFKA", "127.0.0.1:1")
    assert run(["topics", "create"]) == 3
    assert "kafka" in complaint_of(capsys)
