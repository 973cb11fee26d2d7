"""The witness's settings: one TOML file, and nothing else, says all that a witness needs to know."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Self

from balance_chain.core.errors import BalanceError
from balance_chain.runtime.settings import CommonSettings
from balance_verify.errors import MalformedError
from balance_verify.note import VerifierKey
from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

POSTGRESQL = ("postgresql://", "postgres://")


class ConfigurationError(BalanceError):
    """The configuration file cannot be read, or says something that cannot be."""


class WitnessSettings(CommonSettings):
    """Settings of `balance-verifier witness`; paths are relative to the file."""

    model_config = SettingsConfigDict(env_prefix="BALANCE_WITNESS_", extra="forbid", frozen=True)

    key: Path = Field(description="File with the witness's private key; `balance-verifier witness-init` makes it.")
    mldsa_key: Path | None = Field(
        default=None, description="File with a second private key, of type ML-DSA-44, to cosign with as well."
    )
    logs: tuple[str, ...] = Field(min_length=1, description="Public keys (vkeys) of the logs that it cosigns.")
    port: int = Field(default=8089, ge=0, description="TCP port that add-checkpoint is asked on.")
    state: str = Field(
        default="witness.sqlite", description="What it has cosigned: a file of its own, or a postgresql:// address."
    )
    state_schema: str = Field(default="witness", description="PostgreSQL schema of the state, where it is there.")
    evidence: Path = Field(default=Path("evidence"), description="Folder for evidence of two histories.")
    mirror: bool = Field(default=False, description="Cosign only what the verifier's worker here has recomputed.")
    verifier_schema: str = Field(default="verifier", description="PostgreSQL schema of the worker, for a mirror.")
    mirror_wait_seconds: float = Field(
        default=3.0, ge=0, description="Longest wait for the worker to reach a checkpoint, in seconds."
    )

    @field_validator("logs")
    @classmethod
    def _logs_are_vkeys(cls, logs: tuple[str, ...]) -> tuple[str, ...]:
        for text in logs:
            try:
                VerifierKey.parse(text)
            except MalformedError as error:
                raise ValueError(f"{text[:60]!r} is no vkey ({error}); copy the line of the log's log.vkey") from None
        return logs

    @model_validator(mode="after")
    def _a_mirror_has_one_log(self) -> Self:
        if self.mirror and len({key.name for key in self.log_keys}) != 1:
            raise ValueError("a mirror recomputes one log: give one, and run another witness for another")
        return self

    @property
    def log_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of the logs; several of one name are keys of one log."""
        return tuple(map(VerifierKey.parse, self.logs))

    @property
    def in_postgresql(self) -> bool:
        """Whether the state is in PostgreSQL rather than in a file."""
        return self.state.startswith(POSTGRESQL)

    @classmethod
    def load(cls, path: Path) -> WitnessSettings:
        """The settings in a file."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(str(path), f"cannot be read ({error.strerror})", "give --config FILE") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(str(path), f"is not TOML: {error}", "see docs/witness.md") from None
        base = path.resolve().parent
        for name in ("key", "mldsa_key", "evidence"):
            if isinstance(values.get(name), str):
                values[name] = base / values[name]
        state = values.get("state", "witness.sqlite")
        if isinstance(state, str) and not state.startswith(POSTGRESQL):
            values["state"] = str(base / state)
        elif isinstance(state, str):
            values.setdefault("database", state)
        values.setdefault("evidence", base / "evidence")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or str(path)
            raise ConfigurationError(field, first["msg"], "see docs/witness.md") from None
