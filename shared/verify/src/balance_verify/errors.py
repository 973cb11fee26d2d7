"""Say precisely why something was not accepted, so that a person can act on it and a program can tell the cases apart.

VerifyError
├── MalformedError          the bytes are not what the format asks for: nothing was compared
├── MismatchError           two values that must be equal are not: carries the step and both values
└── SignatureError          carries the step and the key's name+hash
    ├── UnknownSignerError  no signature by any of the keys we were given
    └── BadSignatureError   a signature that names one of our keys does not fit the signed bytes
"""

from __future__ import annotations


class VerifyError(Exception):
    """Whatever keeps us from accepting what we were given."""


class MalformedError(VerifyError):
    """The bytes do not follow their format; `field` says where, `remedy` what would be right."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(f"{field}: {problem}; {remedy}")
        self.field = field
        self.problem = problem
        self.remedy = remedy


class MismatchError(VerifyError):
    """Two values that must be equal differ; `step` names the comparison."""

    def __init__(self, step: str, expected: str, got: str) -> None:
        super().__init__(f"{step}: expected {expected}, got {got}")
        self.step = step
        self.expected = expected
        self.got = got


class SignatureError(VerifyError):
    """A signature could not be accepted; `expected` is a key we know, `got` what was found."""

    def __init__(self, step: str, expected: str, got: str) -> None:
        super().__init__(f"{step}: expected {expected}, got {got}")
        self.step = step
        self.expected = expected
        self.got = got


class UnknownSignerError(SignatureError):
    """None of the signatures names a key we were given."""


class BadSignatureError(SignatureError):
    """A signature names a key we know, and does not fit."""
