"""What can go wrong here, apart from Kafka and PostgreSQL being away.

BalanceError
├── Fenced            another worker has moved the shard's position: load it again
├── WorkerCrashed     Faust gave up: end, and let the supervisor start anew
└── engine.conditions.RuleError   a rule that cannot mean anything
rulebook.RuleFileError            a rule file, by file and key
"""

from balance_chain.core.errors import BalanceError


class Fenced(BalanceError):
    """Another worker has applied this shard meanwhile; what this one computed is thrown away."""


class WorkerCrashed(BalanceError):
    """The stream framework has stopped by itself."""
