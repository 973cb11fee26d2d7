"""Where alerts are sent: routes, signatures that a receiver checks with a public standard, waits that are bounded."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from balance_chain.core.data import data_dir
from balance_judge_audit import rulebook
from balance_judge_audit.errors import SendingWrong
from balance_judge_audit.sending.payload import alertmanager_alert, delivery_id, retry_after, webhook_body
from balance_judge_audit.sending.routes import Route, load_plan
from balance_judge_audit.sending.signing import headers, public_half, signer
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

RULE = rulebook.load(data_dir("rules")).rules["R01"]
SAID: dict[str, Any] = {
    "id": "ab" * 16, "revision": 2, "rule": "R01", "version": "1.0.0", "severity": "H", "state": "open",
    "private": False, "subject": "（2026）京0491民初88号", "start": "s", "courtcode": "京0491", "shard": 0,
    "judged": "2026-03-02T02:00:00.000Z",
    "triggers": [
        {"role": "start", "source": "urn:x:y", "id": "e-1", "type": "case.submitted",
         "time": "2026-02-01T00:00:00.000Z", "leaf": "9f" * 32, "offset": 3, "shard": 0, "actor": "r_1"}
    ],
    "numbers": {"period": "7 days", "late_days": 2},
}  # fmt: skip


def test_a_webhook_is_signed_as_the_public_standard_has_it() -> None:
    # The example of the Standard Webhooks specification.
    sign = signer("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "here")
    body = b'{"test": 2432232314}'
    made = headers(sign, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = f"{made['webhook-id']}.{made['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    assert made["webhook-signature"] == f"v1,{expected}"


def test_a_receiver_needs_only_the_public_half_of_an_ed25519_key() -> None:
    private = "whsk_" + base64.b64encode(bytes(range(32))).decode()
    made = headers(signer(private, "here"), "d_1", 1_772_000_000, b"{}")
    version, _, signature = made["webhook-signature"].partition(",")
    assert version == "v1a"
    key = VerifyKey(base64.b64decode(public_half(private).removeprefix("whpk_")))
    key.verify(b"d_1.1772000000.{}", base64.b64decode(signature))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "whsk_c2hvcnQ=", "secret"])
def test_a_secret_that_is_none_is_refused(secret: str) -> None:
    with pytest.raises(SendingWrong, match="secret_file"):
        signer(secret, "sending.yaml: /targets/0")


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        (Route(("a",)), True),
        (Route(("a",), severities=("H", "C")), True),
        (Route(("a",), severities=("L",)), False),
        (Route(("a",), courts=("京0491",)), True),
        (Route(("a",), courts=("浙0192",)), False),
        (Route(("a",), rules=("R01", "R02")), True),
        (Route(("a",), rules=("R02",)), False),
        (Route(("a",), states=("cured",)), False),
        (Route(("a",), severities=("H",), courts=("浙0192",), rules=("R01",)), False),
    ],
)
def test_an_alert_goes_where_all_criteria_of_a_route_hold(route: Route, taken: bool) -> None:
    assert route.takes("H", "京0491", "R01", "open") == taken


def plan(folder: Path, text: str) -> Path:
    (folder / "office.secret").write_text("whsec_" + base64.b64encode(b"x" * 32).decode(), encoding="utf-8")
    file = folder / "sending.yaml"
    file.write_text(text, encoding="utf-8")
    return file


GOOD = """
targets:
  - {name: office, webhook: 'https://office.example/alerts', secret_file: office.secret}
  - {name: wall, alertmanager: 'http://127.0.0.1:9093/'}
routes:
  - {to: [office], severities: [H, C]}
  - {to: [office, wall], rules: [R38]}
"""


def test_a_plan_is_read_and_routes_add_up(tmp_path: Path) -> None:
    found = load_plan(plan(tmp_path, GOOD))
    assert found.targets["wall"].url == "http://127.0.0.1:9093/api/v2/alerts"
    assert found.goes_to("office", "C", None, "R38", "open")
    assert found.goes_to("wall", "L", None, "R38", "open")
    assert not found.goes_to("wall", "H", "京0491", "R01", "open")


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("to: [office, wall]", "to: [office, door]", "/routes/1/to"),
        ("name: wall", "name: office", "/targets"),
        ("https://office.example/alerts", "ftp://office.example", "/targets/0"),
        ("https://office.example/alerts", "https://me:pass@office.example", "/targets/0"),
        (", secret_file: office.secret", "", "/targets/0/secret_file"),
        ("secret_file: office.secret", "secret_file: none.secret", "/targets/0/secret_file"),
        ("severities: [H, C]", "severities: [X]", "severities"),
        ("severities: [H, C]", "severity: [H]", "severity"),
    ],
)
def test_a_mistake_is_named_by_its_place(tmp_path: Path, old: str, new: str, where: str) -> None:
    with pytest.raises(SendingWrong, match=where):
        load_plan(plan(tmp_path, GOOD.replace(old, new)))


def test_a_body_says_what_was_said_and_names_nobody() -> None:
    body = json.loads(webhook_body(SAID, RULE, "https://pages.example/"))
    assert (body["type"], body["timestamp"]) == ("alert.open", SAID["judged"])
    assert body["data"]["title"] == RULE.title
    assert body["data"]["link"] == f"https://pages.example/alerts/{SAID['id']}"
    assert body["data"]["triggers"][0]["leaf"] == "9f" * 32
    assert "r_1" not in json.dumps(body)
    assert "private" not in body["data"]


def test_an_alert_of_alertmanager_has_its_labels_and_an_end() -> None:
    ends = datetime(2026, 3, 2, 3, tzinfo=UTC)
    made = alertmanager_alert(SAID, RULE, "https://pages.example", SAID["judged"], ends)
    labels = {
        "alertname": "R01",
        "severity": "high",
        "court": "京0491",
        "subject": SAID["subject"],
        "alert_id": SAID["id"],
    }
    assert made["labels"] == labels
    assert (made["startsAt"], made["endsAt"]) == (SAID["judged"], "2026-03-02T03:00:00.000+00:00")


def test_a_delivery_has_one_identity_for_a_target_and_a_revision() -> None:
    ids = {delivery_id(target, alert, n) for target in ("a", "b") for alert in ("x", "y") for n in (1, 2)}
    assert len(ids) == 8
    assert delivery_id("a", "x", 1) in ids


@given(st.integers(1, 100), st.floats(0, 1))
def test_the_wait_before_another_attempt_grows_and_is_bounded(attempts: int, luck: float) -> None:
    wait = retry_after(attempts, 5.0, 3600.0, luck).total_seconds()
    assert 2.5 <= wait <= 3600.0
    assert wait <= 5.0 * 2 ** min(attempts - 1, 30)
