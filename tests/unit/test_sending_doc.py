"""The receiver's check in docs/sending-out.md accepts what the sender signs, and nothing else; its plan is a plan."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from balance_judge_audit.sending.routes import load_plan
from balance_judge_audit.sending.signing import headers, signer

DOC = (Path(__file__).parents[2] / "docs" / "sending-out.md").read_text(encoding="utf-8")
NOW = 1_772_000_000


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    [code] = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_check_in_the_documentation_takes_what_we_sign_and_nothing_else(shown: dict[str, Any]) -> None:
    secret, body = shown["make_secret"](), b'{"type": "alert.open"}'
    made = headers(signer(secret, "here"), "d_1", NOW, body)
    genuine = shown["genuine"]
    assert genuine(made, body, secret, NOW + 10)
    assert not genuine(made, body, secret, NOW + 1000)
    assert not genuine(made, body + b" ", secret, NOW)
    assert not genuine({**made, "webhook-id": "d_2"}, body, secret, NOW)
    assert not genuine({**made, "webhook-timestamp": str(NOW + 1)}, body, secret, NOW)
    assert not genuine(made, body, shown["make_secret"](), NOW)


def test_the_plan_in_the_documentation_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", DOC, re.DOTALL)
    (tmp_path / "sending.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "audit-office.secret").write_text("whsec_" + base64.b64encode(b"x" * 32).decode(), encoding="utf-8")
    plan = load_plan(tmp_path / "sending.yaml")
    assert plan.goes_to("audit-office", "H", "京0491", "R01", "open")
    assert not plan.goes_to("on-call", "H", "京0491", "R01", "open")
