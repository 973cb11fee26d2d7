"""How well the rules find what was planted: alerts held against labels, rule by rule.

An alert counts against a label where rule and subject agree, and the episode where the label names one. What a judge
is warned of privately is no alert. A false alarm either stands at the end or was cured: something had been called
absent that was entered later.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from balance_chain.core.catalogue import Catalogue
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.times import DAY_MS
from balance_chain.simulator.model import Label
from balance_chain.simulator.world import World

from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.book import RuleBook
from balance_judge_audit.engine.shard import Clocks
from balance_judge_audit.places import PlaceFinder
from balance_judge_audit.replay import Plain, Replay

BY_EPISODE: Final = frozenset({"R28", "R38"})
"""Rules whose subject has many episodes: a unit its months, a source its gaps."""
BATCH: Final = 5_000
AFTER_DAYS: Final = 12
"""Ledger time passes so long after the last event, so that what never came is found missing."""
Key = tuple[str, str, str | None]


@dataclass(slots=True)
class Raised:
    """Which alerts there were, and which stand at the end."""

    ever: set[Key] = field(default_factory=set)
    standing: set[Key] = field(default_factory=set)

    @classmethod
    def of(cls, revisions: Iterable[Revision]) -> "Raised":
        """Reads the revisions in the order in which they were said."""
        last: dict[str, Revision] = {}
        raised = cls()
        for each in revisions:
            if each.private or each.state == "warning":
                continue
            last[each.id] = each
            if each.state == "open":
                raised.ever.add(_key_of(each))
        raised.standing = {_key_of(each) for each in last.values() if each.state == "open"}
        return raised


@dataclass(slots=True)
class Score:
    """One rule against its labels."""

    rule: str
    positives: int = 0
    found: int = 0
    near_misses: int = 0
    """What is near a breach, or a known false alarm recorded as the law asks."""
    near_alarms: int = 0
    false_standing: int = 0
    """Alerts that no label expects and that stand at the end, those on near-misses among them."""
    false_cured: int = 0
    by_subtlety: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Found and planted, by how plain the breach is."""
    missed: dict[str, int] = field(default_factory=dict)

    @property
    def recall(self) -> float:
        """The share of breaches that were found."""
        return self.found / self.positives if self.positives else 1.0

    @property
    def precision(self) -> float:
        """The share of standing alerts that are right."""
        said = self.found + self.false_standing
        return self.found / said if said else 1.0

    def add(self, other: "Score") -> None:
        """The same rule in another run."""
        for name in ("positives", "found", "near_misses", "near_alarms", "false_standing", "false_cured"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for grade, (found, planted) in other.by_subtlety.items():
            before = self.by_subtlety.get(grade, (0, 0))
            self.by_subtlety[grade] = (before[0] + found, before[1] + planted)
        for note, count in other.missed.items():
            self.missed[note] = self.missed.get(note, 0) + count


def score(rules: Iterable[str], raised: Raised, labels: Iterable[Label]) -> dict[str, Score]:
    """Holds the alerts of each rule against the labels."""
    scores = {rule: Score(rule) for rule in rules}
    known = {_key(label): label for label in labels if label.rule in scores}
    for key, label in known.items():
        each = scores[label.rule]
        if not label.expected:
            each.near_misses += 1
            each.near_alarms += key in raised.standing
            continue
        found = key in raised.ever
        each.positives += 1
        each.found += found
        grade = label.subtlety or "plain"
        before = each.by_subtlety.get(grade, (0, 0))
        each.by_subtlety[grade] = (before[0] + found, before[1] + 1)
        if not found:
            each.missed[label.note] = each.missed.get(label.note, 0) + 1
    wanted = {key for key, label in known.items() if label.expected}
    for key in raised.ever - wanted:
        if key[0] in scores:
            standing = key in raised.standing
            scores[key[0]].false_standing += standing
            scores[key[0]].false_cured += not standing
    return scores


@dataclass(frozen=True, slots=True)
class Outcome:
    """A world judged: the alerts, and how many events there were."""

    raised: Raised
    events: int


def judge_world(world: World, book: RuleBook, clocks: Clocks) -> Outcome:
    """Runs the rule book over a simulated town, each event received when it was entered."""
    catalogue = Catalogue.load(data_dir("catalogue"))
    plain, replay = Plain(catalogue), Replay(book, PlaceFinder(Courts.load(data_dir("catalogue"))), clocks)
    said: list[Revision] = []
    batch = []
    count = 0
    for sent in world.events():
        batch.append(plain.event(sent))
        count += 1
        if len(batch) >= BATCH:
            said += replay.take(batch)
            batch = []
    said += replay.take(batch)
    said += replay.pass_time(world.options.now_ms + AFTER_DAYS * DAY_MS)
    return Outcome(Raised.of(said), count)


def _key(label: Label) -> Key:
    return label.rule, label.subject, label.start if label.rule in BY_EPISODE else None


def _key_of(revision: Revision) -> Key:
    return revision.rule, revision.subject, revision.start if revision.rule in BY_EPISODE else None
