"""Writes docs/settings.md, docs/metrics.md and docs/cli.md from the code that they describe.

    python tools/gen_docs.py            write them
    python tools/gen_docs.py --check    exit 1, naming the files, where one is out of date

A test runs the same functions, so a setting, a metric or an option is documented in the commit that brings it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import typer
from balance_chain.cli import main as cli
from balance_chain.runtime.settings import CommonSettings
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    "shared/chain/src/balance_chain",
    "services/intake/src/balance_intake",
    "services/sealer/src/balance_sealer",
    "services/verifier/src/balance_verifier",
    "services/judge-audit/src/balance_judge_audit",
    "deploy/local/src/balance_local",
)
SERVICES = ("balance_intake", "balance_sealer", "balance_verifier", "balance_judge_audit", "balance_verify")
SETTINGS = re.compile(r"^class \w+\(\w*Settings\):", re.MULTILINE)
METRICS = re.compile(r"^from prometheus_client import .*(Counter|Gauge|Histogram)", re.MULTILINE)
NOTE = "<!-- Written by tools/gen_docs.py. Change the code, then run it. -->\n"


def modules(pattern: re.Pattern[str]) -> Iterator[ModuleType]:
    """Every module of ours whose text matches, in order."""
    for source in SOURCES:
        folder = ROOT / source
        for path in sorted(folder.rglob("*.py")):
            if pattern.search(path.read_text(encoding="utf-8")):
                parts = path.relative_to(folder.parent).with_suffix("").parts
                yield importlib.import_module(".".join(parts))


def settings_page() -> str:
    """Every setting: the variable that sets it, its default, what it is."""
    lines = [
        "# Settings",
        "",
        NOTE,
        "Each process reads its settings from environment variables. Those of the first table are every process's.",
    ]
    classes: list[type[CommonSettings]] = [CommonSettings]
    for module in modules(SETTINGS):
        for kind in vars(module).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, CommonSettings)
                and kind.__module__ == module.__name__
                and kind not in classes
            ):
                classes.append(kind)
    for kind in classes:
        own = kind.__annotations__
        rows = [(name, each) for name, each in kind.model_fields.items() if name in own]
        base = kind.__mro__[1]
        above = "" if kind is CommonSettings else f" (and those of `{base.__name__}`)"
        lines += ["", f"## {kind.__name__}{above}", "", f"`{kind.__module__}`. {_first_line(kind.__doc__)}", ""]
        if not rows:
            continue
        lines += ["| variable | default | what |", "|---|---|---|"]
        prefix = kind.model_config.get("env_prefix") or ""
        for name, each in rows:
            lines.append(f"| `{prefix}{name.upper()}` | {_default(each.default)} | {_cell(each.description or '')} |")
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric: its name, kind, labels and meaning."""
    lines = [
        "# Metrics",
        "",
        NOTE,
        "Each process serves its own at `/metrics` (Prometheus text). Units are in the name or in the meaning.",
    ]
    for module in modules(METRICS):
        found = [each for each in vars(module).values() if isinstance(each, MetricWrapperBase)]
        if not found:
            continue
        lines += ["", f"## {module.__name__}", "", "| metric | kind | labels | what |", "|---|---|---|---|"]
        for each in found:
            labels = ", ".join(each._labelnames) or "—"
            lines.append(f"| `{metric_name(each)}` | {_kind(each)} | {labels} | {_cell(each._documentation)} |")
    return "\n".join(lines) + "\n"


def metric_name(metric: MetricWrapperBase) -> str:
    """The name as `/metrics` shows it."""
    name: str = metric._name
    return name + "_total" if isinstance(metric, Counter) else name


def cli_page() -> str:
    """Every command with its arguments and options, and how the processes are started."""
    cli.load_plugins("")
    root = typer.main.get_command(cli.app)
    lines = ["# Command line", "", NOTE, _first_line(root.help), ""]
    for path, command in _commands(root, ("balance-chain",)):
        lines += _command(path, command)
    for name in SERVICES:
        script = name.replace("_", "-")
        lines += ["", f"## {script}", "", "```", _argparse_help(name, script).strip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def _command(path: tuple[str, ...], command: click.Command) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and "--help" not in each.opts]
    names = [f"{each.name.upper()}{'...' if each.nargs == -1 else ''}" for each in arguments if each.name]
    usage = " ".join((*path, *names, *(["[OPTIONS]"] if options else [])))
    lines = ["", f"## {' '.join(path)}", "", _first_line(command.help), "", "```", usage, "```"]
    rows = [(f"`{name}`", each) for name, each in zip(names, arguments, strict=True)]
    rows += [("`" + "`, `".join((*each.opts, *each.secondary_opts)) + "`", each) for each in options]
    if rows:
        lines += ["", "| | default | what |", "|---|---|---|"]
    for name, each in rows:
        variable = f" (`{each.envvar}`)" if getattr(each, "envvar", None) else ""
        default = "required" if each.required else _default(each.default)
        lines.append(f"| {name}{variable} | {default} | {_cell(getattr(each, 'help', None) or '')} |")
    return lines


def _argparse_help(package: str, script: str) -> str:
    """What a process's `--help` prints, at a fixed width."""
    main: Callable[..., Any] = importlib.import_module(f"{package}.__main__").main
    out, argv, columns = io.StringIO(), sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = [script, "--help"], "100"
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main()
    finally:
        sys.argv = argv
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return out.getvalue()


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if value is None or value == "" or value is False or callable(value):
        return "none" if value is None or value == "" else "off" if value is False else "—"
    return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _first_line(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _kind(metric: MetricWrapperBase) -> str:
    return next(
        name
        for name, kind in (("counter", Counter), ("gauge", Gauge), ("histogram", Histogram))
        if isinstance(metric, kind)
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/metrics.md": metrics_page,
    "docs/cli.md": cli_page,
}


def out_of_date() -> list[str]:
    """The pages that are not what the code says."""
    return [
        name
        for name, page in PAGES.items()
        if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != page()
    ]


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        found = out_of_date()
        for name in found:
            print(f"{name} is out of date: run python tools/gen_docs.py")
        return 1 if found else 0
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
