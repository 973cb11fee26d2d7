"""Where cases wait: how long each stays in each phase, folded from the same events as everything else. Pure.

The phases are data (`rules/flow.yaml`). A case's state is a few small values; what a batch changes is a few spans.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path
from typing import Final

import msgspec
from balance_chain.core.catalogue_files import CatalogueError, read_yaml
from balance_chain.core.events import CanonicalEvent

from balance_judge_audit.errors import PhasesWrong

FILE: Final = "flow.yaml"
CLOSED: Final = "case.closed"
UNKNOWN: Final = ""
"""A court, cause or procedure that no event has named yet."""


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One phase: begins with one of `starts`, ends with the next of `ends`."""

    id: str
    zh: str
    en: str
    starts: tuple[str, ...] = msgspec.field(name="from")
    ends: tuple[str, ...] = msgspec.field(name="to")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    phases: tuple[Phase, ...]


class CaseFlow(msgspec.Struct, array_like=True):
    """What is remembered of a case: where it belongs, how often it passed each phase, and since when it is in which."""

    court: str = UNKNOWN
    cause: str = UNKNOWN
    procedure: str = UNKNOWN
    rounds: dict[str, int] = {}
    running: dict[str, int] = {}


class Span(msgspec.Struct, frozen=True):
    """One stay of a case in a phase; `ended` none while it lasts. `dropped`: the case closed and nobody waits."""

    caseid: str
    phase: str
    round: int
    court: str
    cause: str
    procedure: str
    started: int
    ended: int | None = None
    dropped: bool = False


class Flow:
    """The phases, indexed by type of event."""

    def __init__(self, phases: Iterable[Phase]) -> None:
        self.phases = tuple(phases)
        self._starts: dict[str, list[Phase]] = {}
        self._ends: dict[str, list[Phase]] = {}
        for phase in self.phases:
            for name in phase.starts:
                self._starts.setdefault(name, []).append(phase)
            for name in phase.ends:
                self._ends.setdefault(name, []).append(phase)
        self.types = frozenset({*self._starts, *self._ends, CLOSED, "case.converted"})

    def apply(
        self, state: CaseFlow, event: CanonicalEvent, changed: MutableMapping[tuple[str, str, int], Span]
    ) -> None:
        """Takes one event of a case; `changed` gets every span that began, ended or was dropped."""
        caseid, at = event.caseid, event.time_ms
        assert caseid is not None
        _describe(state, event)

        def put(phase: str, started: int, ended: int | None = None, dropped: bool = False) -> None:
            number = state.rounds.get(phase, 0)
            where = (state.court, state.cause, state.procedure)
            changed[caseid, phase, number] = Span(caseid, phase, number, *where, started, ended, dropped)

        for phase in self._ends.get(event.type, ()):
            started = state.running.get(phase.id)
            # What ended before it began, by its own time, belongs to something else.
            if started is not None and at >= started:
                del state.running[phase.id]
                put(phase.id, started, at)
        if event.type == CLOSED:
            for name, started in state.running.items():
                put(name, started, dropped=True)
            state.running.clear()
        for phase in self._starts.get(event.type, ()):
            if phase.id not in state.running:
                state.running[phase.id] = at
                state.rounds[phase.id] = state.rounds.get(phase.id, 0) + 1
                put(phase.id, at)


def _describe(state: CaseFlow, event: CanonicalEvent) -> None:
    """Where the case belongs, as far as this event says."""
    data: Mapping[str, object] = event.data
    state.court = event.courtcode or state.court
    if event.type in ("case.submitted", "case.accepted"):
        state.cause = _word(data.get("cause")) or _word(data.get("cause_code")) or state.cause
        state.procedure = _word(data.get("procedure")) or state.procedure
    elif event.type == "case.converted":
        state.procedure = _word(data.get("to")) or state.procedure


def _word(value: object) -> str:
    # PostgreSQL holds no NUL.
    return value[:200] if isinstance(value, str) and "\0" not in value else UNKNOWN


def load_flow(directory: Path) -> Flow:
    """The phases of a directory of rules."""
    path = directory / FILE
    try:
        phases = msgspec.convert(read_yaml(path), _File).phases
    except (CatalogueError, msgspec.ValidationError) as error:
        raise PhasesWrong(str(path), str(error), "correct the file") from None
    names = [phase.id for phase in phases]
    if len(set(names)) != len(names):
        raise PhasesWrong(str(path), "names a phase twice", "give each an id of its own")
    return Flow(phases)
