"""What can go wrong in the verifier itself, as one small tree.

BalanceError
└── VerifierError
    ├── PositionMoved      another copy of the worker has committed first: load the state again
    └── NotFound           the projection has no position row where one must be

A fault *found in the log* is no error of the verifier: it is a `findings.Finding`.
"""

from __future__ import annotations

from balance_chain.core.errors import BalanceError


class VerifierError(BalanceError):
    """The root: anything that the verifier itself refuses or cannot do."""


class PositionMoved(VerifierError):
    """The position in PostgreSQL is not the one this worker started from, so its batch was not written."""


class NotFound(VerifierError):
    """The projection has no position row where one must be."""
