"""Numbers of one source that arrive in the same millisecond are read in the order of the numbers."""

from itertools import permutations

import pytest
from balance_chain.core.data import data_dir
from balance_judge_audit import rulebook
from balance_judge_audit.engine.gap import GapEngine, SequenceFact, SourceState

NOW = 1_000_000
LATENESS = 60_000


@pytest.mark.parametrize("leaves", list(permutations((b"a", b"b", b"c"))))
def test_a_gap_begins_at_its_own_number_whatever_the_leaves_say(leaves: tuple[bytes, ...]) -> None:
    gap = rulebook.load(data_dir("rules")).gap
    assert gap is not None
    facts = [
        SequenceFact(NOW, leaf, "urn:source", number, f"e{number}", "case.fee_paid", 0, number)
        for leaf, number in zip(leaves, (1, 3, 4), strict=True)
    ]
    sources: dict[str, SourceState] = {}
    (said,) = GapEngine(gap, LATENESS).apply(sources, facts, NOW + 2 * LATENESS)
    assert (said.start, said.numbers["missing"]) == ("2", 1)
