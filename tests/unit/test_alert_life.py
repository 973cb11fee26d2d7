"""The life of an alert: legal acts move it, illegal ones are refused with a reason, and the order in which its items
arrive changes nothing.
"""

from dataclasses import replace

import pytest
from balance_judge_audit.engine.life import (
    JUDGING,
    REASONED,
    RUNNING,
    SETTLED,
    SPOKEN,
    TOP_LEVEL,
    VERDICTS,
    Act,
    Entry,
    Escalation,
    Life,
    Occurrence,
    live,
)
from hypothesis import given, settings
from hypothesis import strategies as st

JUDGE, MONITOR, SUPERVISOR = "r_judge", "r_monitor", "r_supervisor"
SUBJECTS = frozenset({JUDGE})
UNTOUCHED, REPLY = 100, 250


class Plain:
    """Terms without a calendar: so many milliseconds."""

    def untouched_until(self, since: int) -> int:
        return since + UNTOUCHED

    def reply_until(self, since: int) -> int:
        return since + REPLY


TERMS = Plain()
RAISED = Occurrence(10, 1, "open", SUBJECTS)


def act(name: str, time: int, actor: str | None = MONITOR, **more: object) -> Act:
    given: dict[str, object] = {"reasoned": name in REASONED}
    if name == "confirm":
        given["verdict"] = "breach"
    if name == "dismiss":
        given["verdict"] = "excused"
    if name == "assign":
        given["assignee"] = SUPERVISOR
    return Act(time, 0, time, f"a-{time}", name, actor, **{**given, **more})  # type: ignore[arg-type]


def life(*items: Occurrence | Act, until: int = 0) -> Life:
    return live(items, TERMS, until)


def codes(of: Life) -> list[str]:
    return [entry.refusal.code for entry in of.entries if entry.refusal]


def test_an_alert_goes_from_raised_to_closed() -> None:
    acts = [
        act("acknowledge", 20),
        act("assign", 30),
        act("respond", 40, JUDGE),
        act("dismiss", 50, SUPERVISOR, revision=1),
        act("close", 60, SUPERVISOR, cause="dismissed"),
    ]
    seen = [life(RAISED, *acts[:count]).stage for count in range(len(acts) + 1)]
    assert seen == ["raised", "acknowledged", "assigned", "assigned", "dismissed", "closed"]
    ended = life(RAISED, *acts)
    assert (ended.verdict, ended.cause, ended.assignee, ended.due) == ("excused", "dismissed", SUPERVISOR, None)
    assert codes(ended) == []


def test_nobody_disposes_of_an_alert_about_himself() -> None:
    for name in sorted({"acknowledge", "assign", "explain", "confirm", "dismiss", "escalate", "reopen", "close"}):
        assert codes(life(RAISED, act(name, 20, JUDGE))) == ["about_himself"]
    assert codes(life(RAISED, act("assign", 20, assignee=JUDGE))) == ["assigned_to_subject"]
    assert codes(life(RAISED, act("acknowledge", 20, None))) == ["no_actor"]


def test_the_subject_is_heard_first() -> None:
    early = life(RAISED, act("acknowledge", 20), act("confirm", 30))
    refused = [(entry.refusal.code, entry.refusal.until) for entry in early.entries if entry.refusal]
    assert refused == [("unheard", 10 + REPLY)]
    assert life(RAISED, act("acknowledge", 20), act("respond", 25, JUDGE), act("confirm", 30)).stage == "confirmed"
    assert life(RAISED, act("acknowledge", 20), act("confirm", 10 + REPLY)).stage == "confirmed"
    assert life(Occurrence(10, 1, "open"), act("acknowledge", 20), act("confirm", 30)).stage == "confirmed"
    both = replace(RAISED, about=SUBJECTS | {"r_other"})
    assert codes(life(both, act("acknowledge", 20), act("respond", 25, JUDGE), act("confirm", 30))) == ["unheard"]
    assert codes(life(RAISED, act("respond", 25, MONITOR))) == ["not_subject"]


def test_a_reply_to_what_was_said_before_is_not_one_to_what_is_new() -> None:
    items = [
        RAISED,
        act("acknowledge", 20),
        act("respond", 25, JUDGE),
        act("dismiss", 30),
        act("reopen", 40, SUPERVISOR),
        act("acknowledge", 50),
        act("confirm", 60),
    ]
    again = life(*items)
    assert again.stage == "acknowledged"
    assert codes(again) == ["unheard"]
    assert again.reply_until == 40 + REPLY


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([act("acknowledge", 20)], "not_raised"),
        ([RAISED, act("confirm", 300)], "wrong_stage"),
        ([RAISED, act("acknowledge", 20), act("acknowledge", 30)], "wrong_stage"),
        ([RAISED, act("close", 20, cause="cured")], "wrong_stage"),
        ([RAISED, act("close", 20, cause="confirmed")], "wrong_stage"),
        ([RAISED, act("reopen", 20)], "wrong_stage"),
        ([RAISED, act("acknowledge", 20), act("explain", 30, reasoned=False)], "no_reason"),
        ([RAISED, act("acknowledge", 20), act("confirm", 300, verdict="excused")], "no_verdict"),
        ([RAISED, act("acknowledge", 20), act("dismiss", 300, verdict=None)], "no_verdict"),
        ([RAISED, act("assign", 20, assignee=None)], "no_assignee"),
        ([RAISED, *(act("escalate", time) for time in (20, 30, 40))], "top_level"),
        ([RAISED, act("acknowledge", 20), Occurrence(25, 2, "open"), act("explain", 30, revision=1)], "changed_since"),
    ],
)
def test_an_illegal_act_is_refused_with_its_reason_and_changes_nothing(
    items: list[Occurrence | Act], code: str
) -> None:
    before, after = life(*items[:-1], until=items[-1].time + 1), life(*items)
    assert codes(after)[-1] == code
    assert replace(after, entries=()) == replace(before, entries=())


def test_an_alert_left_untouched_goes_up_a_level_until_the_top_and_any_act_answers() -> None:
    assert life(RAISED, until=110).escalations == ()
    assert life(RAISED, until=111).escalations == (Escalation(1, 110),)
    assert [each.due for each in life(RAISED, until=10_000).escalations] == [110, 210]
    answered = life(RAISED, act("acknowledge", 150), until=240)
    assert answered.escalations == (Escalation(1, 110, answered=150),)
    assert (answered.level, answered.due) == (1, 250)
    assert life(RAISED, act("comment", 50), act("respond", 60, JUDGE), until=111).level == 1


def test_whom_a_later_revision_is_about_is_bound_from_then_on_and_not_before() -> None:
    later = Occurrence(50, 2, "open", frozenset({SUPERVISOR}))
    whole = life(RAISED, act("acknowledge", 20, SUPERVISOR), later, act("assign", 60, SUPERVISOR))
    assert (whole.stage, codes(whole)) == ("acknowledged", ["about_himself"])


def test_a_cure_ends_the_waiting_and_says_so_and_does_not_settle() -> None:
    cured = life(RAISED, Occurrence(50, 2, "cured"), until=10_000)
    assert (cured.stage, cured.state, cured.due, cured.escalations) == ("raised", "cured", None, ())
    back = life(RAISED, Occurrence(50, 2, "cured"), Occurrence(60, 3, "open"))
    assert (back.stage, back.due) == ("raised", 160)
    closed = life(RAISED, Occurrence(50, 2, "cured"), act("close", 60, cause="cured"))
    assert closed.stage == "closed"


def test_a_new_occurrence_wipes_nothing_and_opens_again_what_was_closed() -> None:
    settled = [RAISED, act("acknowledge", 20), act("comment", 22), act("explain", 30, revision=1)]
    news = life(*settled, Occurrence(40, 2, "open"))
    assert (news.stage, news.news) == ("explained", True)
    again = life(*settled, act("close", 35, cause="explained"), Occurrence(40, 2, "open"))
    assert (again.stage, again.due, again.raised) == ("reopened", 140, 40)
    assert [entry.item for entry in again.entries][:4] == [entry.item for entry in news.entries][:4]
    assert again.entries[-1].reopened


NAMES = sorted({*VERDICTS, *SPOKEN, *JUDGING, "acknowledge", "assign", "escalate", "reopen"})
ACTS = st.builds(
    Act,
    time=st.integers(0, 900),
    shard=st.integers(0, 1),
    offset=st.integers(0, 10_000),
    id=st.just(""),
    name=st.sampled_from(NAMES),
    actor=st.sampled_from([JUDGE, MONITOR, SUPERVISOR, None]),
    verdict=st.sampled_from(["breach", "excused", None]),
    assignee=st.sampled_from([JUDGE, SUPERVISOR, None]),
    revision=st.sampled_from([1, 3, None]),
    cause=st.sampled_from(["explained", "confirmed", "dismissed", "cured", None]),
    reasoned=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Occurrence | Act]:
    times = sorted(draw(st.lists(st.integers(0, 900), min_size=1, max_size=6)))
    states = [draw(st.sampled_from(["open", "open", "cured"])) for _ in times]
    said: list[Occurrence | Act] = [
        Occurrence(time, number, "open" if number == 1 else state, SUBJECTS)
        for number, (time, state) in enumerate(zip(times, states, strict=True), 1)
    ]
    acts = draw(st.lists(ACTS, max_size=25, unique_by=lambda each: (each.shard, each.offset)))
    return said + [replace(each, id=f"{each.shard}-{each.offset}") for each in acts]


@settings(max_examples=1500, deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.integers(0, 1500))
def test_the_same_items_make_the_same_life_in_whatever_order_they_arrive(
    items: list[Occurrence | Act], random: object, until: int
) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert life(*shuffled, until=until) == life(*items, until=until)


@settings(max_examples=1500, deadline=None)
@given(histories(), st.integers(0, 1500))
def test_whatever_is_tried_the_promises_hold(items: list[Occurrence | Act], until: int) -> None:
    whole = life(*items, until=until)
    entries = [entry for entry in whole.entries if not isinstance(entry.item, Escalation)]
    assert len(entries) == len(items)  # nothing that was said is ever lost
    for place, entry in enumerate(whole.entries):
        before = whole.entries[place - 1].stage if place else "raised"
        item = entry.item
        if entry.refusal is not None:
            assert entry.stage == before
        elif isinstance(item, Act):
            assert item.actor is not None or item.name in SPOKEN
            assert item.actor not in SUBJECTS or item.name in SPOKEN
            if item.name in VERDICTS:
                begun = max(number for number, each in enumerate(whole.entries[:place]) if _begins(each))
                heard = any(
                    isinstance(each.item, Act) and each.item.name == "respond" and not each.refusal
                    for each in whole.entries[begun:place]
                )
                assert heard or item.time >= whole.entries[begun].item.time + REPLY
            if item.name == "close":
                assert before in SETTLED or item.cause == "cured"
        elif isinstance(item, Occurrence):
            assert entry.reopened == (before == "closed" and item.state == "open")
            assert entry.reopened or entry.stage == before
        else:
            assert entry.stage in RUNNING
            assert item.level <= TOP_LEVEL
    assert whole.due is None or whole.stage in RUNNING
    assert whole.due is None or whole.due >= until or whole.level < TOP_LEVEL


def _begins(entry: Entry) -> bool:
    return entry.reopened or (isinstance(entry.item, Occurrence) and entry.item.revision == 1)


@settings(max_examples=500, deadline=None)
@given(histories(), st.integers(0, 900), st.integers(0, 900))
def test_what_was_escalated_before_an_instant_stays_so_whatever_comes_after_it(
    items: list[Occurrence | Act], one: int, other: int
) -> None:
    early, late = sorted((one, other))
    known = [item for item in items if item.time < early]
    then, now = life(*known, until=early), life(*items, until=late)
    assert [(each.level, each.due) for each in now.escalations][: len(then.escalations)] == [
        (each.level, each.due) for each in then.escalations
    ]
