"""A rule's conditions are a subset of CEL: each means what a CEL library says that its expression means."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import celpy
import msgspec
from balance_chain.core.events import CanonicalEvent
from balance_chain.core.times import format_ms
from balance_judge_audit.engine.conditions import Parameters, compile_condition
from balance_judge_audit.engine.modelparts import Condition, Parameter
from hypothesis import given, settings
from hypothesis import strategies as st

ZONE = ZoneInfo("Asia/Shanghai")
T0 = 1_772_000_000_000
HOUR = 3_600_000
PARAMETERS = {
    "number": Parameter(value=2, unit="count", zh="数", en="Number"),
    "words": Parameter(value=("a", "b"), unit="choices", zh="词", en="Words"),
    "hours": Parameter(value=3, unit="hours", zh="小时", en="Hours"),
    "days": Parameter(value=1, unit="days", zh="日", en="Days"),
    "night": Parameter(value=22, unit="count", zh="夜", en="Night"),
    "morning": Parameter(value=6, unit="count", zh="晨", en="Morning"),
}
FIELDS = ["data.x", "data.y", "data.deep.x", "actorref", "source"]
SCALARS: st.SearchStrategy[str | int | bool] = st.sampled_from(["a", "b", "c", 0, 1, 2, 3, True, False])
VALUES = SCALARS | st.lists(st.sampled_from(["a", "b", "c"]), max_size=3)
DEEP = st.fixed_dictionaries({}, optional={"x": SCALARS}) | SCALARS
TIMES = ["time", "recordedtime", "receivedtime", "data.at"]


@st.composite
def events(draw: st.DrawFn) -> CanonicalEvent:
    data: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"x": VALUES, "y": VALUES, "deep": DEEP}))
    times = [T0 + draw(st.sampled_from([-24, -3, 0, 3, 9, 24])) * HOUR + draw(st.integers(-1, 1)) for _ in range(4)]
    if draw(st.booleans()):
        data["at"] = format_ms(times[3])
    return CanonicalEvent(
        specversion="1.0",
        id="e-1",
        source=draw(st.sampled_from(["a", "urn:balance:test"])),
        type="hearing.held",
        time=format_ms(times[0]),
        recordedtime=format_ms(times[1]) if draw(st.booleans()) else None,
        receivedtime=format_ms(times[2]),
        phase="test",
        rawgen=0,
        rawpos=0,
        actorref=draw(st.sampled_from([None, "a", "r_1"])),
        data=data,
    )


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """A condition as a rule file has it."""
    number = draw(st.sampled_from([0, 1, 2, "$number"]))
    kind = draw(st.sampled_from(["field"] * 6 + ["count", "elapsed", "hours"]))
    if kind == "count":
        return {"count": draw(st.sampled_from(FIELDS)), "at_least": number}
    if kind == "elapsed":
        ends = {"from": draw(st.sampled_from(TIMES)), "to": draw(st.sampled_from(TIMES))}
        compared = draw(st.sampled_from(["more_than", "less_than", "at_least"]))
        return {"elapsed": ends, compared: draw(st.sampled_from(["$hours", "$days"]))}
    if kind == "hours":
        ends = draw(st.sampled_from([{"from": "$night", "to": "$morning"}, {"from": "$morning", "to": "$night"}]))
        return {"hours": ends}
    words = draw(st.sampled_from(["$words", ["a", 1], [True, "b"], [0, 2]]))
    name, value = draw(
        st.sampled_from(
            [
                ("is", draw(SCALARS)),
                ("is_not", draw(SCALARS)),
                ("in", words),
                ("not_in", words),
                ("present", draw(st.booleans())),
                ("same_as", draw(st.sampled_from(FIELDS))),
                ("differs_from", draw(st.sampled_from(FIELDS))),
                ("at_least", number),
                ("more_than", number),
            ]
        )
    )
    return {"field": draw(st.sampled_from(FIELDS)), name: value}


def present(path: str) -> str:
    """CEL for: the event has this field."""
    steps = path.split(".")
    if steps[0] != "data":
        return f"has(e.{path})"
    found = [f"has(e.{'.'.join(steps[:2])})"]
    for depth in range(2, len(steps)):
        parent = "e." + ".".join(steps[:depth])
        found.append(f"type({parent}) == map && has(e.{'.'.join(steps[: depth + 1])})")
    return " && ".join(found)


def literal(value: Any) -> str:
    return json.dumps(value)


def equals(path: str, value: Any) -> str:
    return f"({present(path)} && type(e.{path}) == type({literal(value)}) && e.{path} == {literal(value)})"


def agree(path: str, other: str) -> str:
    return f"(type(e.{path}) == type(e.{other}) && e.{path} == e.{other})"


def resolved(value: Any) -> Any:
    return PARAMETERS[value[1:]].value if isinstance(value, str) and value.startswith("$") else value


def moment(name: str) -> str:
    """CEL for an instant; what the source does not say of its entry is the time of receipt."""
    if name == "recordedtime":
        return "timestamp(has(e.recordedtime) ? e.recordedtime : e.receivedtime)"
    return f"timestamp(e.{name})"


def cel(condition: dict[str, Any]) -> str:
    """The condition as an expression of CEL over the event `e`."""
    if "hours" in condition:
        first, last = resolved(condition["hours"]["from"]), resolved(condition["hours"]["to"])
        hour = f'timestamp(e.time).getHours("{ZONE.key}")'
        return f"{hour} >= {first} {'&&' if first <= last else '||'} {hour} < {last}"
    (name, value) = next((n, v) for n, v in condition.items() if n not in ("field", "count", "elapsed"))
    sign = {"more_than": ">", "less_than": "<", "at_least": ">="}.get(name)
    if "elapsed" in condition:
        ends = condition["elapsed"]["from"], condition["elapsed"]["to"]
        hours = PARAMETERS[value[1:]].value * (24 if value == "$days" else 1)  # type: ignore[operator]
        known = " && ".join(present(each) for each in ends if each == "data.at") or "true"
        return f'{known} && {moment(ends[1])} - {moment(ends[0])} {sign} duration("{hours}h")'
    if "count" in condition:
        path = condition["count"]
        return f"{present(path)} && type(e.{path}) == list && size(e.{path}) >= {resolved(value)}"
    path = condition["field"]
    match name:
        case "is":
            return equals(path, value)
        case "is_not":
            return "!" + equals(path, value)
        case "in" | "not_in":
            among = " || ".join(equals(path, each) for each in resolved(value))
            return f"({among})" if name == "in" else f"!({among})"
        case "present":
            return f"({present(path)}) == {literal(value)}"
        case "same_as":
            return f"{present(path)} && {present(value)} && {agree(path, value)}"
        case "differs_from":
            return f"{present(path)} && {present(value)} && !{agree(path, value)}"
    return f"{present(path)} && type(e.{path}) == int && e.{path} {sign} {resolved(value)}"


@cache
def program(source: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(source))


program("true")  # the library raises the recursion limit when it first parses; hypothesis wants that done before


@settings(max_examples=400, deadline=None)
@given(conditions(), events())
def test_a_condition_means_what_its_cel_expression_means(condition: dict[str, Any], event: CanonicalEvent) -> None:
    ours = compile_condition(msgspec.convert(condition, Condition), Parameters(PARAMETERS), "where")(event, ZONE)
    fields = {name: value for name, value in msgspec.to_builtins(event).items() if value is not None}
    theirs = program(cel(condition)).evaluate({"e": celpy.json_to_cel(fields)})
    assert ours == bool(theirs), cel(condition)
