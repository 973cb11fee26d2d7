"""What can go wrong in the verifier itself, as one small tree.

BalanceError
└── VerifierError
    ├── PositionMoved      another copy of the worker has committed first: load the state again
    ├── NotFound           the projection has no position row where one must be
    ├── ArchiveUnreadable  a file of an archive is absent or is not what the format asks for
    ├── ArchiveRefused     what would be archived or restored does not fit: nothing is published
    └── StoreUnavailable   an object store does not answer

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


class ArchiveUnreadable(VerifierError):
    """A file of an archive is absent, or its bytes are not what the format asks for."""


class ArchiveRefused(VerifierError):
    """What would go into an archive, or out of one, does not fit what is there: it is not published."""


class StoreUnavailable(VerifierError):
    """The object store that has the archive does not answer: wait and try again."""
