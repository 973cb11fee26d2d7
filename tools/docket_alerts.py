"""Run the rule book with its policy over real dockets, count the alerts, and print a sample for a person to judge.

How it was judged: docs/dockets-review.md.

    python tools/docket_alerts.py ../shared/data/recap                        counts
    python tools/docket_alerts.py ../shared/data/recap --sample 50 --seed 26  and a sample with the entries' texts

The texts hold names of real people: keep the sample out of the repository.
"""

import argparse
import random
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

from balance_chain.adapters.recap import map_dockets, parse_docket
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import DAY_MS
from balance_judge_audit import rulebook
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.shard import Clocks
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.replay import Plain, Replay

SOURCE = "urn:balance:tools:recap"
IMPORTED_MS = 1_793_491_200_000
"""All is imported on one day: what a docket says happens on that day for the ledger."""
CLOCKS = Clocks(grace_ms=600_000, lateness_ms=60_000)


def standing(events: list[dict[str, object]]) -> list[Revision]:
    """The alerts that stand once all dockets are imported, by rule and case."""
    courts = Courts.load(data_dir("catalogue"))
    plain = Plain(Catalogue.load(data_dir("catalogue")))
    replay = Replay(rulebook.load(data_dir("rules")), PlaceFinder(courts), CLOCKS)
    zones = {
        each: court for each in {str(event["subject"]) for event in events} if (court := courts.get(each.split("/")[0]))
    }
    said: list[Revision] = []
    made = []
    for event in events:
        court = zones.get(str(event["subject"]))
        made.append(plain.event(event, IMPORTED_MS, ZoneInfo(court.timezone if court else "America/New_York")))
    said += replay.take(made)
    said += replay.pass_time(IMPORTED_MS + 30 * DAY_MS)
    last = {each.id: each for each in said if not each.private}
    return sorted(
        (each for each in last.values() if each.state == "open"), key=lambda each: (each.rule, each.subject, each.start)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=26)
    parser.add_argument("--width", type=int, default=260, help="characters of a text that are shown")
    options = parser.parse_args()
    dockets = [parse_docket(path.read_bytes(), path.name) for path in sorted(options.folder.glob("*.json"))]
    mapped = map_dockets(dockets, SOURCE)
    alerts = standing(mapped.events)
    print(f"{mapped.cases} cases, {len(mapped.events)} events, {len(alerts)} alerts")
    for rule, count in sorted(Counter(each.rule for each in alerts).items()):
        print(f"{rule}: {count} alerts in {len({each.subject for each in alerts if each.rule == rule})} cases")
    by_id = {str(event["id"]): event for event in mapped.events}
    chosen = random.Random(options.seed).sample(alerts, min(options.sample, len(alerts)))
    for number, alert in enumerate(chosen, start=1):
        print(f"\n{number}. {alert.rule} {alert.subject} {alert.numbers}")
        for trigger in alert.triggers[:8]:
            event = by_id[trigger.id]
            docket = event["data"].get("docket", {})
            name = docket.get("document_number") or docket.get("entry") or docket.get("pacer_seq_no")
            text = " ".join(event["data"].get("description", "").split())[: options.width]
            print(f"   [{name}] {event['type']} {event['time']} entered {event.get('recordedtime')}: {text}")


if __name__ == "__main__":
    main()
