"""The verifier's HTTP interface over a real projection: proofs check offline, and what is not possible is explained."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from balance_chain.certificate.render import content_policy
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import migrate
from balance_chain.runtime.health import Health
from balance_chain.runtime.service import Service
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.api import build_app
from balance_verifier.settings import ApiSettings, WorkerSettings
from balance_verifier.worker import run_worker
from balance_verify import jcs
from balance_verify.note import VerifierKey, open_note
from balance_verify.proof import ProofBundle
from balance_verify.receipt import Receipt
from balance_verify.verify import verify_bundle
from support.smallledger import SOURCE, SmallLedger
from support.waiting import wait_until
from support.writtenledger import Written, caught_up

CASE = "（2026）京0491民初7号"
HEX = "ab" * 32
SM3 = "cd" * 32


@pytest.fixture
async def written(topics: CommonSettings, keys: KeyDirectory) -> Written:
    """Covered events on both shards, one event sealed but not covered, one not sealed."""
    written = Written(topics, SmallLedger(keys.log, keys.sealer, keys.gateway, topics.partitions))
    await written.rounds(2)
    await written.events(0, 1, id="with-file", caseid=CASE, data={"digests": {"sha-256": HEX, "sm3": SM3}})
    written.ledger.seal(0)
    await written.events(0, 1, id="waiting", caseid=CASE)
    await written.flush()
    return written


@pytest.fixture
async def client(written: Written) -> AsyncIterator[httpx.AsyncClient]:
    """The application over what the worker has made of the ledger; both in this process, for speed."""
    common = written.settings.model_dump()
    worker_settings, api_settings = WorkerSettings(**common), ApiSettings(**common, verifier_page_size=3)
    service = Service("worker", Health(), asyncio.Event())
    app = build_app(api_settings, service.health)
    async with asyncpg.create_pool(
        api_settings.database, min_size=0, server_settings={"search_path": "verifier"}
    ) as pool:
        await migrate(pool, "balance_verifier", "verifier")
        worker = asyncio.ensure_future(run_worker(worker_settings, service))
        await wait_until(lambda: caught_up(pool, written.ledger), 40)
        service.stop.set()
        await asyncio.wait_for(worker, 20)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://verifier") as client,
        ):
            yield client


def path(id: str, more: str = "") -> str:
    return f"/v1/events/{quote(SOURCE, safe='')}/{id}{more}"


async def test_every_covered_event_has_a_proof_that_checks_offline_with_the_logs_key_alone(
    client: httpx.AsyncClient, written: Written
) -> None:
    for shard in range(written.settings.partitions):
        for n in range(6):
            answer = await client.get(path(f"e-{shard}-{n}", "/proof"))
            assert answer.status_code == 200, answer.text
            bundle = ProofBundle.parse(answer.content)
            assert bundle.event == written.ledger.events[shard][n]
            report = verify_bundle(bundle, written.ledger.log_key.vkey, sealer_keys=[written.ledger.sealer_key.vkey])
            assert report.ok, report


async def test_an_event_shows_how_far_it_has_come(client: httpx.AsyncClient) -> None:
    states = {}
    for id in ("e-0-0", "with-file", "waiting"):
        answer = (await client.get(path(id))).json()
        states[id] = (answer["state"], answer["block"] is not None)
        assert answer["event"]["id"] == id
    assert states == {"e-0-0": ("covered", True), "with-file": ("sealed", True), "waiting": ("received", False)}


async def test_a_proof_that_is_not_possible_yet_says_so(client: httpx.AsyncClient) -> None:
    for id in ("with-file", "waiting"):
        answer = await client.get(path(id, "/proof"))
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "not yet"
        assert "retry-after" in answer.headers


async def test_the_source_may_be_sent_with_its_slashes_bare(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/v1/events/{SOURCE}/e-1-2")).json()["id"] == "e-1-2"
    assert (await client.get(f"/v1/events/{SOURCE}/e-1-2/proof")).status_code == 200


async def test_what_is_not_there_is_a_404_with_problem_details(client: httpx.AsyncClient) -> None:
    for url in (
        path("nobody"),
        path("nobody", "/proof"),
        path("%00"),
        "/v1/events/onlyone",
        f"/v1/digests/sha-256/{'0' * 64}",
        "/v1/cases/nothing/events",
        "/v1/blocks/0/99",
        f"/v1/blocks/0/{10**30}",
        "/v1/nothing",
    ):
        answer = await client.get(url)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), url


async def test_a_file_digest_finds_every_event_that_names_it(client: httpx.AsyncClient) -> None:
    answer = (await client.get(f"/v1/digests/SHA-256/{HEX.upper()}")).json()
    assert [event["id"] for event in answer["events"]] == ["with-file"]


async def test_the_timeline_of_a_case_is_paged_in_the_order_of_what_happened(client: httpx.AsyncClient) -> None:
    url = f"/v1/cases/{quote('（2026）京0491民初1号', safe='')}/events"
    seen, after = [], None
    while True:
        page = (await client.get(url, params={"after": after} if after else {})).json()
        assert len(page["events"]) <= 3
        seen += page["events"]
        if (after := page["next"]) is None:
            break
    assert len(seen) == 12
    assert [event["time"] for event in seen] == sorted(event["time"] for event in seen)
    assert (await client.get(url, params={"after": "nonsense"})).status_code == 400


async def test_blocks_are_listed_newest_first_and_each_with_its_entry(client: httpx.AsyncClient) -> None:
    page = (await client.get("/v1/blocks", params={"shard": 0})).json()
    assert [(block["shard"], block["height"]) for block in page["blocks"]] == [(0, 2), (0, 1), (0, 0)]
    block = (await client.get("/v1/blocks/0/1")).json()
    assert json.loads(block["entry"]["header"])["root"] == block["root"]
    assert (block["count"], block["log_index"], block["verified"]) == (3, 3, True)


async def test_the_checkpoint_and_the_keys_are_those_of_the_log(client: httpx.AsyncClient, written: Written) -> None:
    note = await client.get("/log/checkpoint")
    assert note.headers["content-type"].startswith("text/plain")
    keys = (await client.get("/log/keys")).json()["keys"]
    assert {key["role"] for key in keys} == {"log", "sealer", "gateway"}
    log_key = VerifierKey.parse(next(key["vkey"] for key in keys if key["role"] == "log"))
    assert open_note(note.content, [log_key]).text.split("\n")[1] == str(written.ledger.size)


async def test_the_status_counts_what_was_recomputed(client: httpx.AsyncClient, written: Written) -> None:
    status = (await client.get("/v1/status")).json()
    assert (status["events"], status["sealed"], status["blocks_verified"], status["blocks_covered"]) == (14, 13, 5, 4)
    assert status["log"]["root"] == written.ledger.root.hex()
    assert status["findings"]["total"] == 0
    assert (await client.get("/v1/findings")).json() == {"findings": []}


async def test_a_posted_bundle_is_explained_step_by_step(client: httpx.AsyncClient) -> None:
    bundle = (await client.get(path("e-1-1", "/proof"))).content
    report = (await client.post("/v1/verify", content=bundle)).json()
    assert report["ok"]
    assert report["finality"] == "operator's word alone"
    assert [step["result"] for step in report["steps"]] == ["matches"] * 6 + ["not checkable"]
    other = (await client.get(path("e-1-2", "/proof"))).json()
    forged = json.loads(bundle) | {"event": other["event"]}
    report = (await client.post("/v1/verify", content=jcs.dumps(forged))).json()
    step = report["steps"][1]
    assert not report["ok"]
    assert step["result"] == "differs"
    assert step["expected"] != step["got"]


async def test_a_receipt_beside_a_bundle_is_held_against_the_blocks_time(
    client: httpx.AsyncClient, written: Written
) -> None:
    bundle = (await client.get(path("e-1-1", "/proof"))).content
    gateway = written.ledger.gateway_key
    results = {}
    for by in ("2001-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"):
        receipt = Receipt(by, "0" * 64, "e-1-1", gateway.vkey.id, written.settings.origin, "0" * 64, SOURCE)
        body = b'{"bundle":' + bundle + b',"receipt":' + receipt.encode_signed(gateway) + b"}"
        report = (await client.post("/v1/verify", content=body)).json()
        results[by[:4]] = (report["steps"][-1]["name"], report["steps"][-1]["result"], report["ok"])
    assert results == {"2001": ("receipt", "differs", False), "2999": ("receipt", "matches", True)}


async def test_what_is_no_bundle_is_a_400_and_a_huge_body_a_413(client: httpx.AsyncClient) -> None:
    for body in (b"", b"{}", b"[1", b"\xff", b'{"bundle":1}', b'{"bundle":{}}', b'{"receipt":{}}', b"[" * 100_000):
        answer = await client.post("/v1/verify", content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), body[:20]
    assert (await client.post("/v1/verify", content=b" " * 5_000_000)).status_code == 413


async def test_the_page_says_what_this_is_in_chinese_and_english_and_needs_no_script(client: httpx.AsyncClient) -> None:
    english = await client.get("/", headers={"Accept-Language": "en-GB,en;q=0.9"})
    chinese = await client.get("/", headers={"Accept-Language": "zh-CN"})
    asked = await client.get("/?lang=zh", headers={"Accept-Language": "en"})
    assert 'lang="en"' in english.text
    assert "demo, no login" in english.text
    assert 'lang="zh-CN"' in chinese.text
    assert "无需登录" in chinese.text
    assert "无需登录" in asked.text
    assert "公钥" in chinese.text
    for page in (english, chinese):
        assert "<script" not in page.text
        assert " style=" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
    assert (await client.get("/static/verifier.css")).status_code == 200


async def test_the_page_finds_events_by_name_case_and_digest(client: httpx.AsyncClient) -> None:
    covered = await client.get("/find", params={"source": SOURCE, "id": "e-0-1"})
    assert "under a signed checkpoint" in covered.text
    assert f"{path('e-0-1', '/proof')}" in covered.text
    waiting = await client.get("/find", params={"source": SOURCE, "id": "waiting"})
    assert "not yet" in waiting.text
    case = await client.get("/find", params={"caseid": "（2026）京0491民初1号", "lang": "zh"})
    assert case.text.count("<tr>") == 4
    assert "下一页" in case.text
    digest = await client.get("/find", params={"algorithm": "sha-256", "digest": HEX})
    assert "with-file" in digest.text
    assert (await client.get("/find", params={"source": SOURCE, "id": "nobody"})).status_code == 404
    assert (await client.get("/find")).status_code == 400


async def test_what_people_type_is_shown_as_text(client: httpx.AsyncClient) -> None:
    page = await client.get("/find", params={"caseid": "<script>alert(1)</script>"})
    assert page.status_code == 404
    assert "<script" not in page.text


async def test_an_event_is_found_by_either_digest_of_its_file(client: httpx.AsyncClient) -> None:
    for algorithm, digest in (("sha-256", HEX), ("sm3", SM3), ("SM3", SM3.upper())):
        answer = await client.get(f"/v1/digests/{algorithm}/{digest}")
        assert [event["id"] for event in answer.json()["events"]] == ["with-file"], algorithm
    assert (await client.get(f"/v1/digests/sm3/{HEX}")).status_code == 404


async def test_a_certificate_holds_the_proof_and_is_allowed_its_own_script_alone(client: httpx.AsyncClient) -> None:
    answer = await client.get(path("e-0-1", "/certificate?lang=en"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith(content_policy())
    assert answer.headers["content-language"] == "en"
    proof = await client.get(path("e-0-1", "/proof"))
    assert base64.b64encode(proof.content).decode() in answer.text
    assert (await client.get(path("waiting", "/certificate"))).status_code == 409
    assert (await client.get(path("absent", "/certificate"))).status_code == 404
