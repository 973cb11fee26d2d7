"""The worked example in docs/verify-example.md is true: its commands are run, its code is executed."""

from __future__ import annotations

import dataclasses
import doctest
import json
import re
import shlex
from pathlib import Path

import pytest
from balance_verify.__main__ import main
from balance_verify.proof import ProofBundle

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "verify-example.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```console\n\$ balance-verify ([^\n]*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
CODE = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture(autouse=True)
def files_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = json.loads((REPOSITORY / "tests" / "golden" / "bundles.json").read_text(encoding="utf-8"))
    vector = next(vector for vector in vectors if vector["name"] == "block 1, event 3")
    bundle = ProofBundle.parse(vector["bundle"].encode())
    changed = dataclasses.replace(bundle, event=bundle.event.replace(b"example-4", b"example-5"))
    (tmp_path / "example.proof.json").write_bytes(bundle.encode())
    (tmp_path / "changed.proof.json").write_bytes(changed.encode())
    (tmp_path / "log.vkey").write_text(vector["vkey"] + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("arguments", "output"), COMMANDS)
def test_a_command_of_the_page_prints_what_the_page_says(
    arguments: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(shlex.split(arguments))
    assert capsys.readouterr().out == output
    assert code == (0 if output.splitlines()[-1].startswith("verified") else 1)


def test_the_code_of_the_page_gives_what_the_page_says() -> None:
    test = doctest.DocTestParser().get_doctest(CODE, {}, "verify-example.md", None, 0)
    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF).run(test, out=told.append)
    assert result.attempted > 20
    assert result.failed == 0, "".join(told)


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 3
