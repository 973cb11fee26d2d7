"""Render a proof bundle as one HTML file that carries the bundle, checks it where it is opened, and prints on A4.

Promise: equal bundles give equal bytes; the file fetches nothing (its own policy forbids it, and allows exactly its one
script and style by their hashes); what it shows of the bundle is compared with the bundle by its script.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final, Literal

import segno
from balance_verify.entry import Entry, entry_hash
from balance_verify.note import VerifierKey
from balance_verify.policy import NONE, Policy, time_text
from balance_verify.proof import ProofBundle
from balance_verify.verify import verify_bundle
from jinja2 import Environment, StrictUndefined, Template

Language = Literal["zh", "en"]

STEPS: Final = (
    ("事件位置在区块之内", "event position: its place is within the block"),
    ("事件在区块中：路径归于区块根值", "event in block: the path leads to the block's root"),
    ("条目在账本中：路径归于检查点根值", "entry in log: the path leads to the checkpoint's root"),
    ("账本名称与公钥一致", "origin: the log's name is that of the key"),
    ("检查点签名", "checkpoint signature"),
    ("封块方签名", "sealer signature"),
    ("见证方（须用命令与见证规则核验）", "witnesses (needs the command and a policy)"),
    ("本页所示即证明所载", "this page shows what the bundle says"),
)
"""The steps of balance_verify.verify, and one about the page itself."""

WITNESSED: Final = ("见证方：达到法定数的联署", "witnesses: cosignatures of a quorum of the policy")
"""The seventh step where a witness policy came with the page."""

_EVENT_FACTS: Final = ("source", "id", "type", "caseid", "time", "receivedtime")
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


def file_name(bundle: ProofBundle) -> str:
    """The id of the bundle's event as the name of a file, without an ending."""
    return _UNSAFE.sub("_", _event_facts(bundle.event).get("id", "")).lstrip(".-") or "event"


def content_policy() -> str:
    """The Content-Security-Policy of the file: one script and one style, by their hashes, and nothing else."""
    script, style = (_hash_source(_resource(f"certificate.{kind}")) for kind in ("js", "css"))
    return f"default-src 'none'; script-src {script}; style-src {style}; base-uri 'none'; form-action 'none'"


def render_certificate(
    bundle: ProofBundle,
    log_key: VerifierKey,
    *,
    policy: Policy | None = None,
    sealer_keys: Sequence[VerifierKey] = (),
    lang: Language = "zh",
) -> str:
    """The certificate of a bundle. Whether the bundle holds is for the reader to see; the caller may look before."""
    event = bundle.event.decode("utf-8", "replace")
    facts = {**dict.fromkeys(_EVENT_FACTS, ""), **_event_facts(bundle.event), **_proof_facts(bundle)}
    asked = policy if policy is not None and policy.quorum != NONE else None
    html = _template().render(
        lang=lang,
        policy=content_policy(),
        script=_resource("certificate.js"),
        style=_resource("certificate.css"),
        facts=facts,
        steps=(*STEPS[:6], WITNESSED, STEPS[7]) if asked else STEPS,
        witnesses=[(each.name, each.key.id) for each in asked.witnesses] if asked else [],
        rule=_rule(asked) if asked else "",
        event=event,
        name=file_name(bundle),
        witnessed=_witnessed(bundle, log_key, policy),
        entry_hash=entry_hash(bundle.entry),
        qr=_qr(bundle.entry),
        bundle=base64.b64encode(bundle.encode()).decode(),
        vkey=str(log_key),
        keys=_script_json(
            {
                "log": str(log_key),
                "sealers": [str(key) for key in sealer_keys],
                **({"policy": _policy_json(asked, log_key)} if asked else {}),
            }
        ),
    )
    return html + "\n"


def _event_facts(event: bytes) -> dict[str, str]:
    try:
        members = json.loads(event)
        return {name: members[name] for name in _EVENT_FACTS if isinstance(members.get(name), str)}
    except (ValueError, RecursionError, AttributeError):
        return {}


def _proof_facts(bundle: ProofBundle) -> dict[str, str]:
    header, checkpoint = bundle.header, bundle.log_proof.checkpoint
    return {
        "root": checkpoint.root.hex(),
        "checkpoint": str(checkpoint.size),
        "sealer": Entry.parse(bundle.entry).key,
        "blocktime": header.time,
        "entry": str(bundle.log_proof.index),
        "place": f"{header.shard} / {header.height} / {bundle.index}",
    }


def _policy_json(policy: Policy, log_key: VerifierKey) -> dict[str, object]:
    """The policy as the page's script takes it."""
    return {
        "listed": policy.lists(log_key),
        "witnesses": [{"name": each.name, "vkey": str(each.key)} for each in policy.witnesses],
        "groups": [
            {"name": each.name, "threshold": each.threshold, "members": list(each.members)} for each in policy.groups
        ],
        "quorum": policy.quorum,
    }


def _rule(policy: Policy) -> str:
    """The policy's groups and quorum, as its file says them."""
    lines = policy.text().splitlines()
    return "\n".join(line for line in lines if line.startswith(("group ", "quorum ")))


def _witnessed(bundle: ProofBundle, log_key: VerifierKey, policy: Policy | None) -> str:
    """Since when the event existed by the word of others than the operator; empty without a quorum of witnesses."""
    if policy is None or policy.quorum == NONE or not verify_bundle(bundle, log_key, policy=policy).ok:
        return ""
    time = policy.judge(bundle.log_proof.note).time
    return "" if time is None else time_text(time)


def _qr(entry: bytes) -> str:
    """The entry's bytes as an inline picture."""
    picture = io.BytesIO()
    code = segno.make(entry, error="l", micro=False, boost_error=False)
    code.save(picture, kind="svg", xmldecl=False, svgns=True, nl=False, omitsize=True, border=4)
    return picture.getvalue().decode()


def _script_json(value: object) -> str:
    """JSON that cannot end the element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


@cache
def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_resource("certificate.html"))


def _hash_source(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"
