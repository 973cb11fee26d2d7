"""Witnessing with those whom nobody here wrote: their witness cosigns our log, and ours cosigns their log.

The witness is transparency-dev/witness, the log transparency-dev/tessera, and tessera also reads our policy file and
says whether it is satisfied by what was published.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.topics import CHECKPOINTS
from balance_chain.runtime.settings import CommonSettings
from balance_verifier.witness.process import CONFIGURATION, KEY, initialise, read_key
from balance_verify.checkpoint import Checkpoint
from balance_verify.mldsa import MlDsaCosigningKey
from balance_verify.note import SignedNote, SigningKey, open_note
from balance_verify.policy import Policy
from balance_verify.topicvalues import CheckpointRecord
from support.chains import Chains
from support.gotools import GoProgram
from support.ledger import read_values
from support.needs import needs_go
from support.ports import free_ports
from support.processes import Processes, Running
from support.village import Village, village
from support.waiting import wait_until

FAST = {"checkpoint_interval_ms": 20, "lease_seconds": 5, "witness_retry_seconds": 1}
SECONDS = 60.0
FOREIGN_LOG = SigningKey.generate("elsewhere.example/log", bytes(range(32)))
MLDSA = MlDsaCosigningKey("theirs.example", bytes(range(1, 33)))

pytestmark = needs_go


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> GoProgram:
    """Their witness, their log, their reader of policies."""
    return GoProgram.build("witnessing", tmp_path_factory)


@pytest.fixture
def chains(topics: CommonSettings, keys: KeyDirectory) -> Chains:
    return Chains(topics, keys)


@pytest.fixture
async def around(keys: KeyDirectory, processes: Processes, tmp_path: Path) -> AsyncIterator[Village]:
    (tmp_path / "village").mkdir()
    async with village(tmp_path / "village", keys.log, processes) as made:
        yield made


Serve = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def theirs(program: GoProgram, around: Village, keys: KeyDirectory, tmp_path: Path) -> Iterator[Serve]:
    """Starts their witness; called again, it is started again on the same state."""
    around.absent("theirs")
    running: list[subprocess.Popen[bytes]] = []

    def serve() -> subprocess.Popen[bytes]:
        for each in running:
            each.kill()
            each.wait(10)
        address = around.urls["theirs"].removeprefix("http://")
        state = tmp_path / "theirs.sqlite"
        skeys = around.keys["theirs"].encode(), MLDSA.encode()
        running.append(subprocess.Popen([program.path, "witness", state, str(keys.log.vkey), address, *skeys]))
        return running[-1]

    yield serve
    for each in running:
        each.kill()
        each.wait(10)


@dataclass(frozen=True)
class Published:
    """The log's last note, and the policy that it is to satisfy."""

    chains: Chains
    policy: Path

    async def note(self) -> bytes:
        values = await read_values(self.chains.settings, CHECKPOINTS, 0)
        return CheckpointRecord.parse(values[-1]).note.encode()

    async def final(self) -> bytes:
        """The note of the whole log, once the policy is satisfied."""
        policy = Policy.parse(self.policy.read_bytes())

        async def satisfied() -> bool:
            note = await self.note()
            whole = Checkpoint.parse(open_note(note, [log.key for log in policy.logs]).text).size == self.chains.size
            return whole and policy.judge(SignedNote.parse(note)).reached

        await wait_until(satisfied, SECONDS, f"the policy is satisfied at size {self.chains.size}")
        return await self.note()


def notary(processes: Processes, settings: CommonSettings, policy: Path) -> Running:
    (port,) = free_ports(1)
    env = {**FAST, "witness_policy": policy, "health_port": port}
    return processes.start("balance-sealer", "notary", settings=settings, env=env)


async def test_a_witness_that_nobody_here_wrote_cosigns_our_log(
    topics: CommonSettings,
    processes: Processes,
    chains: Chains,
    around: Village,
    theirs: Serve,
    program: GoProgram,
) -> None:
    await processes.run("balance-sealer", "genesis", settings=topics)
    await around.process("ours")
    theirs()
    policy = around.policy(
        f"witness lasting {MLDSA.vkey} {around.urls['theirs']}\ngroup g all ours theirs lasting\nquorum g"
    )
    published = Published(chains, policy)
    await chains.grow(0, 3)
    notary(processes, topics, policy)
    note = await published.final()
    assert program.run("policy", policy, given=note).returncode == 0
    # It dies and starts again: it still knows how large the log was.
    theirs()
    await chains.grow(1, 3)
    await chains.grow(0, 1)
    note = await published.final()
    assert program.run("policy", policy, given=note).returncode == 0
    # What tessera says no to is what ours says no to.
    lines = note.decode().splitlines(keepends=True)
    without = "".join(line for line in lines if not line.startswith("— theirs.example "))
    assert program.run("policy", policy, given=without.encode()).returncode == 1
    changed = note.replace(f"\n{chains.size}\n".encode(), f"\n{chains.size - 1}\n".encode())
    assert program.run("policy", policy, given=changed).returncode == 1


async def test_our_witness_cosigns_a_log_that_nobody_here_wrote(
    processes: Processes, program: GoProgram, tmp_path: Path
) -> None:
    initialise(tmp_path / "ours", "ours.example", (str(FOREIGN_LOG.vkey),))
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    configuration = tmp_path / "ours" / CONFIGURATION
    configuration.write_text(configuration.read_text().replace("8089", str(port)), encoding="utf-8")
    arguments = ("balance-verifier", "witness", "--config", str(configuration))
    witness = processes.start(*arguments, settings=None, ready_url=f"{url}/readyz")
    await witness.ready()
    key = read_key(tmp_path / "ours" / KEY).vkey
    policy = tmp_path / "policy.txt"
    policy.write_text(f"log {FOREIGN_LOG.vkey}\nwitness ours {key} {url}\nquorum ours\n", encoding="utf-8")
    sizes = []
    for count in (3, 300, 2):
        # Each time the log starts anew and knows of our witness no more than its address.
        grown = program.run("log", tmp_path / "log", FOREIGN_LOG.encode(), policy, count)
        assert grown.returncode == 0, grown.stderr.decode()
        assert program.run("policy", policy, given=grown.stdout).returncode == 0
        assert Policy.parse(policy.read_bytes()).judge(SignedNote.parse(grown.stdout)).reached
        sizes.append(Checkpoint.parse(open_note(grown.stdout, [FOREIGN_LOG.vkey]).text).size)
        witness.kill()
        await witness.ended()
        witness = processes.start(*arguments, settings=None, ready_url=f"{url}/readyz")
        await witness.ready()
    assert sizes == [3, 303, 305]
