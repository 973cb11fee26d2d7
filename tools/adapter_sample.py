"""Print a sample of docket entries with what the adapter made of them, for a person to judge.

How and why: docs/docket-adapter.md.

python tools/adapter_sample.py ../shared/data/recap --half B --count 200 --seed 97 > sample.txt
python tools/adapter_sample.py ../shared/data/recap --half B --count 200 --seed 98 --seen sample.txt

The texts hold names of real people: keep the output out of the repository.
"""

import argparse
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from balance_chain.adapters.recap import Docket, Reading, Status, parse_docket, read

PLACE = re.compile(r"^\d+\. (\S+) ", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    place: str
    text: str
    reading: Reading


def half_of(file: str) -> str:
    """A is what patterns were written on, B is held out: by the SHA-256 of the file's name."""
    return "AB"[hashlib.sha256(file.encode()).digest()[0] % 2]


def entries(dockets: list[Docket], half: str) -> Iterator[Entry]:
    """The entries of a half; a case that is in A too (a docket and its history) is not in B."""
    in_a = {docket.subject for docket in dockets if half_of(docket.file) == "A"}
    for docket in dockets:
        if half != "all" and (half_of(docket.file) != half or (half == "B" and docket.subject in in_a)):
            continue
        for index, entry in enumerate(docket.entries):
            yield Entry(f"{docket.file}#{index}", entry.text, read(entry.text, appellate=docket.appellate))


def main() -> None:
    parser = argparse.ArgumentParser(description="Print a sample of docket entries for a person to judge.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=["A", "B", "all"], default="B")
    parser.add_argument("--status", choices=[each.value for each in Status], default="mapped")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=240, help="characters of a text that are shown")
    parser.add_argument("--seen", type=Path, action="append", default=[], help="an earlier output, to leave out")
    options = parser.parse_args()
    dockets = [parse_docket(path.read_bytes(), path.name) for path in sorted(options.folder.glob("*.json"))]
    everything = list(entries(dockets, options.half))
    counts = {status.value: sum(each.reading.status is status for each in everything) for status in Status}
    print(f"half {options.half}: {counts}\n")
    seen = {place for file in options.seen for place in PLACE.findall(file.read_text(encoding="utf-8"))}
    pool = [each for each in everything if each.reading.status == options.status and each.place not in seen]
    chosen = random.Random(options.seed).sample(pool, min(options.count, len(pool)))
    for number, each in enumerate(chosen, start=1):
        made = " + ".join(" ".join(filter(None, (f.type, f.kind, f.outcome))) for f in each.reading.found)
        print(f"{number}. {each.place} [{each.reading.rule}] {made}")
        print("   ", " ".join(each.text.split())[: options.width])


if __name__ == "__main__":
    main()
