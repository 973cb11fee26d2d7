"""What sealer and notary refuse, and why each is an error of its own.

BalanceError
└── SealerError
    ├── GenesisMissing     no genesis entry yet, or an empty output without the genesis command: waits
    ├── BrokenChain        blocks that checkpoints cover are gone, or events have a gap: waits, and is shown
    ├── GuardMoved         another notary changed the guard row: opens again
    └── NotaryRefusal      guard row and log contradict each other: the process ends
"""

from balance_chain.core.errors import BalanceError


class SealerError(BalanceError):
    """Sealer or notary cannot go on as asked."""


class GenesisMissing(SealerError):
    """There is nothing to start from, and starting from nothing was not asked for."""


class BrokenChain(SealerError):
    """What the log holds does not join up."""


class LogEnded(SealerError):
    """The log was frozen: nothing is sealed after its last checkpoint."""


class GuardMoved(SealerError):
    """The guard row is not what this notary last wrote or read."""


class NotaryRefusal(SealerError):
    """Signing now could show two histories: a person must look first."""
