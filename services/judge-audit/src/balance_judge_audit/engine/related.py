"""Related people who meet in a case (R24): two who declared it, one of the court and one of the other side.

A person's cases are kept in pieces, because a judge has many and each appearance adds one: the newest are in his own
state, and a piece of them at a time goes to a state that is read only when a relation is declared. So an appearance
costs the same however many there were.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from balance_chain.core.privacy import BYNAME_PREFIX

from balance_judge_audit.engine.across import (
    KEPT,
    PIECES,
    CasePeople,
    CasesBefore,
    HeldFact,
    KeyState,
    Person,
    Relation,
    Seat,
    States,
    revision,
)
from balance_judge_audit.engine.acrosskinds import Quiet
from balance_judge_audit.engine.alerts import Revision
from balance_judge_audit.engine.clauses import names_in
from balance_judge_audit.engine.lawtime import day_of
from balance_judge_audit.engine.model import Rule
from balance_judge_audit.engine.modelacross import Conflict


class Related(Quiet):
    """Two people who declared that they are related, one of the court and one of the other side of a case (R24)."""

    def __init__(self, rule: Rule, spec: Conflict) -> None:
        self._rule = rule
        self._spec = spec.declared

    def keys(self, fact: HeldFact) -> list[str]:
        people = [self._person(name) for name in self._people(fact)]
        return people if fact.role == "declared" else [self._case(fact.case), *people]

    def further_keys(self, fact: HeldFact, states: Mapping[str, KeyState]) -> list[str]:
        if fact.role != "declared":
            return []
        keys: list[str] = []
        for name in self._people(fact):
            person = states.get(self._person(name))
            if isinstance(person, Person):
                keys += self._pieces(name, person)
                keys += [self._case(case) for case in self._cases(name, person, states)]
        return keys

    def take(self, fact: HeldFact, states: States) -> list[Revision]:
        if fact.role == "declared":
            return self._declare(fact, states)
        case = states.setdefault(self._case(fact.case), CasePeople())
        assert isinstance(case, CasePeople)
        said: list[Revision] = []
        for name in self._people(fact):
            said += self._leave(fact, case, name) if fact.role == "ended" else self._join(fact, case, name, states)
        return said

    def _people(self, fact: HeldFact) -> list[str]:
        """Those whom the register knows by an id: two people may share a name, so a name is nobody here."""
        if fact.role == "declared":
            both = [fact.values.get(path) for path in (self._spec.person, self._spec.other)]
            known = [name for name in both if isinstance(name, str) and not name.startswith(BYNAME_PREFIX)]
            return known if len(set(known)) == 2 else []
        names = {name for value in fact.values.values() for name in names_in(value)}
        return sorted(name for name in names if not name.startswith(BYNAME_PREFIX))

    def _person(self, name: str) -> str:
        return f"{self._rule.id} p {name}"

    def _case(self, case: str) -> str:
        return f"{self._rule.id} c {case}"

    def _piece(self, name: str, number: int) -> str:
        # The next one takes the place of the oldest, of which nothing is asked any more.
        return f"{self._rule.id} q {number % PIECES} {name}"

    def _pieces(self, name: str, person: Person) -> list[str]:
        """The keys of what is kept beside a person's own state, the oldest first."""
        return [self._piece(name, each) for each in range(max(0, person.pieces - PIECES), person.pieces)]

    def _cases(self, name: str, person: Person, states: Mapping[str, KeyState]) -> list[str]:
        """The last cases of a person, as far as they are loaded."""
        pieces = [states.get(key) for key in self._pieces(name, person)]
        before = [case for piece in pieces if isinstance(piece, CasesBefore) for case in piece.cases]
        return [*before, *person.cases][-KEPT:]

    def _enter(self, name: str, person: Person, case: str, states: States) -> int:
        """Adds a case to a person's; says its place among them."""
        if person.full:
            states[self._piece(name, person.pieces)] = CasesBefore(person.cases)
            person.cases, person.pieces = [], person.pieces + 1
        person.cases.append(case)
        return person.count - 1

    def _of(self, states: States, name: str) -> Person:
        state = states.setdefault(self._person(name), Person())
        assert isinstance(state, Person)
        return state

    def _declare(self, fact: HeldFact, states: States) -> list[Revision]:
        people = self._people(fact)
        if len(people) != 2:
            return []
        until = fact.values.get(self._spec.until)
        end = until if isinstance(until, str) else None
        one, other = (self._of(states, name) for name in people)
        one.relations.append(Relation(people[1], end, fact.trigger()))
        other.relations.append(Relation(people[0], end, fact.trigger()))
        said: list[Revision] = []
        shared = set(self._cases(people[0], one, states)) & set(self._cases(people[1], other, states))
        for name in sorted(shared):
            case = states[self._case(name)]
            assert isinstance(case, CasePeople)
            said += self._meet(name, case, people[0], one.relations[-1], fact)
        return said

    def _join(self, fact: HeldFact, case: CasePeople, name: str, states: States) -> list[Revision]:
        seat = case.people.get(name)
        if seat is not None and not seat.left and seat.side == fact.role:
            return []
        person = self._of(states, name)
        known = seat is not None and seat.place >= person.count - KEPT
        place = seat.place if seat is not None and known else self._enter(name, person, fact.case, states)
        case.people[name] = Seat(fact.role, fact.at, fact.trigger(), fact.court, place=place)
        met = (self._meet(fact.case, case, name, relation, fact) for relation in person.relations)
        return [each for found in met for each in found]

    def _meet(self, name: str, case: CasePeople, person: str, relation: Relation, fact: HeldFact) -> list[Revision]:
        seats = case.people.get(person), case.people.get(relation.other)
        if seats[0] is None or seats[1] is None or seats[0].left or seats[1].left or seats[0].side == seats[1].side:
            return []
        later = day_of(max(seat.at for seat in seats if seat), ZoneInfo(fact.zone)).isoformat()
        pair = " ".join(sorted((person, relation.other)))
        number, stands = case.said.get(pair, (0, False))
        if stands or (relation.until is not None and relation.until < later):
            return []
        case.said[pair] = (number + 1, True)
        triggers = [relation.trigger, *(seat.trigger for seat in seats if seat)]
        return [
            revision(self._rule, name, pair, number + 1, "open", fact.time, triggers, {"people": 2}, seats[0].court)
        ]

    def _leave(self, fact: HeldFact, case: CasePeople, name: str) -> list[Revision]:
        seat = case.people.get(name)
        if seat is None or seat.left:
            return []
        seat.left = True
        said: list[Revision] = []
        for pair, (number, stands) in sorted(case.said.items()):
            if stands and name in pair.split(" "):
                case.said[pair] = (number + 1, False)
                said.append(
                    revision(
                        self._rule, fact.case, pair, number + 1, "cured", fact.time, [fact.trigger()], {}, seat.court
                    )
                )
        return said
