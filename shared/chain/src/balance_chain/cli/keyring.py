"""`balance-chain keys`: make, show, rotate, revoke and check the keys of a deployment (docs/keys.md)."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

import typer
from balance_verify.errors import VerifyError
from balance_verify.keyset import HeldKey, KeySet
from balance_verify.note import VerifierKey

from balance_chain.core.errors import BalanceError
from balance_chain.core.keys import NEXT, SECRETS, SIGNERS, KeyDirectory, Role
from balance_chain.core.times import format_ms
from balance_chain.runtime.keywatch import KeyWatch
from balance_chain.runtime.settings import CommonSettings

from .exits import CommandFailed, Exit, write_bytes
from .output import results, show_json

ASK: Final = "balance_chain.keys"
"""Entry-point group of the one function that asks the notary: sealer's."""
PRIVATE: Final = 0o077

keys = typer.Typer(help="Keys of a deployment.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Longest wait for the notary, in seconds.")]
EventFile = Annotated[Path | None, typer.Option("--event", help="Write a key.changed event here, to publish.")]
Source = Annotated[str, typer.Option("--source", help="With --event: URI of the source that will publish it.")]
Officer = Annotated[str, typer.Option("--officer", help="With --event: staff id of the officer who acts.")]
Sequence_ = Annotated[str, typer.Option("--sequence", help="With --event: the source's next number.")]


class Rotated(StrEnum):
    """Roles whose key can change inside a log."""

    LOG = "log"
    SEALER = "sealer"
    GATEWAY = "gateway"


ROLES: Final[dict[Rotated, Role]] = {Rotated.LOG: "log", Rotated.SEALER: "sealer", Rotated.GATEWAY: "gateway"}


@keys.command("generate")
def generate(
    directory: Annotated[Path, typer.Argument(help="Where the key files go; files that exist are kept.")],
    origin: Annotated[str, typer.Option("--origin", help="Name of the log, as in its checkpoints.")],
) -> Exit:
    """Make the keys of a deployment."""
    try:
        made = KeyDirectory.generate(directory, origin)
        results.print(str(made.log_vkey), markup=False, soft_wrap=True)
    except OSError as error:
        raise CommandFailed(Exit.UNAVAILABLE, f"cannot write {error.filename}: {error.strerror}") from None
    return Exit.DONE


@keys.command("list")
def show(as_json: Json = False) -> Exit:
    """Every key that the log has had, and the log sizes between which it holds (settings: BALANCE_*)."""
    held = _published()
    if as_json:
        show_json({"origin": held.origin, "size": held.size, "keys": [_row(held, key) for key in held.keys]})
        return Exit.DONE
    for row in (_row(held, key) for key in held.keys):
        until = "" if row["until_size"] is None else f" until {row['until_size']}"
        results.print(f"{row['role']:<8} from {row['from_size']}{until}  {row['vkey']}", markup=False, soft_wrap=True)
    return Exit.DONE


@keys.command("rotate")
def rotate(
    role: Annotated[Rotated, typer.Argument(help="Whose key.")],
    promote: Annotated[
        bool, typer.Option("--promote", help="Second step: sign with the next key from now on.")
    ] = False,
    end: Annotated[bool, typer.Option("--end", help="Third step: end the keys of the role that sign no more.")] = False,
    wait: Wait = 60.0,
    event: EventFile = None,
    source: Source = "",
    officer: Officer = "",
    sequence: Sequence_ = "1",
    as_json: Json = False,
) -> Exit:
    """Replace a key, with an overlap in which old and new hold: add the next, --promote it, --end the old."""
    directory, name = KeyDirectory.load(CommonSettings().keys), ROLES[role]
    if promote and end:
        raise CommandFailed(Exit.USAGE, "give --promote or --end, one step a call")
    if promote:
        due = directory.vkey(f"{name}{NEXT}")
        if not _holds(_published(), due):
            raise CommandFailed(Exit.REFUSED, f"{due.id} does not hold yet: see `balance-chain keys list`")
        before, after = directory.promote(name)
        return _told(as_json, {"step": "promote", "signs": str(after), "before": str(before)})
    if end:
        signs, held = directory.vkey(name), _published()
        old = [key.vkey for key in held.keys if held.role(key.vkey) == name and key.until_size is None]
        old = [key for key in old if key != signs]
        if not old or not _holds(held, signs):
            raise CommandFailed(Exit.REFUSED, f"no other {name} key holds, or the one that signs does not hold yet")
        size = _ask([("end", key.id) for key in old], wait)
        if name == "log":
            directory.forget_old()
        _event(event, (source, officer, sequence), name, "retired", old[0], signs, size)
        return _told(as_json, {"step": "end", "ended": [str(key) for key in old], "size": size})
    new = directory.prepare(name).vkey
    size = _ask([("add", str(new))], wait)
    _event(event, (source, officer, sequence), name, "added", directory.vkey(name), new, size)
    return _told(as_json, {"step": "add", "added": str(new), "size": size})


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's name+hash, as `keys list` shows it.")],
    wait: Wait = 60.0,
    event: EventFile = None,
    source: Source = "",
    officer: Officer = "",
    sequence: Sequence_ = "1",
    as_json: Json = False,
) -> Exit:
    """End a stolen key at the log's present size; where it is the one that signs, a new one takes its place."""
    directory, held = KeyDirectory.load(CommonSettings().keys), _published()
    found = held.find("+".join(key_id.split("+")[:2]))
    if found is None or found.until_size is not None:
        raise CommandFailed(Exit.REFUSED, f"{key_id} holds for nothing now: see `balance-chain keys list`")
    name = ROLES[Rotated(held.role(found.vkey))]
    changes, new = [("end", found.vkey.id)], None
    if directory.vkey(name) == found.vkey:
        new = directory.prepare(name).vkey
        changes = [*changes, *([] if _holds(held, new) else [("add", str(new))])]
    size = _ask(changes, wait)
    if new is not None:
        directory.promote(name)
    if name == "log":
        directory.forget_old()
    _event(event, (source, officer, sequence), name, "revoked", found.vkey, new, size)
    return _told(as_json, {"step": "revoke", "revoked": str(found.vkey), "signs": new and str(new), "size": size})


@keys.command("verify")
def verify(
    directory: Annotated[Path, typer.Argument(help="The key directory, or a mounted secret.")],
    log: Annotated[
        bool, typer.Option("--log", help="Also hold it against the log's key set (settings: BALANCE_*).")
    ] = False,
    as_json: Json = False,
) -> Exit:
    """Check a key directory: every file there, private, and each private key the one of its public key."""
    found = KeyDirectory.load(directory)
    problems = [problem for role in SIGNERS for problem in _pair_problems(found, role)]
    for name in SECRETS:
        try:
            found.secret(name)
        except BalanceError as error:
            problems.append(str(error))
    for path in sorted(directory.iterdir()):
        if not path.name.endswith(".vkey") and path.is_file() and path.stat().st_mode & PRIVATE:
            problems.append(f"{path.name}: others may read it; set its mode to 0600")
    if log and not problems:
        held = _published()
        keys_now = [found.vkey(role) for role in SIGNERS]
        problems += [f"{key.id}: does not hold in the log" for key in keys_now if not _holds(held, key)]
    if as_json:
        show_json({"problems": problems})
    else:
        results.print("\n".join(problems) or "every key is there and fits", markup=False, soft_wrap=True)
    return Exit.REFUSED if problems else Exit.DONE


def _pair_problems(directory: KeyDirectory, role: Role) -> list[str]:
    try:
        signs, said = directory.signing_key(role).vkey, directory.vkey(role)
        due = directory.origin + SIGNERS[role]
    except (BalanceError, VerifyError) as error:
        return [f"{role}: {error}"]
    if signs != said:
        return [f"{role}.vkey: is {said.id}, the private key beside it is {signs.id}'s"]
    return [] if signs.name == due else [f"{role}.skey: is named {signs.name}, expected {due}"]


def _published() -> KeySet:
    settings = CommonSettings()
    watch = KeyWatch(settings, KeyDirectory.load(settings.keys).log_vkey)
    return asyncio.run(watch.refresh()).last


def _holds(held: KeySet, key: VerifierKey) -> bool:
    found = held.find(key.id)
    return found is not None and found.until_size is None


def _row(held: KeySet, key: HeldKey) -> dict[str, object]:
    return {
        "role": held.role(key.vkey),
        "vkey": str(key.vkey),
        "from_size": key.from_size,
        "until_size": key.until_size,
    }


def _ask(changes: Sequence[tuple[str, str]], wait: float) -> int:
    """The log size from which it holds, or a failure that says what the notary did."""
    points = list(entry_points(group=ASK))
    if not points:
        raise CommandFailed(Exit.UNAVAILABLE, "the sealer's package is not installed here: it asks the notary")
    ask: Callable[[Sequence[tuple[str, str]], float], list[tuple[int | None, str | None]]] = points[0].load()
    answers = ask(changes, wait)
    if refused := [reason for _, reason in answers if reason]:
        raise CommandFailed(Exit.REFUSED, f"the notary refused: {'; '.join(refused)}")
    sizes = [size for size, _ in answers if size is not None]
    if len(sizes) < len(answers):
        raise CommandFailed(
            Exit.UNAVAILABLE, "no notary has done it yet; it stays asked for: see `balance-chain keys list`"
        )
    return sizes[-1]


def _event(
    path: Path | None,
    who: tuple[str, str, str],
    kind: str,
    action: str,
    old: VerifierKey,
    new: VerifierKey | None,
    size: int,
) -> None:
    if path is None:
        return
    source, officer, sequence = who
    if not source or not officer:
        raise CommandFailed(Exit.USAGE, "--event needs --source and --officer")
    now = format_ms(int(datetime.now(UTC).timestamp() * 1000))
    data = {
        "actors": [{"role": "officer", "id": officer}],
        "key_kind": kind,
        "action": action,
        "old": str(old),
        **({"new": str(new)} if new else {}),
        "size": size,
    }
    event = {
        "specversion": "1.0",
        "id": f"key-{action}-{(new or old).key_hash.hex()}-{size}",
        "source": source,
        "type": "key.changed",
        "subject": source,
        "time": now,
        "sequence": sequence,
        "data": data,
    }
    write_bytes(path, json.dumps(event, ensure_ascii=False).encode() + b"\n")


def _told(as_json: bool, told: dict[str, object]) -> Exit:
    if as_json:
        show_json(told)
    else:
        for name, value in told.items():
            results.print(f"{name:<8} {value}", markup=False, soft_wrap=True)
    return Exit.DONE
