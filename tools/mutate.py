"""Break each invariant by its kept patch and see that the named test fails: `make mutate`.

tests/mutations/README.md is the list: one row a patch, with the test that must fail. The tree is copied, the named
tests must pass on the copy as it is, then each patch is applied, its test run, and the patch taken back. A test
counts as failing only where it ran and failed: one that cannot be collected proves nothing, nor does one that fails
on the tree as it is. Each line says why the test failed, so that a reader sees that it noticed what was broken and did
not just trip over it. Arguments are names of patches (or parts of them); none means all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MUTATIONS = Path("tests/mutations")
ROW = re.compile(
    r"^\|\s*`(?P<patch>[1-8]-[a-z0-9-]+)`\s*\|\s*(?P<breaks>[^|]+?)\s*\|\s*`(?P<test>[^`]+)`\s*\|$", re.MULTILINE
)
TEST_SECONDS = 300
FAILING = re.compile(r"^(?:FAILED|ERROR) (?P<test>[^\s\[]+)(?:\[.*?\])?(?: - (?P<why>.*))?$", re.MULTILINE)
"""A line of pytest's summary."""
HYPOTHESIS = ("--hypothesis-seed=0", "--hypothesis-profile=mutate")
FAILED = 1
"""pytest's exit code where tests ran and some failed."""
JAR_FOLDER = Path(".balance/jars")


@dataclass(frozen=True)
class Mutation:
    """One kept patch: what it breaks, and the test that must fail."""

    name: str
    breaks: str
    test: str

    @property
    def file(self) -> Path:
        return MUTATIONS / f"{self.name}.patch"


@dataclass(frozen=True)
class Outcome:
    """What the named test said of the broken tree."""

    mutation: Mutation
    found: bool
    seconds: float
    detail: str


def read_table(root: Path = ROOT) -> list[Mutation]:
    """The rows of the list, in order."""
    text = (root / MUTATIONS / "README.md").read_text(encoding="utf-8")
    return [Mutation(row["patch"], row["breaks"], row["test"]) for row in ROW.finditer(text)]


def copy_tree(target: Path) -> None:
    """What git would take of this tree, committed or not."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    if (ROOT / JAR_FOLDER).is_dir():
        (target / JAR_FOLDER).parent.mkdir(parents=True, exist_ok=True)
        (target / JAR_FOLDER).symlink_to(ROOT / JAR_FOLDER)


def environment(copy: Path) -> dict[str, str]:
    """The copy's packages come before the installed ones, in the tests and in every process that they start."""
    sources = sorted(str(path) for path in copy.glob("*/*/src"))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sources),
        "BALANCE_DATA_ROOT": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Room for the reason in pytest's summary.
        "COLUMNS": "240",
    }


def pytest(copy: Path, env: dict[str, str], tests: list[str], *options: str) -> tuple[int, str]:
    """Exit code of pytest on these tests, and what it printed."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *HYPOTHESIS, *options, *tests]
    try:
        ran = subprocess.run(
            argv, cwd=copy, env=env, capture_output=True, text=True, timeout=TEST_SECONDS * len(tests), check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"not done in {TEST_SECONDS * len(tests)} s"
    return ran.returncode, ran.stdout + ran.stderr


def patch(copy: Path, mutation: Mutation, *flags: str) -> None:
    """Apply a patch to the copy, or take it back. One line of context is enough: code around it may change."""
    subprocess.run(["git", "apply", "-C1", *flags, str(mutation.file)], cwd=copy, check=True, capture_output=True)


def try_one(copy: Path, env: dict[str, str], mutation: Mutation) -> Outcome:
    """Break the copy, run the named test, mend the copy."""
    started = time.monotonic()
    try:
        patch(copy, mutation)
    except subprocess.CalledProcessError as error:
        return Outcome(mutation, False, 0.0, f"the patch does not fit: {error.stderr.decode().strip()}")
    try:
        code, printed = pytest(copy, env, [mutation.test], "-x")
    finally:
        patch(copy, mutation, "--reverse")
    failing = FAILING.search(printed)
    last = next((line for line in reversed(printed.splitlines()) if line.strip()), "")
    detail = (failing and failing["why"]) or "fails" if code == FAILED else f"exit {code}: {last}"
    return Outcome(mutation, code == FAILED, time.monotonic() - started, detail)


def fail_already(copy: Path, env: dict[str, str], wanted: list[Mutation]) -> set[str]:
    """Which of the named tests fail on the tree as it is; what they printed is shown."""
    code, printed = pytest(copy, env, sorted({mutation.test for mutation in wanted}))
    if code == 0:
        return set()
    red = {row["test"] for row in FAILING.finditer(printed)}
    print(printed[-4000:], flush=True)
    if code != FAILED or not red:
        sys.exit("the named tests could not be run on the tree as it is")
    return red


def run(wanted: list[Mutation]) -> list[Outcome]:
    """All wanted mutations on one copy of the tree, one after another."""
    # Below a short path: the tests' servers have sockets there.
    copy = Path(tempfile.mkdtemp(prefix="bm-", dir="/tmp"))
    servers = None
    try:
        copy_tree(copy)
        env = environment(copy)
        if any("tests/pipeline" in mutation.test for mutation in wanted):
            sys.path.insert(0, str(ROOT / "tests"))
            from support.servers import Servers

            servers = Servers()
            env |= {"BALANCE_TEST_KAFKA": servers.kafka(), "BALANCE_TEST_DATABASE": servers.postgres()}
        red = fail_already(copy, env, wanted)
        outcomes = []
        for mutation in wanted:
            if mutation.test in red:
                outcome = Outcome(mutation, False, 0.0, "the named test fails on the tree as it is")
            else:
                outcome = try_one(copy, env, mutation)
            outcomes.append(outcome)
            mark = "found    " if outcome.found else "NOT FOUND"
            print(f"{mark} {mutation.name:45s} {outcome.seconds:6.1f} s  {outcome.detail}", flush=True)
        return outcomes
    finally:
        if servers is not None:
            servers.stop()
        shutil.rmtree(copy, ignore_errors=True)


def report(outcomes: list[Outcome]) -> dict[str, object]:
    """The report as every measurement of this repository writes it."""
    rows = [
        {
            "name": outcome.mutation.name,
            "value": int(outcome.found),
            "unit": "named test fails",
            "target": 1,
            "met": outcome.found,
            "runs": 1,
            "breaks": outcome.mutation.breaks,
            "test": outcome.mutation.test,
            "seconds": round(outcome.seconds, 1),
            "detail": outcome.detail,
        }
        for outcome in outcomes
    ]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {"name": "mutate", "machine": machine, "ok": all(outcome.found for outcome in outcomes), "rows": rows}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="patches to try, by name or part of it; none: all")
    names = parser.parse_args().names
    table = read_table()
    wanted = [each for each in table if not names or any(name in each.name for name in names)]
    if not wanted:
        sys.exit(f"no patch is called {', '.join(names)}; there are: {', '.join(each.name for each in table)}")
    outcomes = run(wanted)
    folder = ROOT / "build" / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mutate.json").write_text(json.dumps(report(outcomes), ensure_ascii=False, indent=1) + "\n")
    found = sum(outcome.found for outcome in outcomes)
    print(f"{found} of {len(outcomes)} mutations are found by the test that is named for them")
    return 0 if found == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
