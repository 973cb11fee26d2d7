"""Write tests/golden/event.json and privacy.json: canonical events and protected fields, made with fixed keys.

Keys come from published seeds and protect nothing. A test compares the files with what this program makes; a change
to a file is a change of format. Run: python tools/golden_events.py
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from balance_chain.core import privacy
from balance_chain.core.canonical import encode
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.privacy import CaseKey
from balance_chain.core.rawrecord import LEDGER, TICK_VALUE, mac_raw, make_headers
from balance_chain.core.sources import Source, Sources
from balance_intake.model import Holder
from balance_intake.normalise import Normaliser, Secrets
from balance_intake.stages import Draft, RawRecord

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
ORIGIN = "court.example/balance-chain/0491"
URI = "urn:example:case-system"
SHARDS = 1
RECEIVED_MS = 1_772_413_200_123

JsonObject = dict[str, Any]


def secret(name: str) -> bytes:
    """A published secret of 32 bytes."""
    return sha256(f"balance-chain golden secret {name}".encode()).digest()


def case_key(caseid: str, version: int = 1) -> CaseKey:
    """The published key of a case."""
    return CaseKey(caseid, version, secret(f"case {caseid} {version}"))


SOURCE = Source(URI, "样例案件系统", "Example case system", "http", None, sha256(b"token").hexdigest(), ("*",), ("*",))


def source_event(**changes: Any) -> JsonObject:
    """An event as a source sends it."""
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": URI,
        "type": "case.submitted",
        "subject": "(2026) 京0491民初123号",
        "time": "2026-03-02T09:00:00.5+08:00",
        "sequence": "1",
        "data": {"actors": [{"role": "plaintiff", "name": " 王  小明 "}], "cause": "买卖合同纠纷", "amount": 1250000},
        **changes,
    }


SENT: list[JsonObject] = [
    source_event(),
    source_event(
        id="e-2",
        sequence="2",
        recordedtime="2026-03-02T01:00:00Z",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        data={
            "actors": [{"role": "defendant", "id": "P-2"}, {"role": "lawyer", "name": "李律师"}],
            "case_name": "王小明诉某某科技有限公司",
            "parties": [{"role": "原告", "name": "王小明"}],
            "description": '当庭提交 "起诉状" \\ 😀',
            "digests": {"sha-256": "AB" * 32},
        },
    ),
    source_event(
        id="e-3",
        sequence="3",
        type="hearing.scheduled",
        time="2026-03-01",
        data={"actors": [{"role": "judge", "id": "J0031"}], "at": "2026-03-20T09:00:00+08:00"},
    ),
    source_event(id="e-4", sequence="4", type="source.heartbeat", subject=URI, data={"interval_seconds": 60}),
    source_event(id="e-5", sequence="5", subject="us-nysd/1:15-mc-00105", time="2026-03-01"),
    source_event(id="e-6", sequence="6", subject="一个案子"),
    source_event(id="e-7", sequence="7", data={"colour": "red"}),
    source_event(id="e-8", sequence="8", time="2026-03-03T00:00:00Z"),
]


def normaliser() -> Normaliser:
    """The rules of the example's deployment."""
    directory = data_dir("catalogue")
    return Normaliser(
        origin=ORIGIN,
        partitions=SHARDS,
        rawgen=0,
        catalogue=Catalogue.load(directory),
        courts=Courts.load(directory),
        sources=Sources([SOURCE]),
        secrets=Secrets(secret("gateway.mac"), secret("reject.key")),
    )


def events() -> list[JsonObject]:
    """Raw values and the canonical events that they become."""
    rules = normaliser()
    values = [(URI, json.dumps(event, ensure_ascii=False).encode()) for event in SENT]
    values += [(URI, b'{"id":"broken"'), (LEDGER, TICK_VALUE)]
    return [_event(rules, offset, source, value) for offset, (source, value) in enumerate(values)]


def _event(rules: Normaliser, offset: int, source: str, value: bytes) -> JsonObject:
    headers = tuple(make_headers(source, mac_raw(source, value, secret("gateway.mac"))))
    read = rules.read(RawRecord(0, offset, RECEIVED_MS + offset, value, headers))
    people: dict[privacy.RegistryRef, str] = {}
    if isinstance(read, Draft):
        key = case_key(read.caseid)
        claim = rules.claim(read, key)
        people = {ref: privacy.register_id(ref, sha256(encode(list(ref))).hexdigest()[:32]) for ref in read.people}
        settled = rules.settle(read, claim, Holder(0, 0, offset, claim.sourcedigest))
        assert isinstance(settled, Draft)
        written = rules.event(settled, claim, key, people)
    else:
        written = rules.ledger_event(read)
    return {
        "source": source,
        "value": value.decode(),
        "authenticator": headers[1][1].hex(),
        "received_ms": RECEIVED_MS + offset,
        "people": [[*ref, people[ref]] for ref in sorted(people)],
        "event": written.value.decode(),
        "key": written.key.decode(),
        "leaf": sha256(b"\x00" + written.value).hexdigest(),
    }


FIELDS: list[tuple[str, Any]] = [
    ("/description", '文本 "text" \\ 😀'),
    ("/parties", [{"role": "原告", "name": "王小明"}]),
    ("/note", ""),
    ("/note", {"b": 1, "a": [True, None, -9007199254740991]}),
]


NAMES = ("王小明", " 王小明\u3000", "Amélie  Roux", "Ame\u0301lie\tRoux")


def protected() -> JsonObject:
    """Subkeys, encrypted fields, pseudonyms and source digests of one case."""
    key = case_key("（2026）京0491民初123号", 2)
    fields = []
    for pointer, value in FIELDS:
        where = privacy.associated_data(URI, "e-1", "case.submitted", pointer)
        field = privacy.encrypt_field(key, where, value)
        salt, plaintext = privacy.decrypt_field(key, where, field)
        fields.append(
            {
                "aad": where.decode(),
                "plaintext": plaintext.decode(),
                "salt": salt.hex(),
                "ct": field["ct"],
                "commit": field["commit"],
            }
        )
    s = privacy.source_secret(key, URI, "e-1")
    sent = encode(SENT[0])
    return {
        "caseid": key.caseid,
        "case_key": key.key32.hex(),
        "keyid": key.keyid,
        "subkeys": {purpose: privacy.subkey(key.key32, purpose).hex() for purpose in privacy.PURPOSES},
        "fields": fields,
        "pseudonyms": {text: privacy.pseudonym(key, text) for text in NAMES},
        "source_digest": {
            "source": URI,
            "id": "e-1",
            "s": s.hex(),
            "sent": sent.decode(),
            "digest": privacy.source_digest(s, sent),
        },
    }


def documents() -> dict[str, str]:
    """The golden files by name."""
    return {
        "event.json": json.dumps(events(), ensure_ascii=False, indent=1) + "\n",
        "privacy.json": json.dumps(protected(), ensure_ascii=False, indent=1) + "\n",
    }


def main() -> None:
    """Write the files."""
    for name, text in documents().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
