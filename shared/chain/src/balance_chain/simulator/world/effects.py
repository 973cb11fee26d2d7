"""Streams in which one effect of a chosen size is all that there is: how strong it must be before a statistical rule
sees it (R21, R22, R23, R34). At size zero there is nothing to see.

Each stream is one court's year; the person or case with the effect is named beside it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from balance_chain.core.times import DAY_MS
from balance_chain.simulator import sources
from balance_chain.simulator.casefile import Draft
from balance_chain.simulator.generate import envelope
from balance_chain.simulator.model import ANCHOR_MS, Event

COURT: Final = "京0105"
JUDGES: Final = 10
LAWYERS: Final = 40
AGENCIES: Final = 12
YEAR_DAYS: Final = 360
MARKED: Final = "marked"


@dataclass(frozen=True, slots=True)
class Effect:
    """A rule, what its sizes mean, and how a stream of one size is told."""

    rule: str
    zh: str
    en: str
    sizes: tuple[float, ...]
    chance: float
    """The size at which chance alone is at work."""
    tell: Callable[[float, Random], Iterator[tuple[str, Draft]]]
    subject: str
    """What stands in the subject of the alert that is wanted: a person, or the case itself."""

    def events(self, size: float, seed: str) -> list[Event]:
        """The stream, in the order of entry."""
        rng = Random(f"{self.rule}/{size}/{seed}")  # noqa: S311 (a simulation wants the same numbers again)
        told = sorted(self.tell(size, rng), key=lambda each: each[1].recorded_ms)
        return [envelope(draft, f"p-{number}", case, number + 1) for number, (case, draft) in enumerate(told)]


def _case(number: int) -> str:
    return f"（2026）{COURT}民初{number + 1}号"


def _draft(ms: int, source: str, type_id: str, data: dict[str, Any]) -> Draft:
    return Draft(ms, source, type_id, {**data, "synthetic": True}, ms + 60_000)


def _moment(rng: Random, within_days: int) -> int:
    return ANCHOR_MS - within_days * DAY_MS + rng.randrange(within_days * DAY_MS)


def _designation(size: float, rng: Random) -> Iterator[tuple[str, Draft]]:
    """Three hundred assignments of a quarter, one in ten designated; one judge has this share instead."""
    for number in range(300):
        judge = number % JUDGES
        share = size if judge == 0 else 0.1
        name = f"J-{MARKED}" if judge == 0 else f"J-{judge}"
        mode = "designated" if rng.random() < share else "random"
        data = {"judge": {"id": name}, "role": "responsible", "mode": mode, "instance": "first"}
        yield _case(number), _draft(_moment(rng, 88), sources.CASE, "judge.assigned", data)


def _pairing(size: float, rng: Random) -> Iterator[tuple[str, Draft]]:
    """A year of a bar of forty with a dozen cases each; one lawyer with twenty has this share before one judge."""
    cases = [f"L-{lawyer}" for lawyer in range(LAWYERS) for _ in range(12)] + [f"L-{MARKED}"] * 20
    rng.shuffle(cases)
    for number, lawyer in enumerate(cases):
        ms = _moment(rng, YEAR_DAYS)
        judge = rng.randrange(JUDGES)
        if lawyer == f"L-{MARKED}":
            judge = 0 if rng.random() < size else rng.randrange(1, JUDGES)
        name = {"id": f"J-{judge or MARKED}"}
        assigned = {"judge": name, "role": "responsible", "mode": "random", "instance": "first"}
        yield _case(number), _draft(ms, sources.CASE, "judge.assigned", assigned)
        counsel = {"action": "appointed", "lawyer": {"id": lawyer}}
        yield _case(number), _draft(ms + DAY_MS // 4, sources.PARTY, "counsel.changed", counsel)


def _share(size: float, rng: Random) -> Iterator[tuple[str, Draft]]:
    """Eighty choices of a year from a list of twelve; one agency has this share of them."""
    for number in range(80):
        agency = MARKED if rng.random() < size else str(rng.randrange(1, AGENCIES))
        data = {
            "evidence_id": f"E-{number}",
            "agency": {"id": f"AG-{agency}"},
            "selection": "lottery",
            "rota": "鉴定名册(演示)",
            "rota_size": AGENCIES,
            "stage": "entrusted",
        }
        yield _case(number), _draft(_moment(rng, YEAR_DAYS), sources.EVIDENCE, "evidence.appraised", data)


def _deviation(size: float, rng: Random) -> Iterator[tuple[str, Draft]]:
    """Sixty judgments of one cause award about 600 of 1000, give or take 80; a late one is off by so many of these."""
    for number in range(60):
        award = round(600 - 80 * size if number == 0 else rng.gauss(600, 80))
        ms = _moment(rng, 100 if number == 0 else YEAR_DAYS - 60)
        accepted = {"procedure": "simplified", "instance": "first", "cause_code": "9.2.10", "amount": 1_000_000}
        yield _case(number), _draft(ms, sources.CASE, "case.accepted", accepted)
        pronounced = {
            "kind": "judgment",
            "in_court": False,
            "cause_code": "9.2.10",
            "amount": min(1000, max(0, award)) * 1000,
            "instance": "first",
        }
        yield _case(number), _draft(ms + 40 * DAY_MS, sources.CASE, "judgment.pronounced", pronounced)


EFFECTS: Final = (
    Effect(
        "R21",
        "被指定的份额",
        "share of the judge's cases that are designated (others: 10%)",
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        0.1,
        _designation,
        f"J-{MARKED}",
    ),
    Effect(
        "R22",
        "同一法官承办的份额",
        "share of the lawyer's 20 cases before one judge (chance: 10%)",
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        0.1,
        _pairing,
        f"J-{MARKED}",
    ),
    Effect(
        "R23",
        "该机构的份额",
        "share of the agency in 80 choices from a list of 12 (chance: 8%)",
        (1 / AGENCIES, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
        1 / AGENCIES,
        _share,
        f"AG-{MARKED}",
    ),
    Effect(
        "R34",
        "偏离的标准差倍数",
        "standard deviations off the middle of 60 like judgments",
        (0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
        0.0,
        _deviation,
        _case(0),
    ),
)
