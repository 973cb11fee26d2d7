"""Entry point: `balance-sealer sealer | notary | genesis | generation | freeze | migrate`."""

import argparse
import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from balance_chain.core.errors import BalanceError
from balance_chain.core.keys import KeyDirectory
from balance_chain.runtime.db import connect, database_problems, migrate
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.service import Service, run
from balance_chain.runtime.topics import topic_problems
from balance_verify.entry import Follows
from balance_verify.errors import VerifyError
from balance_verify.final import follows, open_final
from balance_verify.note import VerifierKey

from balance_sealer.asking import ask_notary
from balance_sealer.errors import SealerError
from balance_sealer.generation import Wanted, begin_generation, look
from balance_sealer.genesis import begin_ledger
from balance_sealer.notary import PART, Notary
from balance_sealer.repository import SCHEMA
from balance_sealer.sealer import Sealer
from balance_sealer.settings import NotarySettings, SealerSettings

PACKAGE = "balance_sealer"


def run_sealer(genesis: bool) -> int:
    settings = SealerSettings()
    if genesis:
        settings = settings.model_copy(update={"genesis": True})

    async def main(service: Service) -> None:
        service.health.add_check("topics", lambda: topic_problems(settings))
        await Sealer(settings, KeyDirectory.load(settings.keys), service.health).run(service.stop)

    return run("sealer", settings, main)


def run_notary() -> int:
    settings = NotarySettings()

    async def main(service: Service) -> None:
        keys = KeyDirectory.load(settings.keys)
        service.health.problem(PART, "not yet started: waits for the database")
        pool = await connect(settings, SCHEMA, size=4)
        try:
            await migrate(pool, PACKAGE, SCHEMA)
            service.health.add_check("topics", lambda: topic_problems(settings))
            service.health.add_check("database", lambda: database_problems(pool))
            await Notary(settings, keys, service.health).run(pool, service.stop)
        finally:
            pool.terminate()

    return run("notary", settings, main)


def run_genesis(statement: Path | None, vkey: Path | None) -> int:
    settings = NotarySettings()
    before = _predecessor(statement, vkey)

    async def main(_: Service) -> None:
        keys = KeyDirectory.load(settings.keys)
        pool = await connect(settings, SCHEMA, size=2)
        try:
            await migrate(pool, PACKAGE, SCHEMA)
            begun = await begin_ledger(settings, keys, pool, follows=before)
            sys.stdout.write(f"{settings.origin}: {'begun' if begun else 'had begun before'}\n")
        finally:
            pool.terminate()

    return run("genesis", settings, main, health_server=False)


def run_generation(wanted: Wanted, archived: Path | None) -> int:
    settings = NotarySettings()

    async def main(_: Service) -> None:
        keys = KeyDirectory.load(settings.keys)
        pool = await connect(settings, SCHEMA, size=2)
        try:
            await migrate(pool, PACKAGE, SCHEMA)
            if archived is not None:
                reached = await look(settings, keys, pool, await asyncio.to_thread(archived.read_bytes), wanted.without)
                sys.stdout.write(f"{settings.origin}: nobody asked knows more than size {reached.size}\n")
                return
            begun = await begin_generation(settings, keys, pool, wanted)
            told = f"begun at size {begun.size} root {begun.root.hex()}" if begun else "had begun before"
            sys.stdout.write(f"{settings.origin}: generation {wanted.generation} {told}\n")
        finally:
            pool.terminate()

    return run("generation", settings, main, health_server=False)


def _predecessor(statement: Path | None, vkey: Path | None) -> Follows | None:
    """The log that the statement says has ended, its signature checked by the key given."""
    if statement is None and vkey is None:
        return None
    if statement is None or vkey is None:
        raise SealerError("--follows", "needs --follows-vkey, and the other way round", "give both files")
    try:
        return follows(open_final(statement.read_bytes(), VerifierKey.parse(vkey.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, VerifyError) as error:
        raise SealerError(
            "--follows", str(error), "give what balance-sealer freeze wrote, and that log's vkey"
        ) from error


def run_freeze(wait_seconds: float) -> int:
    settings = NotarySettings()
    failed = False

    async def main(_: Service) -> None:
        nonlocal failed
        key = KeyDirectory.load(settings.keys).log_vkey
        answers = await ask_notary(settings, [("freeze", settings.origin)], wait_seconds)
        watch = KeyWatch(settings, key)
        await watch.refresh()
        if watch.final is None:
            failed = True
            told = answers[0].refused or "no notary has done it yet; it stays asked for"
            sys.stderr.write(f"not frozen: {told}\n")
        else:
            sys.stdout.write(watch.final_note)

    return run("freeze", settings, main, health_server=False) or int(failed)


def run_migrate() -> int:
    settings = NotarySettings()

    async def main(_: Service) -> None:
        pool = await connect(settings, SCHEMA, size=1)
        try:
            applied = await migrate(pool, PACKAGE, SCHEMA)
            sys.stdout.write("".join(f"{name}\n" for name in applied))
        finally:
            pool.terminate()

    return run("migrate", settings, main, health_server=False)


def main() -> int:
    parser = argparse.ArgumentParser(prog="balance-sealer", description="Seals events in blocks; signs the log.")
    commands = parser.add_subparsers(dest="command", required=True)
    sealer = commands.add_parser("sealer", help="close, sign and append blocks of the shards given to this process")
    sealer.add_argument(
        "--genesis", action="store_true", help="let an empty partition of blocks start at the first event"
    )
    commands.add_parser("notary", help="take blocks into the log and sign checkpoints")
    genesis = commands.add_parser("genesis", help="begin a ledger on empty topics; again, it changes nothing")
    genesis.add_argument(
        "--follows", type=Path, help="file with the statement that another log has ended, which this one follows"
    )
    genesis.add_argument("--follows-vkey", type=Path, help="file with that log's public key")
    generation = commands.add_parser(
        "generation", help="go on with a log whose topics were restored from the archive, by a signed entry"
    )
    generation.add_argument("number", type=int, help="1 at the first restore, one more at each later one")
    generation.add_argument(
        "--remake-guard",
        action="store_true",
        help="make the guard row from the restored topics, where its database is lost or was set back",
    )
    generation.add_argument(
        "--without", action="append", default=[], metavar="WITNESS", help="do without this witness's word"
    )
    generation.add_argument(
        "--look",
        type=Path,
        metavar="CHECKPOINT",
        help="only look whether guard row or witnesses know a longer log than this file of an archive; change nothing",
    )
    freeze = commands.add_parser(
        "freeze", help="end this log for ever, and write the signed statement of that; nothing is sealed afterwards"
    )
    freeze.add_argument("--wait", type=float, default=60.0, help="longest wait for the notary, in seconds")
    commands.add_parser("migrate", help="bring the database schema up to date")
    arguments = parser.parse_args()
    roles: dict[str, Callable[[], int]] = {
        "sealer": lambda: run_sealer(arguments.genesis),
        "notary": run_notary,
        "genesis": lambda: run_genesis(arguments.follows, arguments.follows_vkey),
        "generation": lambda: run_generation(
            Wanted(arguments.number, arguments.remake_guard, frozenset(arguments.without)), arguments.look
        ),
        "freeze": lambda: run_freeze(arguments.wait),
        "migrate": run_migrate,
    }
    try:
        return roles[arguments.command]()
    except BalanceError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
