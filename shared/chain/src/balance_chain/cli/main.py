"""The command line `balance-chain`: its own commands, and those that other distributions bring as plugins.

A plugin is an entry point of the group `balance_chain.commands`: its name is the command, its object a function for
typer or a `typer.Typer`.
"""

import asyncio
import logging
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final

import typer

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.kafka import KafkaUnavailable
from balance_chain.runtime.settings import CommonSettings
from balance_chain.runtime.topics import create_topics

from . import calendars, certifying, digesting, keyring, proving, rebuilding, recap, simulating, stamping, verifying
from .eventfile import read_events
from .exits import CommandFailed, Exit
from .output import people, progress, results, show_json
from .publishing import PublishReport, PublishUnavailable, publish_http

PLUGINS: Final = "balance_chain.commands"
GATEWAY: Final = "http://127.0.0.1:8081"
OWN: Final = frozenset(
    {
        "certificate",
        "digest",
        "equivocation",
        "import",
        "keys",
        "prove",
        "publish",
        "rebuild",
        "simulate",
        "timestamp",
        "topics",
        "verify",
    }
)
"""Commands that need no plugin looked up."""
VERIFIER: Final = "http://127.0.0.1:8082"
RECAP_SOURCE: Final = "urn:balance-demo:recap"

app = typer.Typer(
    name="balance-chain",
    help="Balance Chain (天平链): the open judicial ledger. Exit 0 done or verified, 1 refused or not verified, "
    "2 wrong use, 3 unavailable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
imports = typer.Typer(help="Bring records of other systems in.", no_args_is_help=True)
topics = typer.Typer(help="Kafka topics of a deployment.", no_args_is_help=True)
app.add_typer(imports, name="import")
app.add_typer(keyring.keys, name="keys")
app.add_typer(topics, name="topics")
app.add_typer(verifying.equivocation, name="equivocation")
app.command("verify")(verifying.verify)
app.command("certificate")(certifying.certificate)
app.command("digest")(digesting.digest)
app.command("timestamp")(stamping.timestamp)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
GatewayUrl = Annotated[str, typer.Option("--url", envvar="BALANCE_GATEWAY_URL", help="Address of the gateway.")]
VerifierUrl = Annotated[str, typer.Option("--url", envvar="BALANCE_VERIFIER_URL", help="Address of the verifier.")]
Token = Annotated[str, typer.Option("--token", envvar="BALANCE_TOKEN", help="The source's bearer token.")]


@imports.command("recap")
def import_recap(
    paths: Annotated[list[Path], typer.Argument(help="Docket files, or folders of them.")],
    token: Token = "",
    url: GatewayUrl = GATEWAY,
    source: Annotated[str, typer.Option("--source", help="URI under which the events are sent.")] = RECAP_SOURCE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Map and count, publish nothing.")] = False,
    as_json: Json = False,
) -> Exit:
    """Map docket reports of United States federal courts to events and publish them."""
    if not dry_run and not token:
        raise CommandFailed(Exit.USAGE, "give the source's --token (or BALANCE_TOKEN), or --dry-run")
    return recap.import_recap(paths, source=source, url=url, token=token, dry_run=dry_run, as_json=as_json)


@imports.command("calendar")
def import_calendar(
    file: Annotated[Path, typer.Argument(help="YAML: court, year, holidays (weekends apart), worked, basis.")],
    source: Annotated[str, typer.Option("--source", help="URI of the source that declares it.")],
    shards: Annotated[int, typer.Option("--shards", min=1, help="How many shards the log has.")],
    sequence: Annotated[int, typer.Option("--sequence", min=1, help="The source's next number.")],
    out: Annotated[Path, typer.Option("--out", help="Write the events here, one a line, for publish.")],
) -> Exit:
    """A court's own calendar of working days, as events for every shard."""
    return calendars.import_calendar(file, source, shards, sequence, out)


@app.command()
def publish(
    file: Annotated[str, typer.Argument(help="CloudEvents: one, a JSON array, or one a line; - for stdin.")],
    token: Token = "",
    url: GatewayUrl = GATEWAY,
    as_json: Json = False,
) -> Exit:
    """Publish events of one source over HTTP."""
    if not token:
        raise CommandFailed(Exit.USAGE, "give the source's --token (or BALANCE_TOKEN)")
    events = read_events(file)
    with progress("publishing", len(events), quiet=as_json) as advance:
        report = asyncio.run(publish_http(events, url, token, advance=advance))
    _show_published(report, as_json)
    return Exit.REFUSED if report.rejected else Exit.DONE


@app.command()
def simulate(
    cases: Annotated[int, typer.Option("--cases", min=0, max=1_000_000, help="How many whole cases.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal bytes.")],
    publish: Annotated[bool, typer.Option("--publish", help="Publish to the demo, as its sources.")] = False,
    url: GatewayUrl = GATEWAY,
    town: Annotated[
        simulating.Town | None,
        typer.Option("--town", help="A whole town in the order of entry, with this mix, in place of the demo's round."),
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Write what was planted here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the events here, one a line.")] = None,
    as_json: Json = False,
) -> Exit:
    """Make invented Chinese cases with planted breaches, near misses and labels."""
    given = simulating.Wanted(cases, seed, town, labels, out)
    return simulating.simulate(given, publish=publish, url=url, as_json=as_json)


@app.command()
def prove(
    source: Annotated[str, typer.Argument(help="URI of the event's source.")],
    id: Annotated[str, typer.Argument(help="The event's id.")],
    url: VerifierUrl = VERIFIER,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the bundle here.")] = None,
    timestamp: Annotated[
        Path | None, typer.Option("--timestamp", help="Prove under a stamped checkpoint, and write its timestamp here.")
    ] = None,
) -> Exit:
    """Fetch the proof bundle of an event from the verifier."""
    return proving.prove(source, id, url, output, timestamp)


@topics.command("create")
def create() -> Exit:
    """Make the topics that are not there yet (settings: BALANCE_KAFKA, BALANCE_PARTITIONS, BALANCE_REPLICATION)."""
    made = asyncio.run(create_topics(CommonSettings()))
    results.print(f"created: {', '.join(made)}" if made else "all topics are there", markup=False)
    return Exit.DONE


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(help="intake, verifier or judge-audit: which projection.")],
    as_json: Json = False,
) -> Exit:
    """Make a projection again from the log, beside the running one, and swap it in (settings: BALANCE_*)."""
    return rebuilding.rebuild(name, as_json=as_json)


def _show_published(report: PublishReport, as_json: bool) -> None:
    if as_json:
        rejected = [{"id": each.id, "reason": each.reason, "faults": list(each.faults)} for each in report.rejected]
        show_json({"accepted": report.accepted, "duplicates": report.duplicates, "rejected": rejected})
        return
    results.print(f"accepted {report.accepted}, before {report.duplicates}, rejected {len(report.rejected)}")
    recap.show_rejected(report)


def load_plugins(wanted: str) -> None:
    """Adds the commands that other distributions bring: the wanted one, or all where it is none of them."""
    points = {point.name: point for point in entry_points(group=PLUGINS)}
    for name in [wanted] if wanted in points else sorted(points):
        point = points[name]
        try:
            command = point.load()
        except ImportError as error:
            people.print(f"balance-chain: the command {name} cannot be loaded: {error}", markup=False, soft_wrap=True)
            continue
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=point.name)
        else:
            app.command(point.name)(command)


def run(arguments: list[str]) -> int:
    """The exit code of one call; says in one line what went wrong."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # our one line says it already
    try:
        if not arguments or arguments[0] not in OWN:
            load_plugins(arguments[0] if arguments else "")
        code = typer.main.get_command(app)(arguments, prog_name="balance-chain", standalone_mode=False)
    except CommandFailed as failed:
        return _complain(failed.code, str(failed))
    except (PublishUnavailable, KafkaUnavailable) as unavailable:
        return _complain(Exit.UNAVAILABLE, str(unavailable))
    except BalanceError as error:
        return _complain(Exit.REFUSED, str(error))
    except KeyboardInterrupt:
        return _complain(Exit.UNAVAILABLE, "stopped")
    except Exception as error:
        if (show := getattr(error, "format_message", None)) is None:
            raise
        # A group called without a command has shown its help and has nothing to add.
        return _complain(Exit.USAGE, f"{show()} (see balance-chain --help)") if show() else Exit.USAGE
    return int(code) if isinstance(code, int) else Exit.DONE


def _complain(code: Exit, line: str) -> int:
    people.print(f"balance-chain: {line}", markup=False, soft_wrap=True)
    return code


def main() -> None:
    """Console script."""
    sys.exit(run(sys.argv[1:]))
