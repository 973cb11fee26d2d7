"""The root of this product's errors: each names a field, what is wrong with it, and what to do.

BalanceError
├── jsonguard.BadJson        the bytes are not the JSON that we accept
├── privacy.PrivacyError     a field cannot be protected or opened
├── keys.KeyFileError        a key file is absent or malformed
├── sources.SourcesError     sources.yaml is not valid
└── canonical.NotCanonical   bytes are not those of a canonical event
"""


class BalanceError(Exception):
    """Something is wrong with one field; says which, what, and the remedy."""

    def __init__(self, field: str, problem: str, remedy: str) -> None:
        super().__init__(field, problem, remedy)
        self.field = field
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.field or 'value'}: {self.problem}; {self.remedy}"
