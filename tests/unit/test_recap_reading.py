"""A docket text is read by its head and its object, and never by guessing. Every text here is invented."""

import pytest
from balance_chain.adapters.recap import Status, read
from balance_chain.adapters.recap.rules import SKIP, Family, HeadRule, ObjectRule
from balance_chain.adapters.recap.tables import HEADS, OBJECTS
from balance_chain.adapters.recap.text import object_text, prepare, without_references
from balance_chain.core.catalogue import Catalogue
from balance_chain.core.data import data_dir
from hypothesis import given
from hypothesis import strategies as st

TYPES = Catalogue.load(data_dir("catalogue")).types


def types_of(text: str, *, appellate: bool = False) -> list[str]:
    return [found.type for found in read(text, appellate=appellate).found]


@pytest.mark.parametrize("rule", HEADS, ids=lambda rule: rule.name)
def test_every_head_reads_its_own_example(rule: HeadRule) -> None:
    reading = read(rule.example)
    assert reading.rule == rule.name
    assert reading.status is (Status.SKIPPED if rule.gives == SKIP else Status.MAPPED)


@pytest.mark.parametrize("rule", OBJECTS, ids=lambda rule: rule.name)
def test_every_object_finds_its_own_example(rule: ObjectRule) -> None:
    found = [
        (match.start(), number) for number, each in enumerate(OBJECTS) if (match := each.compiled.search(rule.example))
    ]
    assert OBJECTS[min(found)[1]] is rule


def test_the_tables_speak_of_types_that_the_catalogue_has() -> None:
    told = {str(rule.gives) for rule in HEADS if rule.gives != SKIP and not isinstance(rule.gives, Family)}
    told |= {word for rule in OBJECTS for word in (rule.motion, rule.order, rule.notice) if word}
    assert told <= set(TYPES)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        (
            "(3 pgs) Second Amended Chapter 13 Plan Filed by Debtor A. Person (Clerk, Some) (Entered: 01/02/2003)",
            ["pleading.filed"],
        ),
        ("Notice of Hearing (RE: related document(s) 4 Motion to Extend Time)", ["hearing.scheduled"]),
        (
            "MOTION filed by Mr. Some Person for Example Company to extend time to file brief",
            ["limit.extension_requested"],
        ),
        ("ORDER granting 4 Motion for Extension of Time to Answer", ["limit.extended"]),
        ("ORDER denying 4 Motion for Extension of Time to Answer", ["motion.decided"]),
        ("Order on Motion to Seal Document", ["motion.decided"]),
        ("ORDER granting 9 Motion to Seal", ["permission.changed"]),
        ("Order Granting Motion for Relief from Stay", ["motion.decided"]),
        ("ORDER Dismissing Case", ["case.closed"]),
        ("Notice of Voluntary Dismissal Party(s)", ["notice.issued"]),
        ("Hearing Scheduled For 4/13/05 Not Held. Continued Prior to the Hearing", ["hearing.rescheduled"]),
        ("BNC Certificate of Mailing - Hearing", ["service.completed"]),
        (
            "Complaint against Example Company. Filing Fee $ 400, Receipt Number 0123-456",
            ["case.submitted", "case.fee_paid"],
        ),
        ("Complaint by Example Bank. Fee Amount $250", ["case.submitted"]),
        ("Motion to Sell Property. Hearing scheduled for 3/1/2010 at 9:30 AM", ["motion.filed", "hearing.scheduled"]),
        (
            "Minute Entry before a judge: Motion hearing held. Motion to compel is granted",
            ["hearing.held", "motion.decided"],
        ),
        ("MINUTES (IN CHAMBERS) by Judge Some: the deadline is moved", ["motion.decided"]),
        ("Notice of Filing Declaration of Some Person", ["evidence.submitted"]),
        ("Stipulation and Proposed Order extending the time to answer", ["limit.extension_requested"]),
        ("So Ordered Stipulation extending the time to answer", ["limit.extended"]),
        ("Endorsed Order Regarding 7 Motion filed by Example, Inc. for a procedure. GRANTED.", ["motion.decided"]),
        ("***ENTERED IN ERROR*** Order Dismissing Case", ["record.amended"]),
    ],
)
def test_a_text_tells_these_events(text: str, types: list[str]) -> None:
    assert types_of(text) == types


def test_the_answer_of_an_order_is_read_where_it_stands() -> None:
    assert read("Order Denying Motion to Compel").found[0].outcome == "denied"
    assert (
        read("Endorsed Order Regarding 7 Motion filed by Example, Inc. for more. GRANTED.").found[0].outcome
        == "granted"
    )
    assert read("ORDER granting in part and denying in part 3 Motion to Compel").found[0].outcome == "granted_in_part"
    assert read("Order on Motion to Compel").found[0].outcome == "unstated"


def test_a_judgment_of_a_court_of_appeals_decides_the_appeal() -> None:
    assert types_of("JUDGMENT entered. Affirmed") == ["judgment.pronounced"]
    assert types_of("JUDGMENT entered. Affirmed", appellate=True) == ["appeal.decided"]


@pytest.mark.parametrize(
    "text", ["", "   ", "Description not available", "Set/Reset Deadlines", "Auto-Docket of Credit Card"]
)
def test_notes_about_the_docket_are_skipped_and_not_counted_as_unmapped(text: str) -> None:
    assert read(text).status is Status.SKIPPED


@pytest.mark.parametrize(
    "text", ["Arrest of a person", "Sealed Document", "The case manager for this case is: Some Person"]
)
def test_what_no_rule_knows_is_unmapped(text: str) -> None:
    assert read(text) == read(text)
    assert read(text).status is Status.UNMAPPED
    assert read(text).found == ()


def test_people_named_before_the_object_are_passed_over() -> None:
    assert object_text(" by Extension Example Company for leave to appeal") == "for leave to appeal"


def test_quoted_entries_are_not_read() -> None:
    text = "Certificate of Service (RE: related document(s) 5 Motion (a) Hearing set for 1/2/2003) (Entered: 1/2/2003)"
    assert "Hearing" not in without_references(text)
    assert types_of(text) == ["service.completed"]


@given(st.text(max_size=300))
def test_any_text_is_read_without_failing_and_always_alike(text: str) -> None:
    reading = read(text)
    assert reading == read(text)
    assert all(found.type in TYPES for found in reading.found)
    assert bool(reading.found) == (reading.status is Status.MAPPED)


@given(st.sampled_from([rule.example for rule in HEADS]), st.sampled_from(["\n", "  ", "\t "]))
def test_white_space_means_nothing(example: str, space: str) -> None:
    assert read(example.replace(" ", space)) == read(example)


@given(st.text(max_size=200))
def test_preparing_is_idempotent(text: str) -> None:
    once = prepare(text)
    assert prepare(once.whole) == once
