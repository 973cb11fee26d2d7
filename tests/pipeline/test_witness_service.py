"""A witness as a service: what it cosigned outlives it, in a file as in PostgreSQL, and two histories are kept."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest
from balance_chain.core.errors import BalanceError
from balance_chain.runtime.health import Health
from balance_verifier.witness.app import build_app
from balance_verifier.witness.process import initialise, open_witness, read_key, read_mldsa_key
from balance_verifier.witness.service import Witness
from balance_verifier.witness.settings import ConfigurationError, WitnessSettings
from balance_verifier.witness.store import SqliteConnection, StateUnusable
from balance_verify import mldsa
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey, cosignature_time
from balance_verify.equivocation import Evidence, check
from balance_verify.note import SigningKey, open_note
from balance_verify.witness import Latest, read_answer, read_size
from support.histories import Histories
from support.ports import free_ports
from support.processes import Processes

LOG = SigningKey.generate("court.example/log", bytes(32))
KEY = CosigningKey.generate("witness.example/w1", bytes(range(32)))
LOGS = Histories(LOG)
NAMED = hashlib.sha256(LOG.name.encode()).hexdigest()


@pytest.fixture(params=["file", "postgresql"])
def configured(request: pytest.FixtureRequest, tmp_path: Path) -> WitnessSettings:
    """The settings of a witness whose state is in a file, and of one whose state is in PostgreSQL."""
    initialise(tmp_path, KEY.vkey.name, (str(LOG.vkey),))
    (tmp_path / "witness.skey").write_text(KEY.encode() + "\n", encoding="utf-8")
    settings = WitnessSettings.load(tmp_path / "witness.toml")
    if request.param == "postgresql":
        database = request.getfixturevalue("database")
        return settings.model_copy(update={"state": database})
    return settings


Opening = Callable[[], AbstractAsyncContextManager[Witness]]


@pytest.fixture
def opening(configured: WitnessSettings) -> Opening:
    """Starts the witness; again, it is restarted."""
    return lambda: open_witness(configured, KEY, Health())


@pytest.fixture
async def witness(opening: Opening) -> AsyncIterator[Witness]:
    async with opening() as opened:
        yield opened


async def accepted(witness: Witness, history: int, old: int, size: int) -> None:
    answer = await witness.add_checkpoint(LOGS.request(history, old, size))
    assert answer.status == 200, answer
    (signature,) = read_answer(answer.body)
    text = LOGS.note(history, size).text.encode()
    assert KEY.vkey.verify(text, signature.signature)
    assert cosignature_time(signature.signature) > 1_700_000_000


async def test_it_cosigns_what_follows_and_tells_its_size_to_who_does_not_know(witness: Witness) -> None:
    await accepted(witness, 0, 0, 3)
    await accepted(witness, 0, 3, 9)
    await accepted(witness, 0, 9, 9)
    answer = await witness.add_checkpoint(LOGS.request(0, 0, 12))
    assert (answer.status, read_size(answer.body)) == (409, 9)
    assert (await witness.add_checkpoint(b"old")).status == 400
    assert (await witness.add_checkpoint(LOGS.request(0, 9, 12).replace(b"court", b"other"))).status == 404
    assert await witness.store.evidence() == []


async def test_what_it_cosigned_outlives_it(opening: Opening) -> None:
    async with opening() as witness:
        await accepted(witness, 0, 0, 9)
        shown = await witness.published(NAMED)
    async with opening() as witness:
        assert await witness.published(NAMED) == shown
        assert (await witness.add_checkpoint(LOGS.request(1, 9, 12))).status == 422
        await accepted(witness, 0, 9, 12)


async def test_the_latest_is_shown_with_both_signatures(witness: Witness) -> None:
    assert await witness.published(NAMED) is None
    assert await witness.published("0" * 64) is None
    await accepted(witness, 0, 0, 7)
    await accepted(witness, 0, 7, 8)
    note = open_note(await witness.published(NAMED) or b"", [LOG.vkey, KEY.vkey])
    assert len(note.signatures) == 2
    assert note.text == LOGS.note(0, 8).text


async def test_of_many_requests_at_once_one_goes_through_and_none_goes_back(witness: Witness) -> None:
    await accepted(witness, 0, 0, 5)
    requests = [LOGS.request(0, 5, size) for size in range(6, 26)]
    answers = await asyncio.gather(*map(witness.add_checkpoint, requests))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 19
    winner = 6 + [answer.status for answer in answers].index(200)
    assert (await witness.store.kept(LOG.name)).latest.size == winner


async def shown(witness: Witness, folder: Path) -> list[int]:
    """The sizes at which kept evidence proves two histories to whoever has the log's key."""
    sizes = []
    for id, origin, _ in await witness.store.evidence():
        data = await witness.store.evidence_data(id)
        assert data is not None
        assert (folder / f"{id}.equivocation.json").read_bytes() == data
        evidence = Evidence.parse(data)
        assert check(evidence, LOG.vkey).proven
        assert origin == LOG.name
        sizes.append(Checkpoint.parse(evidence.first.text).size)
    return sizes


async def test_another_root_at_a_size_seen_before_is_evidence_even_of_a_size_it_passed(
    witness: Witness, configured: WitnessSettings
) -> None:
    await accepted(witness, 0, 0, 7)
    await accepted(witness, 0, 7, 9)
    assert (await witness.add_checkpoint(LOGS.request(1, 9, 9))).status == 422
    assert (await witness.add_checkpoint(LOGS.request(1, 5, 7))).status == 409
    assert sorted(await shown(witness, configured.evidence)) == [7, 9]
    await accepted(witness, 0, 9, 10)


async def test_the_proof_of_a_forked_log_is_evidence_against_it(witness: Witness, configured: WitnessSettings) -> None:
    await accepted(witness, 0, 0, 7)
    assert (await witness.add_checkpoint(LOGS.request(1, 7, 12))).status == 422
    assert await shown(witness, configured.evidence) == [7]
    assert (await witness.add_checkpoint(LOGS.request(1, 7, 12))).status == 422
    assert len(await witness.store.evidence()) == 1, "the same evidence is kept once"


async def test_a_wrong_proof_of_a_true_checkpoint_is_no_evidence(witness: Witness, configured: WitnessSettings) -> None:
    await accepted(witness, 0, 0, 7)
    wrong = LOGS.request(0, 6, 12).replace(b"old 6", b"old 7")
    assert (await witness.add_checkpoint(wrong)).status == 422
    assert await shown(witness, configured.evidence) == []
    await accepted(witness, 0, 7, 12)


async def test_evidence_files_that_were_removed_come_back_at_the_next_start(
    opening: Opening, configured: WitnessSettings
) -> None:
    async with opening() as witness:
        await accepted(witness, 0, 0, 9)
        await witness.add_checkpoint(LOGS.request(1, 9, 9))
    for file in configured.evidence.iterdir():
        file.unlink()
    async with opening() as witness:
        assert await shown(witness, configured.evidence) == [9]


async def test_a_swap_from_another_state_changes_nothing(witness: Witness) -> None:
    await accepted(witness, 0, 0, 7)
    new = LOGS.checkpoint(0, 9)
    for old in (Latest(6, LOGS.checkpoint(0, 6).root), Latest(7, LOGS.checkpoint(1, 7).root), Latest()):
        assert not await witness.store.advance(old, new, "note")
    assert (await witness.store.kept(LOG.name)).latest.size == 7


async def test_over_http_it_is_the_specifications(opening: Opening) -> None:
    app = build_app(opening, Health())
    transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://w") as client:
        assert (await client.get(f"/{NAMED}/checkpoint")).status_code == 404
        answer = await client.post("/add-checkpoint", content=LOGS.request(0, 0, 9))
        assert (answer.status_code, answer.text[:2]) == (200, "— ")
        answer = await client.post("/add-checkpoint", content=LOGS.request(0, 3, 12))
        assert (answer.status_code, answer.headers["content-type"], answer.text) == (409, "text/x.tlog.size", "9\n")
        answer = await client.post("/add-checkpoint", content=LOGS.request(1, 9, 9))
        assert answer.status_code == 422
        assert (await client.post("/add-checkpoint", content=b"x" * 2_000_000)).status_code == 400
        assert (await client.get("/add-checkpoint")).status_code == 405
        open_note((await client.get(f"/{NAMED}/checkpoint")).content, [LOG.vkey, KEY.vkey])
        (kept,) = (await client.get("/evidence")).json()["evidence"]
        file = await client.get(kept["file"])
        assert check(Evidence.parse(file.content), LOG.vkey).proven
        assert (await client.get("/evidence/none")).status_code == 404


@pytest.mark.skipif(not mldsa.AVAILABLE, reason="needs ML-DSA in the package cryptography")
async def test_with_a_second_key_it_cosigns_with_both(tmp_path: Path) -> None:
    initialise(tmp_path, "w.example", (str(LOG.vkey),), ml_dsa=True)
    settings = WitnessSettings.load(tmp_path / "witness.toml")
    assert settings.mldsa_key is not None
    more = read_mldsa_key(settings.mldsa_key)
    key = read_key(settings.key)
    async with open_witness(settings, key, Health(), (more,)) as witness:
        answer = await witness.add_checkpoint(LOGS.request(0, 0, 9))
        assert [s.key_hash for s in read_answer(answer.body)] == [key.vkey.key_hash, more.vkey.key_hash]
        assert len(open_note(await witness.published(NAMED) or b"", [LOG.vkey, key.vkey, more.vkey]).signatures) == 3


def test_two_witnesses_never_share_a_file(tmp_path: Path) -> None:
    first = SqliteConnection(tmp_path / "state")
    with pytest.raises(StateUnusable, match="locked"):
        SqliteConnection(tmp_path / "state")
    assert first is not None


async def test_one_command_makes_key_and_configuration_and_one_runs_it(tmp_path: Path, processes: Processes) -> None:
    folder = tmp_path / "witness"
    arguments = ("witness-init", str(folder), "--name", "court.example/witness", "--log", str(LOG.vkey))
    made = await processes.run("balance-verifier", *arguments, settings=None)
    assert made.log.startswith((folder / "witness.vkey").read_text(encoding="utf-8"))
    assert (folder / "witness.skey").stat().st_mode & 0o077 == 0
    again = await processes.run("balance-verifier", *arguments, settings=None)
    assert again.log == made.log, "a key is never made twice"
    (port,) = free_ports(1)
    configuration = folder / "witness.toml"
    configuration.write_text(configuration.read_text().replace("8089", str(port)), encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    running = processes.start(
        "balance-verifier", "witness", "--config", str(configuration), settings=None, ready_url=f"{url}/readyz"
    )
    await running.ready()
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        assert (await client.post("/add-checkpoint", content=LOGS.request(0, 0, 9))).status_code == 200
    running.terminate()
    assert await running.ended() == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("logs = [", "is not TOML"),
        ('key = "k"\n', "logs"),
        ('key = "k"\nlogs = []\n', "logs"),
        ('key = "k"\nlogs = ["x"]\n', "no vkey"),
        (f'key = "k"\nlogs = ["{LOG.vkey}"]\nprot = 1\n', "prot"),
        (f'key = "k"\nlogs = ["{LOG.vkey}"]\nport = "x"\n', "port"),
    ],
)
def test_a_wrong_configuration_names_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "witness.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        WitnessSettings.load(tmp_path / "witness.toml")


def test_a_mirror_of_two_logs_is_refused(tmp_path: Path) -> None:
    other = SigningKey.generate("other.example/log", bytes(32)).vkey
    text = f'key = "k"\nmirror = true\nlogs = ["{LOG.vkey}", "{other}"]\n'
    (tmp_path / "witness.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="one log"):
        WitnessSettings.load(tmp_path / "witness.toml")


def test_a_key_file_that_holds_none_is_refused(tmp_path: Path) -> None:
    initialise(tmp_path, "w.example", (str(LOG.vkey),))
    (tmp_path / "witness.skey").write_text(LOG.encode(), encoding="utf-8")
    with pytest.raises(BalanceError, match="0x04"):
        initialise(tmp_path, "w.example", (str(LOG.vkey),))
