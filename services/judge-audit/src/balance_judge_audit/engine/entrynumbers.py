"""The numbers that a court gives to the entries of one case: read for R38 where a parameter names their field."""

from dataclasses import dataclass

from balance_chain.core.events import CanonicalEvent

from balance_judge_audit.engine.conditions import Parameters, Read, reader
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelparts import Scalar


@dataclass(frozen=True, slots=True)
class EntryNumbers:
    """How the entries of a case are numbered in a jurisdiction."""

    read: Read
    except_courts: frozenset[Scalar]
    least: int

    def of(self, event: CanonicalEvent) -> int | None:
        """The number of the event's entry, where its court numbers by case and it has one."""
        if event.courtcode in self.except_courts:
            return None
        value = self.read(event)
        return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and int(value) else None


def entry_numbers(rule: Rule) -> dict[str, EntryNumbers]:
    """By jurisdiction, how a gap rule reads them; nothing where its parameter is switched off."""
    if rule.gap is None or rule.gap.entries is None:
        return {}
    parameters, spec = Parameters(rule.parameters), rule.gap.entries
    name = parameters.word_or_none(spec.number, "gap.entries.number")
    if name is None:
        return {}
    excepted = parameters.words(spec.except_courts, "gap.entries.except_courts")
    numbers = EntryNumbers(
        reader(name, "gap.entries.number"), excepted, parameters.scalar(spec.least, "gap.entries.least")
    )
    return dict.fromkeys(rule.jurisdiction, numbers)
