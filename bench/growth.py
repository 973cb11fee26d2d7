"""How proofs and fsck grow with the log: bytes, hashes and CPU time at 10 k, 100 k and 1 M events.

    python bench/growth.py [--events 10000,100000,1000000] [--block N] [--proofs N] [--fsck N]

Makes an archive of each size in a temporary folder, without Kafka or PostgreSQL. Every proof is made from the archive's
files alone, nothing of the one before kept, and checked by `balance_verify`; fsck runs in this process. CPU time is
user and system. The growth is the slope of the logarithms, cost against events, over all sizes: 0 is constant, 1
linear. Writes build/reports/growth.json.
"""

import argparse
import asyncio
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from balance_verifier.archive.fsck import Options, fsck_archive
from balance_verifier.archive.layout import CHECKPOINT, events_path, leaves_path, split_events
from balance_verifier.archive.reading import TileFetcher
from balance_verifier.archive.stores import Store, open_store, read
from balance_verify.checkpoint import Checkpoint
from balance_verify.merkle import inclusion_path
from balance_verify.note import SignedNote
from balance_verify.proof import ProofBundle, TlogProof
from balance_verify.tiles import TileReader
from balance_verify.verify import verify_bundle
from madelog import EVENT_BYTES, MadeLog, export
from report import Row, row, show, write

HASH_BYTES = 32
PROOF_GROWTH, FSCK_GROWTH = 0.15, 1.05
"""Most growth: a proof is logarithmic, which a slope of logarithms shows as near 0; fsck is linear."""


@dataclass
class Measured:
    """What was measured at one size, a value a run."""

    events: int
    bytes: list[float] = field(default_factory=list)
    hashes: list[float] = field(default_factory=list)
    prove: list[float] = field(default_factory=list)
    verify: list[float] = field(default_factory=list)
    prove_wall: list[float] = field(default_factory=list)
    fsck: list[float] = field(default_factory=list)
    fsck_wall: list[float] = field(default_factory=list)


def prove(store: Store, height: int, index: int) -> ProofBundle:
    """The proof of record `index` of a block, from the archive's files alone."""
    note = SignedNote.parse(read(store, CHECKPOINT))
    checkpoint = Checkpoint.parse(note.text)
    reader = TileReader(checkpoint.size, checkpoint.root, TileFetcher(store))
    entry = reader.entry(height + 1)
    path = reader.inclusion_path(height + 1)
    leaves = read(store, leaves_path(0, height))
    values = [leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]
    event = split_events(read(store, events_path(0, height)), "events")[index]
    proof = TlogProof(height + 1, tuple(path), note)
    return ProofBundle(event, entry, index, tuple(inclusion_path(values, index)), proof)


def measure(events: int, block: int, proofs: int, fscks: int) -> Measured:
    """One size."""
    measured, log = Measured(events), MadeLog(events // block, block)
    dice = random.Random(events)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(export(log, name))
        store = open_store(name)
        for _ in range(proofs):
            height, index = dice.randrange(events // block), dice.randrange(block)
            wall, cpu = time.perf_counter(), time.process_time()
            bundle = prove(store, height, index)
            measured.prove.append(1e6 * (time.process_time() - cpu))
            measured.prove_wall.append(1e6 * (time.perf_counter() - wall))
            data = bundle.encode()
            cpu = time.process_time()
            report = verify_bundle(ProofBundle.parse(data), log.key.vkey, sealer_keys=[log.sealer.vkey])
            measured.verify.append(1e6 * (time.process_time() - cpu))
            assert report.ok, report
            measured.bytes.append(len(data))
            measured.hashes.append(len(bundle.path) + len(bundle.log_proof.path))
        for _ in range(fscks):
            cpu = time.process_time()
            report = fsck_archive(name, Options(log_key=log.key.vkey), lambda _: None)
            measured.fsck.append(time.process_time() - cpu)
            measured.fsck_wall.append(report.seconds)
            assert (report.faults, report.events) == ([], events), report.faults
    return measured


def slope(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Growth: the exponent of events by which the cost grows, fitted over all sizes."""
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs]).slope


def rows_of(all_sizes: list[Measured]) -> list[Row]:
    """Each cost at each size, and how it grows."""
    costs = [
        (f"proof of {EVENT_BYTES} bytes, bytes", "bytes", "B", PROOF_GROWTH),
        ("proof, hashes", "hashes", "hashes", None),
        ("prove, CPU", "prove", "us", PROOF_GROWTH),
        ("prove, wall clock", "prove_wall", "us", None),
        ("verify, CPU", "verify", "us", PROOF_GROWTH),
        ("fsck, CPU", "fsck", "s", FSCK_GROWTH),
        ("fsck, wall clock", "fsck_wall", "s", None),
    ]
    found = []
    for title, name, unit, target in costs:
        runs = [getattr(each, name) for each in all_sizes]
        found += [row(f"{title}, {each.events:,} events", run, unit) for each, run in zip(all_sizes, runs, strict=True)]
        if len(all_sizes) > 1:
            sizes = [each.events for each in all_sizes]
            grown = [slope(sizes, [*map(statistics.median, runs)])]
            found.append(row(f"{title}, growth", grown, "exponent", at_most=target))
    found += [
        row(f"fsck, CPU an event, {each.events:,} events", [1e6 * run / each.events for run in each.fsck], "us")
        for each in all_sizes
    ]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="10000,100000,1000000", help="sizes, between commas")
    parser.add_argument("--block", type=int, default=250, help="events a block")
    parser.add_argument("--proofs", type=int, default=100, help="proofs made and checked at each size")
    parser.add_argument("--fsck", type=int, default=1, help="runs of fsck at each size")
    arguments = parser.parse_args()
    sizes = [int(text) for text in arguments.events.split(",")]
    found = rows_of([measure(size, arguments.block, arguments.proofs, arguments.fsck) for size in sizes])
    show(found)
    return 0 if write("growth", found)["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
