"""What can go wrong here, apart from Kafka and PostgreSQL being away.

BalanceError
├── Fenced            another worker has moved the shard's position: load it again
├── WorkerCrashed     Faust gave up: end, and let the supervisor start anew
├── HistoryUnreadable the log or an archive does not give its records from the beginning
├── NoSuchRule        the rule that was asked for is not there
├── GatewayUnclear    what answered in the gateway's place did not answer as it does
├── NotTaken          the gateway takes none of our events as things stand
├── PhasesWrong       flow.yaml cannot mean anything
├── SendingWrong      sending.yaml cannot mean anything, or a secret cannot be read
└── engine.conditions.RuleError   a rule that cannot mean anything
rulebook.RuleFileError            a rule file, by file and key
"""

from balance_chain.core.errors import BalanceError


class Fenced(BalanceError):
    """Another worker has applied this shard meanwhile; what this one computed is thrown away."""


class WorkerCrashed(BalanceError):
    """The stream framework has stopped by itself."""


class HistoryUnreadable(BalanceError):
    """History cannot be read from its beginning to its end."""


class NoSuchRule(BalanceError):
    """The rule that was asked for is not where it was looked for."""


class GatewayUnclear(BalanceError):
    """The answer does not say what became of the events: they are sent again as they were."""


class NotTaken(BalanceError):
    """All events that were sent are to be sent again later."""


class PhasesWrong(BalanceError):
    """The phases of a case are not well written."""


class SendingWrong(BalanceError):
    """Where alerts are sent is not well written."""
