"""The notary gathers cosignatures, never waits for a witness that is away, and never for longer than patience."""

from __future__ import annotations

from balance_sealer.gathering import Gathering, Published
from balance_sealer.log import State
from balance_verify.checkpoint import Checkpoint
from balance_verify.cosignature import CosigningKey
from balance_verify.note import NoteSignature, SigningKey, open_note, sign_note
from balance_verify.policy import Policy
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

LOG = SigningKey.generate("court.example/log", bytes(32))
KEYS = {f"w{n}": CosigningKey.generate(f"w{n}.example", bytes([n]) * 32) for n in range(3)}
LINES = "".join(f"witness {name} {key.vkey} http://{name}.example\n" for name, key in KEYS.items())
TWO_OF_THREE = Policy.parse(f"{LINES}group g 2 w0 w1 w2\nquorum g\n".encode())
REQUIRED = Policy.parse(f"{LINES}quorum w1\n".encode())
PATIENCE = 5.0


def published(size: int) -> Published:
    text = Checkpoint("court.example/log", size, bytes([size % 256]) * 32).text()
    return Published(State(size, bytes([size % 256]) * 32, (size,)), sign_note(text, LOG))


def by(name: str, size: int, time: int = 7) -> NoteSignature:
    return KEYS[name].cosign(published(size).note.text, time)


def begun(policy: Policy = TWO_OF_THREE, recorded: tuple[str, ...] = ()) -> Gathering:
    return Gathering(policy, PATIENCE, published(1), {name: by(name, 1) for name in recorded}, 0.0)


def signers(gathering: Gathering, *, closing: bool = False) -> list[str]:
    note = gathering.record(closing=closing)
    if note is None:
        return []
    verified = open_note(note.encode(), [LOG.vkey, *(key.vkey for key in KEYS.values())])
    assert verified == note, "every signature published holds"
    return [s.name.removesuffix(".example") for s in note.signatures[1:]]


def test_a_quorum_is_published_at_once_and_the_rest_when_it_is_there() -> None:
    gathering = begun()
    gathering.cosigned("w2", 1, by("w2", 1))
    assert signers(gathering) == []
    gathering.cosigned("w0", 1, by("w0", 1))
    assert signers(gathering) == ["w0", "w2"]
    assert signers(gathering) == []
    gathering.cosigned("w1", 1, by("w1", 1))
    assert signers(gathering) == ["w0", "w1", "w2"]
    assert gathering.final_size == 1


def test_the_next_checkpoint_waits_for_a_quorum_that_is_on_its_way() -> None:
    gathering = begun()
    gathering.cosigned("w0", 1, by("w0", 1))
    assert gathering.holds(1.0)
    gathering.cosigned("w1", 1, by("w1", 1))
    assert not gathering.holds(1.0)


def test_it_does_not_wait_longer_than_patience() -> None:
    assert begun().holds(PATIENCE - 0.1)
    assert not begun().holds(PATIENCE)


def test_it_does_not_wait_for_a_quorum_that_cannot_be() -> None:
    gathering = begun()
    gathering.failed("w0")
    assert gathering.holds(1.0)
    gathering.failed("w2")
    assert not gathering.holds(1.0)
    gathering.cosigned("w0", 1, by("w0", 1))
    assert gathering.holds(1.0), "it is there again"


def test_a_required_witness_is_waited_for_and_an_optional_one_is_not() -> None:
    gathering = begun(REQUIRED)
    gathering.cosigned("w0", 1, by("w0", 1))
    assert gathering.holds(1.0)
    gathering.cosigned("w1", 1, by("w1", 1))
    assert not gathering.holds(1.0)
    assert signers(gathering) == ["w0", "w1"]
    gathering.published(published(2), 1.0)
    gathering.failed("w1")
    assert not gathering.holds(1.0)


def test_without_a_quorum_what_there_is_is_published_before_the_next_checkpoint() -> None:
    gathering = begun()
    gathering.cosigned("w2", 1, by("w2", 1))
    assert signers(gathering) == []
    assert signers(gathering, closing=True) == ["w2"]
    assert gathering.final_size == 0


def test_a_late_answer_to_an_older_checkpoint_is_not_published() -> None:
    gathering = begun()
    gathering.published(published(2), 1.0)
    gathering.cosigned("w0", 1, by("w0", 1))
    gathering.cosigned("w1", 1, by("w1", 1))
    assert signers(gathering, closing=True) == []
    assert gathering.behind("w0") == 1
    assert gathering.behind("w2") == 2


def test_what_is_on_the_topic_already_is_not_published_again() -> None:
    gathering = begun(recorded=("w0", "w1"))
    assert gathering.final
    assert not gathering.wants("w0")
    assert signers(gathering, closing=True) == []
    gathering.cosigned("w2", 1, by("w2", 1))
    assert signers(gathering) == ["w0", "w1", "w2"]


def test_a_policy_without_a_quorum_never_waits() -> None:
    gathering = begun(Policy.parse(f"{LINES}quorum none\n".encode()))
    assert not gathering.holds(0.0)
    for name in KEYS:
        gathering.cosigned(name, 1, by(name, 1))
    assert signers(gathering) == ["w0", "w1", "w2"]


class Notaries(RuleBasedStateMachine):
    """Any answers at any time: records only ever add signatures to the last checkpoint, as the rule of counting is."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.size = 1
        self.gathering = begun()
        self.signed: set[str] = set()
        self.answered: dict[str, int] = {}

    @rule(name=st.sampled_from(sorted(KEYS)), late=st.integers(0, 2))
    def answers(self, name: str, late: int) -> None:
        size = max(1, self.size - late)
        self.gathering.cosigned(name, size, by(name, size))
        if size == self.size:
            self.answered[name] = size

    @rule(name=st.sampled_from(sorted(KEYS)))
    def fails(self, name: str) -> None:
        self.gathering.failed(name)

    @rule(seconds=st.floats(0, 6))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def record(self) -> None:
        self._record(closing=False)

    @rule()
    def next_checkpoint(self) -> None:
        if not self.gathering.holds(self.now):
            self._record(closing=True)
            self.size += 1
            self.gathering.published(published(self.size), self.now)
            self.signed, self.answered = set(), {}

    def _record(self, *, closing: bool) -> None:
        found = set(signers(self.gathering, closing=closing))
        if found:
            assert found > self.signed, "a record adds signatures"
            self.signed = found
        if closing or TWO_OF_THREE.satisfied_by(self.answered):
            assert self.signed >= self.answered.keys() or TWO_OF_THREE.satisfied_by(self.signed)
        if closing:
            assert self.signed >= self.answered.keys()

    @invariant()
    def patience_ends(self) -> None:
        assert not self.gathering.holds(self.now + PATIENCE + 0.001)


TestNotaries = Notaries.TestCase
TestNotaries.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
