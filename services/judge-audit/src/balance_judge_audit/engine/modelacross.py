"""The sections of rules that look across cases: windows of one person's acts, reports that are owed, relations, and
the two statistical kinds.
"""

from balance_judge_audit.engine.modelparts import Base, Condition, Selector, TeamSource


class Across(Base, frozen=True):
    """Counting over all cases: acts of one person (`by`) in different cases within a window of time."""

    by: str
    window: str


class ReportsDue(Base, frozen=True):
    """Reports that each unit owes for every month once it has made one, by a day of the next month."""

    event: str
    unit: str
    month: str
    day: str
    where: tuple[Condition, ...] = ()


class Relations(Base, frozen=True):
    """Events by which a person declares a relation to another of the register."""

    event: str
    person: str
    other: str
    until: str
    where: tuple[Condition, ...] = ()


class Conflict(Base, frozen=True):
    """Two people of one case who declared that they are related, one of the court and one of the other side; over
    when one of them leaves the case.
    """

    declared: Relations
    court: tuple[TeamSource, ...]
    side: tuple[TeamSource, ...]
    ended: tuple[TeamSource, ...] = ()


class Peers(Base, frozen=True, kw_only=True):
    """What is compared: everybody in one `group` (fields of the event) over a window of ledger time, looked at every so
    many days.

    `alpha` is the chance, in all comparisons of one group within one window together, of speaking though everything
    is random (Bonferroni).
    """

    group: tuple[str, ...]
    window: str
    every: str
    least: str


class Share(Base, frozen=True, kw_only=True):
    """How many of a person's acts are marked, against the others of the group."""

    of: tuple[Selector, ...]
    marked: tuple[Selector, ...]
    person: str
    alpha: str


class Measure(Base, frozen=True, kw_only=True):
    """A number of each case, as a share of another (per mille), against the cases of the group; not where a case has
    one of the events `unless`.
    """

    whole: tuple[Selector, ...]
    part: tuple[Selector, ...]
    whole_field: str
    part_field: str
    floor: str
    """The least spread that is taken for one: below it everybody would be far from everybody."""
    unless: tuple[Selector, ...] = ()


class PeerDeviation(Peers, frozen=True, kw_only=True):
    """Far from its peers: at least so many hundredths of a standard deviation (or of a robust one)."""

    far: str
    share: Share | None = None
    measure: Measure | None = None


class Pair(Base, frozen=True, kw_only=True):
    """People of two kinds who meet in cases, against what chance would bring together."""

    one: tuple[TeamSource, ...]
    other: tuple[TeamSource, ...]


class Draw(Base, frozen=True, kw_only=True):
    """One of a list is chosen in each case; `size` says how long the list is."""

    of: tuple[Selector, ...]
    person: str
    size: str


class Concentration(Peers, frozen=True, kw_only=True):
    """More often together, or chosen, than chance brings about: a tail below `chance`, and below `alpha` with all
    comparisons of the window taken together.
    """

    chance: str
    alpha: str
    together: str
    """How often at least, whatever chance says."""
    pair: Pair | None = None
    draw: Draw | None = None
