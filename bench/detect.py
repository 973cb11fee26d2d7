"""How well the rules find what the simulator plants: precision, recall, false alarms, power of statistical rules.

    python bench/detect.py [--breaches N] [--honest N] [--replicates N] [--seed N] [--jobs N] [--no-docs]

Runs the real engine in memory, in the order of entry, over towns of unseen seeds: balanced ones, in which each rule
within cases has at least N breaches and as many near-misses, and honest ones. Writes build/reports/detect.json, and the
table and curves of docs/detection.md.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import DAY_MS
from balance_chain.simulator.model import ANCHOR_MS
from balance_chain.simulator.world import SCENARIOS, World, WorldOptions
from balance_chain.simulator.world.effects import EFFECTS
from balance_judge_audit import rulebook
from balance_judge_audit.detection import Score, judge_world, score
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.shard import Clocks
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.replay import Plain, Replay
from detectdoc import Figures, Power, write_docs

REPOSITORY = Path(__file__).resolve().parents[1]
REPORT = REPOSITORY / "build" / "reports" / "detect.json"
CLOCKS = Clocks(grace_ms=3 * DAY_MS, lateness_ms=60_000)
"""Absence is called after the three days that R36 allows for an entry."""
STATISTICAL = frozenset({"R21", "R22", "R23", "R34"})
ADVISORY = frozenset({"R34"})
TOWN_CASES = 2_500
"""Cases of one town, so that several processes share the work."""


@dataclass(frozen=True)
class Job:
    """One town to be judged."""

    mix: str
    cases: int
    seed: int


@cache
def book() -> RuleBook:
    return rulebook.load(data_dir("rules"), lateness_ms=CLOCKS.lateness_ms)


def judge(job: Job) -> tuple[Job, int, list[Score]]:
    """A town's scores; what a town of breaches says by statistics has no label and is not scored."""
    world = World(WorldOptions(job.cases, job.seed, job.mix))  # type: ignore[arg-type]
    outcome = judge_world(world, book(), CLOCKS)
    rules = set(book().rules) - (STATISTICAL if job.mix == "balanced" else frozenset())
    return job, outcome.events, list(score(rules, outcome.raised, world.labels).values())


def jobs(breaches: int, honest: int, seed: int) -> Iterator[Job]:
    rules = len({each.rule for each in SCENARIOS})
    for mix, cases in (("balanced", breaches * rules * 2), ("honest", honest)):
        towns = max(1, round(cases / TOWN_CASES))
        for number in range(towns):
            yield Job(mix, -(-cases // towns), seed + number + (0 if mix == "balanced" else 400))


def power(task: tuple[int, float, int]) -> tuple[int, float, float, float]:
    """Of so many streams with an effect of this size: in which share it was seen, and in which something else was."""
    number, size, replicates = task
    effect = EFFECTS[number]
    plain, places = Plain(Catalogue.load(data_dir("catalogue"))), PlaceFinder(Courts.load(data_dir("catalogue")))
    seen = other = 0
    for replicate in range(replicates):
        replay = Replay(book(), places, CLOCKS)
        said = replay.take([plain.event(each) for each in effect.events(size, str(replicate))])
        said += replay.pass_time(ANCHOR_MS + 60 * DAY_MS)
        subjects = {each.subject for each in said if each.rule == effect.rule and each.state == "open"}
        own = {subject for subject in subjects if effect.subject in subject}
        seen += bool(own)
        other += bool(subjects - own)
    return number, size, seen / replicates, other / replicates


def measure(arguments: argparse.Namespace) -> Figures:
    figures = Figures(seed=arguments.seed, honest_cases=0)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        tasks = [(n, size, arguments.replicates) for n, effect in enumerate(EFFECTS) for size in effect.sizes]
        powers = [pool.submit(power, task) for task in tasks]
        for job, events, scores in pool.map(judge, jobs(arguments.breaches, arguments.honest, arguments.seed)):
            figures.events += events
            figures.honest_cases += job.cases if job.mix == "honest" else 0
            kept = figures.planted if job.mix == "balanced" else figures.honest
            for each in scores:
                kept.setdefault(each.rule, Score(each.rule)).add(each)
            print(f"{job.mix} town of {job.cases} cases, seed {job.seed}: {events} events", flush=True)
        for future in powers:
            number, size, seen, other = future.result()
            figures.powers.setdefault(EFFECTS[number].rule, []).append(Power(size, seen, other, arguments.replicates))
    return figures


def rows(figures: Figures, breaches: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    def row(name: str, value: float, unit: str, target: float | None, met: bool, runs: int) -> None:
        made.append({"name": name, "value": value, "unit": unit, "target": target, "met": met, "runs": runs})

    for rule, each in sorted(figures.planted.items()):
        enough = min(each.positives, each.near_misses)
        row(f"{rule} breaches and near-misses", enough, "each", breaches, enough >= breaches, 1)
        row(f"{rule} recall", round(each.recall, 4), "share", 0.98, each.recall >= 0.98, each.positives)
        row(f"{rule} precision", round(each.precision, 4), "share", 0.98, each.precision >= 0.98, each.positives)
    for rule, each in sorted(figures.honest.items()):
        rate = each.false_standing * 10_000 / figures.honest_cases
        target = None if rule in ADVISORY else 1
        met = target is None or rate <= target
        row(f"{rule} false alarms", round(rate, 2), "per 10,000 honest cases", target, met, figures.honest_cases)
        cured = each.false_cured * 10_000 / figures.honest_cases
        row(f"{rule} raised and cured", round(cured, 2), "per 10,000 honest cases", None, True, figures.honest_cases)
    for rule, powers in sorted(figures.powers.items()):
        for level in powers:
            row(f"{rule} power at {level.size:.2f}", round(level.seen, 3), "share of streams", None, True, level.runs)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--breaches", type=int, default=200, help="breaches of each rule, and near-misses")
    parser.add_argument("--honest", type=int, default=10_000, help="honest cases")
    parser.add_argument("--replicates", type=int, default=100, help="streams for each size of a statistical effect")
    parser.add_argument("--seed", type=int, default=20_000, help="of the first town")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/detection.md as it is")
    arguments = parser.parse_args()
    figures = measure(arguments)
    made = rows(figures, arguments.breaches)
    machine = f"{platform.machine()} {os.cpu_count()} cores, Python {platform.python_version()}"
    report = {"name": "detect", "machine": machine, "ok": all(row["met"] for row in made), "rows": made}
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    if not arguments.no_docs:
        write_docs(REPOSITORY / "docs", figures)
    for row in made:
        if not row["met"]:
            print(f"{row['name']}: {row['value']} {row['unit']}, wanted {row['target']}")
    for rule, each in sorted(figures.planted.items()):
        for note, count in each.missed.items():
            print(f"{rule} missed {count}: {note}")
    print(f"{figures.events} events; {REPORT.relative_to(REPOSITORY)}: {'ok' if report['ok'] else 'not met'}")
    raise SystemExit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
