"""The local deployment: real servers that start, answer, come back when they die, and never stay behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from balance_local import jars
from balance_local.children import Folder, Process, end_leftovers
from balance_local.supervisor import AlreadyRunning, StartFailed, Supervisor
from support.ports import free_ports
from support.servers import JARS
from support.waiting import wait_until

SECONDS = 30.0
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
PLAIN = "import time; print('up', flush=True); time.sleep(600)"


def python(name: str, code: str, **more: object) -> Process:
    return Process(name=name, argv=(sys.executable, "-c", code), **more)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def test_kafka_keeps_what_it_is_given_and_creates_no_topic_by_itself(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        assert "nobody.made.this" not in await admin.list_topics()
        await admin.create_topics([NewTopic("local.servers", 1, 1)])
        sent = await producer.send_and_wait("local.servers", b"value", partition=0)
        consumer = AIOKafkaConsumer("local.servers", bootstrap_servers=kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            record = await asyncio.wait_for(consumer.getone(), SECONDS)
        finally:
            await consumer.stop()
        assert (record.offset, record.value) == (sent.offset, b"value")
        await admin.delete_topics(["local.servers"])
    finally:
        await producer.stop()
        await admin.close()


async def test_postgres_is_version_18_and_commits_durably(database: str) -> None:
    connection = await asyncpg.connect(database, timeout=SECONDS)
    try:
        assert (await connection.fetchval("show server_version")).startswith("18")
        assert await connection.fetchval("show synchronous_commit") == "on"
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_a_process_that_dies_is_started_again_with_a_note(tmp_path: Path) -> None:
    notes: list[str] = []
    async with Supervisor(Folder(tmp_path), notes.append) as supervisor:
        await supervisor.start([python("worker", PLAIN)])
        first = supervisor.pids()["worker"]
        os.kill(first, signal.SIGKILL)
        await wait_until(lambda: supervisor.restarts("worker") == 1 and not supervisor.not_ready(), SECONDS)
        second = supervisor.pids()["worker"]
        assert alive(second)
        assert second != first
        assert any("worker ended (signal SIGKILL)" in note for note in notes)
    assert not alive(second)


async def test_a_process_that_never_gets_ready_fails_the_start_and_shows_its_log(tmp_path: Path) -> None:
    async with Supervisor(Folder(tmp_path)) as supervisor:
        with pytest.raises(StartFailed, match="the reason it cannot run"):
            await supervisor.start([python("broken", "raise SystemExit('the reason it cannot run')", ready=never)])


async def test_being_asked_to_stop_while_starting_stops_what_was_started(tmp_path: Path) -> None:
    notes: list[str] = []
    async with Supervisor(Folder(tmp_path), notes.append) as supervisor:
        asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
        await supervisor.start([python("slow", PLAIN, ready=never)])
        notes.append("started")
    assert supervisor.stop_asked
    assert notes == []
    assert list(Folder(tmp_path).run.glob("*.json")) == []


async def never() -> bool:
    return False


async def test_stopping_ends_also_a_process_that_ignores_being_asked(tmp_path: Path) -> None:
    async with Supervisor(Folder(tmp_path)) as supervisor:
        await supervisor.start([python("stubborn", STUBBORN, stop_seconds=0.3)])
        await wait_until(lambda: "up" in Folder(tmp_path).log("stubborn").read_text(), SECONDS)
        pid = supervisor.pids()["stubborn"]
    assert not alive(pid)
    assert list(Folder(tmp_path).run.glob("*.json")) == []


async def test_a_second_supervisor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with Supervisor(Folder(tmp_path)):
        with pytest.raises(AlreadyRunning, match=f"in use by process {os.getpid()}"):
            async with Supervisor(Folder(tmp_path)):
                pass


async def test_what_an_earlier_run_left_is_ended_at_the_next_start(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    # A parent that lets go of its child and dies, with the death signal switched off: what the kernel would not end.
    parent = (
        "import sys,os,subprocess;from pathlib import Path;"
        "from balance_local import children as c;"
        "c._LIBC=None;f=c.Folder(Path(sys.argv[1]));"
        "print(c.Child(c.Process('orphan',(sys.executable,'-c','import time;time.sleep(600)')),f).pid,flush=True);"
        "os._exit(0)"
    )
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(made.communicate(), SECONDS)
    orphan = int(output)
    assert alive(orphan)
    assert await asyncio.to_thread(end_leftovers, folder) == ["orphan"]
    assert not alive(orphan)


async def test_a_file_that_names_another_process_ends_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.create()
    (folder.run / "other.json").write_text(f'{{"pid": {os.getpid()}, "created": 1.0}}')
    assert end_leftovers(folder) == []


async def test_killing_the_supervisor_leaves_nothing_and_the_next_start_finds_the_data(short_folder: Path) -> None:
    ports = [str(port) for port in free_ports(2)]
    jars.fetch(JARS)
    (short_folder / "jars").symlink_to(JARS)

    async def start() -> tuple[asyncio.subprocess.Process, dict[str, int]]:
        argv = (sys.executable, "-m", "balance_local", "servers", "--data", str(short_folder), "--kafka-port", ports[0])
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        pids: dict[str, int] = {}
        while len(pids) < 2:
            line = (await asyncio.wait_for(process.stdout.readline(), 120)).decode().split()
            assert line, "the supervisor ended"
            if line[0] == "running":
                pids[line[1]] = int(line[2])
        return process, pids

    supervisor, pids = await start()
    family = [child.pid for pid in pids.values() for child in psutil.Process(pid).children(recursive=True)]
    supervisor.send_signal(signal.SIGKILL)
    await supervisor.wait()
    await wait_until(lambda: not any(map(alive, [*pids.values(), *family])), SECONDS, "servers ended by themselves")

    supervisor, pids = await start()
    assert (short_folder / "kafka" / "logs" / "meta.properties").exists()
    supervisor.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(supervisor.wait(), SECONDS) == 0
    assert not any(map(alive, pids.values()))
