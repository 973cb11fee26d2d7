"""What a receiver gets: a webhook's body, and an alert as Alertmanager's API takes it. Pure."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from balance_judge_audit.engine.model import Rule

SEVERITIES: Final = {"L": "low", "M": "medium", "H": "high", "C": "critical"}
SAID: Final = (
    "id",
    "revision",
    "rule",
    "version",
    "severity",
    "state",
    "subject",
    "start",
    "courtcode",
    "judged",
    "numbers",
)
TRIGGER: Final = ("role", "source", "id", "type", "time", "leaf")


def delivery_id(target: str, alert: str, revision: int) -> str:
    """The identity of one delivery: the same however often it is tried."""
    return "d_" + hashlib.sha256(f"{target}\x00{alert}\x00{revision}".encode()).hexdigest()[:32]


def webhook_body(said: Mapping[str, Any], rule: Rule | None, link: str) -> bytes:
    """The revision, what the rule is called, and where a person reads more. Nobody is named."""
    data = {name: said.get(name) for name in SAID}
    data["triggers"] = [{name: each[name] for name in TRIGGER} for each in said["triggers"]]
    data["title"] = rule.title if rule else {}
    data["basis"] = [f"{each.law} {each.article}" for each in rule.basis] if rule else []
    data["link"] = _link(link, said)
    body = {"type": f"alert.{said['state']}", "timestamp": said["judged"], "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def alertmanager_alert(
    said: Mapping[str, Any], rule: Rule | None, link: str, raised: str, ends: datetime
) -> dict[str, Any]:
    """One alert of `POST /api/v2/alerts`: it is over at `ends` unless it is sent again."""
    labels = {
        "alertname": said["rule"],
        "severity": SEVERITIES[said["severity"]],
        "court": said.get("courtcode") or "",
        "subject": said["subject"],
        "alert_id": said["id"],
    }
    title = rule.title if rule else {}
    numbers = ", ".join(f"{name} {value}" for name, value in said["numbers"].items())
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {
            "summary": title.get("en", said["rule"]),
            "summary_zh": title.get("zh", said["rule"]),
            "description": numbers or said["state"],
        },
        "startsAt": raised,
        "endsAt": ends.astimezone(UTC).isoformat(timespec="milliseconds"),
        "generatorURL": _link(link, said),
    }


def retry_after(attempts: int, first: float, most: float, luck: float) -> timedelta:
    """The wait before another attempt: twice as long each time, bounded, not the same for all (luck is 0 to 1)."""
    doubled = min(first * 2.0 ** min(attempts - 1, 30), most)
    return timedelta(seconds=doubled * (0.5 + 0.5 * luck))


def _link(base: str, said: Mapping[str, Any]) -> str:
    return f"{base.rstrip('/')}/alerts/{quote(said['id'])}"
