"""What stops intake, as opposed to what is wrong with one event.

BalanceError
├── GenesisNeeded     events is empty and nobody said that this is the beginning
├── RawGone           retention removed raw records that were not normalised
├── WrongGeneration   raw, dedup and the log are not of one generation
├── DatabaseAway      PostgreSQL did not answer
├── IntakeFull        as many events are in flight as the settings allow
├── FollowerMoved     another follower of the log has moved a shard's position
└── CommitFailed      events were not promised
"""

from balance_chain.core.errors import BalanceError


class GenesisNeeded(BalanceError):
    """An empty output starts at the beginning only on the explicit word."""


class RawGone(BalanceError):
    """Raw records between the position and what is left are lost: never skipped silently."""


class WrongGeneration(BalanceError):
    """The settings, the events or dedup are of another generation than the log's last signed one."""


class DatabaseAway(BalanceError):
    """PostgreSQL did not answer: wait and try again."""


class FollowerMoved(BalanceError):
    """Another follower, or a rebuild, has moved a shard's position: load it again."""


class CommitFailed(BalanceError):
    """These events were not promised: sending them again is safe."""


class IntakeFull(BalanceError):
    """Too many events in flight: try again shortly."""
