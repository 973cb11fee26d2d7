"""The witness policy of a deployment: one tlog-policy file, which notary and verifier are given by their settings."""

from pathlib import Path

from balance_verify.errors import MalformedError
from balance_verify.policy import MAX_POLICY_BYTES, Policy

from balance_chain.core.errors import BalanceError


class PolicyFileError(BalanceError):
    """The policy file is absent, or is not one."""


def load_policy(path: Path | None) -> Policy | None:
    """The policy in a file; None where the settings name none."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return Policy.parse(file.read(MAX_POLICY_BYTES + 1))
    except OSError as error:
        raise PolicyFileError(
            str(path), f"cannot be read ({error.strerror})", "set BALANCE_WITNESS_POLICY to the policy file"
        ) from None
    except MalformedError as error:
        raise PolicyFileError(str(path), f"{error.field}: {error.problem}", error.remedy) from None
