"""A fault found in an archive or in a running ledger: which record, which step, and both values."""

from __future__ import annotations

import msgspec
from balance_verify.errors import MismatchError, SignatureError, VerifyError

from balance_verifier.errors import VerifierError


class Fault(msgspec.Struct, frozen=True):
    """`place` names file and record (or topic and offset, or table and row); `expected` was due, `got` was there."""

    place: str
    step: str
    expected: str
    got: str

    def line(self) -> str:
        """One line for a person."""
        return f"{self.place}: {self.step}: expected {self.expected}, got {self.got}"


def fault_of(place: str, step: str, due: str, error: VerifyError | VerifierError) -> Fault:
    """The fault that an error of the format or of a comparison tells of."""
    if isinstance(error, MismatchError | SignatureError):
        return Fault(place, step, error.expected, error.got)
    return Fault(place, step, due, str(error))
