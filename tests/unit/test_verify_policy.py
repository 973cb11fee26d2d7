"""A witness policy says when a checkpoint is final, and a file that is not one is refused with its line."""

from __future__ import annotations

import contextlib
from itertools import product

import pytest
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.errors import BadSignatureError
from balance_verify.note import NoteSignature, SignedNote, SigningKey, sign_note
from balance_verify.policy import Policy, PolicyError, PolicyGroup, PolicyLog, PolicyWitness, time_text
from hypothesis import given, settings
from hypothesis import strategies as st

LOG = SigningKey.generate("court.example/log", bytes(32))
KEYS = [CosigningKey.generate(f"w{n}.example", bytes([n]) * 32) for n in range(8)]
TEXT = Checkpoint("court.example/log", 7, bytes(32)).text()

# The specification's own example, with keys in it.
EXAMPLE = f"""log {LOG.vkey}

witness X1 {KEYS[0].vkey}
witness X2 {KEYS[1].vkey}
witness X3 {KEYS[2].vkey}
group X-witnesses 2 X1 X2 X3

witness Y1 {KEYS[3].vkey}
witness Y2 {KEYS[4].vkey}
witness Y3 {KEYS[5].vkey}
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def cosigned(*witnesses: tuple[int, int]) -> SignedNote:
    """The checkpoint, cosigned by these witnesses at these times."""
    return SignedNote(TEXT, (*sign_note(TEXT, LOG).signatures, *(KEYS[n].cosign(TEXT, time) for n, time in witnesses)))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A policy of nested groups: each name is a member once at most, and only of what comes after."""
    witnesses = tuple(
        PolicyWitness(f"W{n}", KEYS[n].vkey, draw(st.sampled_from(["", f"https://w{n}.example/"])))
        for n in range(draw(st.integers(1, 6)))
    )
    free = [each.name for each in witnesses]
    groups: list[PolicyGroup] = []
    for number in range(draw(st.integers(0, 4))):
        members = draw(st.lists(st.sampled_from(free), unique=True, min_size=1)) if free else []
        if not members:
            break
        free = [name for name in free if name not in members] + [f"G{number}"]
        groups.append(PolicyGroup(f"G{number}", draw(st.integers(1, len(members))), tuple(members)))
    names = ["none", *(each.name for each in witnesses), *(group.name for group in groups)]
    logs = (PolicyLog(LOG.vkey, draw(st.sampled_from(["", "https://log.example/"]))),) if draw(st.booleans()) else ()
    return Policy(logs, witnesses, tuple(groups), draw(st.sampled_from(names)))


def oracle(policy: Policy, names: set[str], of: str | None = None) -> bool:
    """Whether these witnesses are a quorum, by going down from it."""
    of = policy.quorum if of is None else of
    if of == "none":
        return True
    for group in policy.groups:
        if group.name == of:
            return len([member for member in group.members if oracle(policy, names, member)]) >= group.threshold
    return of in names


@given(policies())
@settings(max_examples=100, deadline=None)
def test_a_policy_is_read_as_it_is_written(policy: Policy) -> None:
    assert Policy.parse(policy.text().encode()) == policy


@given(policies(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_quorum_is_what_the_groups_say(policy: Policy, data: st.DataObject) -> None:
    names = [each.name for each in policy.witnesses]
    present = data.draw(st.sets(st.sampled_from(names)))
    assert policy.satisfied_by(present) is oracle(policy, present)
    more = present | data.draw(st.sets(st.sampled_from(names)))
    assert policy.satisfied_by(more) or not policy.satisfied_by(present), "one more cosignature never hurts"


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 1000)), unique_by=lambda each: each[0]))
@settings(max_examples=80, deadline=None)
def test_the_time_is_the_first_at_which_a_quorum_had_cosigned(witnesses: list[tuple[int, int]]) -> None:
    policy = Policy.parse(EXAMPLE.encode())
    verdict = policy.judge(cosigned(*witnesses))
    names = dict(enumerate(("X1", "X2", "X3", "Y1", "Y2", "Y3")))
    assert {each.witness for each in verdict.cosigned} == {names[n] for n, _ in witnesses}
    assert set(verdict.missing) == set(names.values()) - {names[n] for n, _ in witnesses}
    times = [t for t in range(1001) if oracle(policy, {names[n] for n, time in witnesses if time <= t})]
    assert verdict.time == (times[0] if times else None)
    assert verdict.reached is bool(times)


def test_the_specifications_example_asks_for_two_of_three_and_one_of_three() -> None:
    policy = Policy.parse(EXAMPLE.encode())
    for x, y in product(range(4), range(4)):
        note = cosigned(*((n, 9) for n in range(x)), *((3 + n, 9) for n in range(y)))
        assert policy.judge(note).reached is (x >= 2 and y >= 1)


def test_signatures_of_strangers_are_ignored_and_a_bad_one_of_a_witness_is_not() -> None:
    policy = Policy.parse(EXAMPLE.encode())
    note = cosigned((0, 1), (1, 2), (3, 3), (7, 4))
    verdict = policy.judge(note)
    assert verdict.reached
    assert str(verdict) == "3 of 6 witnesses cosigned (X1, X2, Y1); missing X3, Y2, Y3"
    forged = NoteSignature(KEYS[4].vkey.name, KEYS[4].vkey.key_hash, bytes(72))
    with pytest.raises(BadSignatureError):
        policy.judge(SignedNote(TEXT, (*note.signatures, forged)))


def test_a_quorum_of_none_is_reached_by_the_log_alone() -> None:
    policy = Policy.parse(f"log {LOG.vkey}\nquorum none\n".encode())
    verdict = policy.judge(cosigned())
    assert (verdict.reached, verdict.time, verdict.missing) == (True, None, ())


def test_spaces_tabs_comments_and_blank_lines_mean_nothing() -> None:
    text = f" \t\n# Wörter, 注释\n\t#\n witness\tw\t {KEYS[0].vkey}  https://w.example/ \n\nquorum w"
    policy = Policy.parse(text.encode())
    assert policy.witnesses == (PolicyWitness("w", KEYS[0].vkey, "https://w.example/"),)


def test_names_are_octets_and_never_folded() -> None:
    kelvin = b"\xe2\x84\xaa"
    odd = b"\xff\xfe"
    lines = b"".join(
        b"witness %s %s\n" % (n, str(k.vkey).encode()) for n, k in zip((b"K", kelvin, odd), KEYS, strict=False)
    )
    policy = Policy.parse(lines + b"group g 2 K " + kelvin + b" " + odd + b"\nquorum g\n")
    assert len({each.name for each in policy.witnesses}) == 3
    verdict = policy.judge(cosigned((2, 1)))
    assert verdict.cosigned[0].witness == "\ufffd\ufffd"


W = f"witness w {KEYS[0].vkey}\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 0, "no quorum"),
        (W, 0, "no quorum"),
        (W + "quorum x\n", 2, "not defined"),
        ("quorum w\n" + W, 1, "not defined"),
        (W + "quorum w\nquorum w\n", 3, "second quorum"),
        (W + "quorum w w\n", 2, "quorum line"),
        (W + "group g any v\nquorum g\n", 2, "not defined"),
        (W + "group g any none\nquorum g\n", 2, "not defined"),
        (W + "group g any g\nquorum g\n", 2, "not defined"),
        (W + "group g any\nquorum g\n", 2, "group line"),
        (W + "group g 0 w\nquorum g\n", 2, "asks for"),
        (W + "group g 2 w\nquorum g\n", 2, "asks for"),
        (W + "group g 01 w\nquorum g\n", 2, "asks for"),
        (W + "group g +1 w\nquorum g\n", 2, "asks for"),
        (W + "group g ١ w\nquorum g\n", 2, "asks for"),
        (W + "group g any w w\nquorum g\n", 2, "once more"),
        (W + "group g any w\ngroup h any w g\nquorum h\n", 3, "once more"),
        (W + "group w any w\nquorum w\n", 2, "taken"),
        (W + f"witness w {KEYS[1].vkey}\nquorum w\n", 2, "taken"),
        (f"witness none {KEYS[1].vkey}\nquorum none\n", 1, "taken"),
        (W + f"witness v {KEYS[0].vkey}\nquorum w\n", 2, "second time"),
        (f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n", 2, "second time"),
        (f"log {KEYS[0].vkey}\nquorum none\n", 1, "type 0x01"),
        (f"witness w {LOG.vkey}\nquorum w\n", 1, "type 0x04"),
        ("witness w\nquorum w\n", 1, "witness line"),
        ("log\nquorum none\n", 1, "log line"),
        ("log a+b\nquorum none\n", 1, "bad key"),
        ("tree x\nquorum none\n", 1, "begins with"),
        ("Log x\nquorum none\n", 1, "begins with"),
        (W + "quorum w\r\n", 2, "control"),
        (W + "quorum w\x7f\n", 2, "control"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem) as caught:
        Policy.parse(text.encode())
    assert caught.value.line == line
    assert (f"policy line {line}:" in str(caught.value)) is bool(line)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: (W + text).encode("utf-8", "surrogatepass")))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_the_reader(data: bytes) -> None:
    with contextlib.suppress(PolicyError):
        Policy.parse(data)


def test_at_least_32_of_each_kind_are_read() -> None:
    keys = [CosigningKey.generate(f"w{n}.example", bytes([100 + n]) * 32) for n in range(32)]
    logs = [SigningKey.generate(f"log{n}.example", bytes([n]) * 32) for n in range(32)]
    lines = [f"log {key.vkey}" for key in logs] + [f"witness w{n} {key.vkey}" for n, key in enumerate(keys)]
    lines += [f"group g{n} all w{n}" for n in range(32)]
    policy = Policy.parse(("\n".join(lines) + "\nquorum g31\n").encode())
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)
    assert policy.counted() == ("w31",)
    assert policy.log_of("log7.example") == logs[7].vkey
    assert not policy.lists(LOG.vkey)


def test_times_are_written_for_people() -> None:
    assert time_text(1_795_554_162) == "2026-11-24T21:02:42Z"
    assert time_text(2**63 - 1) == f"second {2**63 - 1}"
