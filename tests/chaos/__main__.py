"""`python -m chaos --rounds 25 --seed 1`: rounds of faults under load; the exit code says whether all held."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import time

from chaos.faults import FAULTS, deal
from chaos.run import REPORT, Round, play_all, report, write
from chaos.world import world


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=None, help="what makes the run the same again")
    parser.add_argument("--faults", help="only these, comma-separated: " + ", ".join(FAULTS))
    parser.add_argument("--verbose", action="store_true", help="tell each step of a round")
    chosen = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if chosen.seed is None else chosen.seed
    names = tuple(chosen.faults.split(",")) if chosen.faults else tuple(FAULTS)
    print(f"chaos: {chosen.rounds} rounds, seed {seed}", flush=True)
    started = time.monotonic()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what we cut off would be told at each try
    rounds: list[Round] = []
    asyncio.run(_run(seed, chosen.rounds, names, rounds, verbose=chosen.verbose))
    if len(rounds) < chosen.rounds:
        print(f"ended after {len(rounds)} of {chosen.rounds} rounds")
    if not rounds:
        return 2
    told = report(rounds, chosen.rounds, seed, time.monotonic() - started)
    write(told)
    for row in told["rows"]:
        print(f"  {row['name']:<50} {row['value']!s:>8}  {'' if row['met'] else 'NOT MET'}")
    print(f"seed {seed}: {'all held' if told['ok'] else 'FAILED'}; {REPORT}")
    return 0 if told["ok"] else 1


async def _run(seed: int, count: int, names: tuple[str, ...], rounds: list[Round], *, verbose: bool) -> None:
    started = time.monotonic()

    def tell(text: str) -> None:
        print(text, flush=True)

    async with world(seed) as harmed:
        tell("      started")
        if verbose:
            harmed.note = lambda text: tell(f"      {time.monotonic() - started:6.1f} s  {text}")
        await play_all(harmed, deal(seed, count, names), seed, rounds, tell)


if __name__ == "__main__":
    sys.exit(main())
