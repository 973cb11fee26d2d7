"""A back-test says what the worker would have said with another rule over the same history, live or archived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
from balance_chain.core.canonical import encode_event
from balance_chain.core.courts import Courts
from balance_chain.core.data import data_dir
from balance_chain.core.keys import KeyDirectory
from balance_chain.core.times import parse_ms, parse_time
from balance_judge_audit import rulebook
from balance_judge_audit.applier import Record
from balance_judge_audit.backtest.compare import Difference
from balance_judge_audit.backtest.history import ArchiveHistory
from balance_judge_audit.backtest.run import Answer, backtest, chosen
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.errors import HistoryUnreadable, NoSuchRule
from balance_judge_audit.loading import event_schemas
from balance_judge_audit.places import CN_ZONE, PlaceFinder
from balance_judge_audit.rulebook import RuleFileError
from balance_judge_audit.ruletest import CLOCKS, SHARDS, RuleCase, Step, load_cases, play, written
from support.archived import export, grow
from support.smallledger import SmallLedger

RULES = data_dir("rules")
BOOK = rulebook.load(RULES)
CASES = [(each.rule, case) for each in load_cases(RULES / "tests") for case in each.cases]
ALWAYS = (0, parse_ms("2100-01-01T00:00:00.000Z"))


class Written:
    """History as lists of records, given out a few at a time."""

    def __init__(self, shards: Mapping[int, Sequence[bytes]], size: int = 3) -> None:
        self._left = {shard: [Record(n, value) for n, value in enumerate(values)] for shard, values in shards.items()}
        self._size = size
        self.shards = len(shards)
        self.total: int | None = sum(map(len, shards.values()))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self, shard: int) -> list[Record]:
        taken, self._left[shard] = self._left[shard][: self._size], self._left[shard][self._size :]
        return taken


def history(steps: Sequence[Step], until: str, size: int = 3) -> Written:
    shards: dict[int, list[bytes]] = {number: [] for number in range(SHARDS)}
    for shard, event in written(steps, until):
        shards[shard].append(encode_event(event))
    return Written(shards, size)


async def held(rules: tuple[Rule | None, Rule], past: Any, span: tuple[int, int] = ALWAYS, most: int = 100) -> Answer:
    return await backtest(past, rules, span, CLOCKS, most, lambda *_: None)


def with_parameter(rule: Rule, name: str, value: int) -> Rule:
    parameter = msgspec.structs.replace(rule.parameters[name], value=value)
    return msgspec.structs.replace(rule, version="1.1.0", parameters={**rule.parameters, name: parameter})


def submitted(number: int, accepted: str | None) -> list[Step]:
    case = f"（2026）京0491民初{number}号"
    steps = [Step(type="case.submitted", time="2026-03-02T09:00:00+08:00", case=case, shard=number % SHARDS)]
    if accepted:
        steps.append(Step(type="case.accepted", time=accepted, case=case, shard=number % SHARDS))
    return steps


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule}: {case.name}" for rule, case in CASES])
async def test_a_rule_alone_says_over_history_what_it_says_in_the_stream(rule: str, case: RuleCase) -> None:
    places = PlaceFinder(Courts.load(data_dir("catalogue")))
    last = {each.start: each for each in play(BOOK, places, case.events, case.until) if each.rule == rule}
    wanted = {(each.subject, start, each.state, each.revision) for start, each in last.items() if not each.private}
    answer = await held((None, BOOK.rules[rule]), history(case.events, case.until))
    added = [each.new for each in answer.cases["added"]]
    assert None not in added
    assert {(each.subject, each.start, each.new.state, each.new.revision) for each in answer.cases["added"]} == wanted  # type: ignore[union-attr]


async def test_a_changed_period_shows_what_is_gone_changed_and_the_same() -> None:
    steps = sorted(
        [
            *submitted(1, "2026-03-12T09:00:00+08:00"),  # late by seven days, in time by fourteen
            *submitted(2, "2026-03-20T09:00:00+08:00"),  # late by both, by fewer days
            *submitted(3, "2026-03-05T09:00:00+08:00"),  # in time by both
        ],
        key=lambda each: each.time,
    )
    standing = BOOK.rules["R01"]
    until = "2026-05-01T09:00:00+08:00"
    answer = await held((standing, with_parameter(standing, "days", 14)), history(steps, until))
    assert answer.counts == {"added": 0, "gone": 1, "same": 0, "changed": 1}
    [gone], [changed] = answer.cases["gone"], answer.cases["changed"]
    assert gone.subject == "（2026）京0491民初1号"
    assert (changed.subject, set(changed.differs)) == ("（2026）京0491民初2号", {"raised", "numbers"})
    assert changed.current is not None
    assert changed.new is not None
    assert (changed.current.numbers["period"], changed.new.numbers["period"]) == ("7 days", "14 days")
    unchanged = await held((standing, standing), history(steps, until))
    assert unchanged.counts == {"added": 0, "gone": 0, "same": 2, "changed": 0}


async def test_only_what_was_raised_within_the_span_is_told_and_history_ends_with_it() -> None:
    steps = [*submitted(1, None), *submitted(2, None)]
    raised = parse_time("2026-03-10T00:00:00+08:00", CN_ZONE).ms
    rule = (None, BOOK.rules["R01"])
    spans = ((0, raised, 0), (0, raised + 1, 2), (raised, raised + 1, 2), (raised + 1, ALWAYS[1], 0))
    for since, end, count in spans:
        answer = await held(rule, history(steps, "2026-05-01T09:00:00+08:00"), (since, end))
        assert answer.counts["added"] == count, (since, end)
    early = await held(rule, history(steps, "2026-05-01T09:00:00+08:00"), (0, raised))
    assert early.reached == "2026-03-09T16:00:00.000Z"


async def test_the_cases_listed_are_bounded_and_the_counts_are_not() -> None:
    steps = [step for number in range(1, 30) for step in submitted(number, None)]
    answer = await held((None, BOOK.rules["R01"]), history(steps, "2026-05-01T09:00:00+08:00"), most=4)
    assert (answer.counts["added"], len(answer.cases["added"])) == (29, 4)


async def test_what_cannot_be_read_is_counted_and_passed_over() -> None:
    past = history(submitted(1, None), "2026-05-01T09:00:00+08:00")
    values = {shard: [b"{}", *(record.value for record in records)] for shard, records in past._left.items()}
    answer = await held((None, BOOK.rules["R01"]), Written(values))
    assert (answer.unreadable, answer.counts["added"]) == (SHARDS, 1)


async def test_an_archive_gives_the_records_of_the_topic(tmp_path: Path, keys: KeyDirectory) -> None:
    ledger = SmallLedger(keys.signing_key("log"), keys.signing_key("sealer"), keys.signing_key("gateway"))
    folder = tmp_path / "archive"
    grow(ledger, 5)
    await export(ledger, folder)
    for shard, values in enumerate(ledger.events):
        found = await archived(folder, shard)
        assert [(each.offset, each.value) for each in found] == list(enumerate(values))
    cut_short(folder)
    with pytest.raises(HistoryUnreadable, match="ends within event"):
        await archived(folder, 1)


async def archived(folder: Path, shard: int) -> list[Record]:
    found: list[Record] = []
    async with ArchiveHistory(folder) as past:
        while records := await past.read(shard):
            found += records
    return found


def cut_short(folder: Path) -> None:
    victim = next(folder.glob("blocks/1/*.events"))
    victim.write_bytes(victim.read_bytes()[:-1])


def test_the_new_rule_is_one_of_a_file_or_of_a_directory_and_is_checked(tmp_path: Path) -> None:
    text = (RULES / "R01.yaml").read_text(encoding="utf-8")
    new = tmp_path / "new.yaml"
    new.write_text(text.replace("value: 7", "value: 14"), encoding="utf-8")
    standing, candidate = chosen("R01", RULES, new)
    assert standing is not None
    assert (standing.parameters["days"].value, candidate.parameters["days"].value) == (7, 14)
    assert chosen("R01", RULES, None)[0] is None
    with pytest.raises(NoSuchRule):
        chosen("R02", RULES, new)
    with pytest.raises(NoSuchRule):
        chosen("R99", RULES, None)
    new.write_text(text.replace("event: case.submitted", "event: case.imagined"), encoding="utf-8")
    with pytest.raises(RuleFileError, match=r"new\.yaml:\d+: .*case\.imagined"):
        chosen("R01", RULES, new)
    assert "case.submitted" in event_schemas()


def test_a_difference_names_nobody_who_is_not_there() -> None:
    assert msgspec.to_builtins(Difference("added", "s", "case")) == {
        "verdict": "added",
        "subject": "s",
        "start": "case",
    }
