"""Settings of the judge-audit service: what every service has, and its own."""

from pathlib import Path

from balance_chain.runtime.settings import CommonSettings
from pydantic import Field, SecretStr


class AuditSettings(CommonSettings):
    """What the worker and the API share."""

    audit_schema: str = Field("audit", description="PostgreSQL schema of rule state and alerts.")
    grace_seconds: float = Field(
        600.0, ge=0, description="Ledger time for which a case must be quiet before anything in it is called absent."
    )
    lateness_seconds: float = Field(
        60.0, ge=0, description="Ledger time after which a number missing from a source's counter is called a gap."
    )
    audit_source: str = Field(
        "urn:balance-demo:judge-audit", description="URI under which alerts, and acts on them, are sent as events."
    )
    rules: Path | None = Field(None, description="Directory of the rule book; none: the one that is installed.")
    shadow_rules: Path | None = Field(
        None,
        description="Directory of rules on trial, judged beside the live ones, never published; none: no trial.",
    )

    @property
    def shadow_schema(self) -> str:
        """PostgreSQL schema of the rules on trial."""
        return self.audit_schema + "_shadow"


class WorkerSettings(AuditSettings):
    """Settings of `balance-judge-audit worker`."""

    health_port: int = Field(8088, ge=0, description="Port of /livez, /readyz and /metrics.")
    audit_group: str = Field("balance-judge-audit", description="Consumer group that shares out the shards.")
    audit_batch_events: int = Field(2000, ge=1, description="Most records that one transaction takes, of all shards.")
    audit_batch_seconds: float = Field(
        0.5, gt=0, description="Seconds for which a fetch that is not full waits for more."
    )
    audit_retry_seconds: float = Field(1.0, gt=0, description="Wait before something that failed is tried again.")
    audit_behind_bound: int = Field(50_000, ge=1, description="Records behind above which the worker is not ready.")
    audit_case_cache: int = Field(
        3_000, ge=0, description="Cases whose state the worker keeps in memory: about 40 KiB each."
    )
    audit_token: SecretStr | None = Field(None, description="Token of that source at the gateway.")
    audit_token_file: Path | None = Field(
        None, description="File that holds it; none: judge-audit.token in the keys folder. Absent: alerts are not sent."
    )
    gateway_url: str = Field("http://127.0.0.1:8081", description="Gateway that takes alerts as events.")
    gateway_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for one answer of the gateway.")

    def token(self) -> str | None:
        """The token, from the setting or its file; read anew each time, so that it can arrive later."""
        if self.audit_token is not None:
            return self.audit_token.get_secret_value()
        path = self.audit_token_file or self.keys / "judge-audit.token"
        try:
            return path.read_text(encoding="utf-8").strip() or None
        except OSError:
            return None


class ShadowSettings(WorkerSettings):
    """Settings of `balance-judge-audit shadow`."""

    health_port: int = Field(8089, ge=0, description="Port of /livez, /readyz and /metrics.")


class SenderSettings(AuditSettings):
    """Settings of `balance-judge-audit send`."""

    health_port: int = Field(8090, ge=0, description="Port of /livez, /readyz and /metrics.")
    sending: Path = Field(Path("sending.yaml"), description="Targets and routes of alerts that are sent out.")
    sending_link: str = Field("http://127.0.0.1:8083", description="Address of the pages, as receivers reach them.")
    sending_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for one answer of a receiver.")
    sending_attempts: int = Field(15, ge=1, description="Attempts after which a delivery is given up.")
    sending_retry_seconds: float = Field(5.0, gt=0, description="Wait before the second attempt; then twice as long.")
    sending_wait_seconds: float = Field(3600.0, gt=0, description="Longest wait before another attempt.")
    sending_refresh_seconds: float = Field(
        120.0, gt=0, description="How often Alertmanager is told again what stands; after three times it is over."
    )


class ApiSettings(AuditSettings):
    """Settings of `balance-judge-audit api`."""

    port: int = Field(8083, ge=0, description="Port of the API and the page.")
    page_size: int = Field(100, ge=1, le=1000, description="Alerts of one answer, where none is asked for.")
    verifier_url: str = Field("http://127.0.0.1:8082", description="Verifier that the page's links to events lead to.")
    people: Path | None = Field(
        None, description="File of those who act on alerts; none: everybody reads, nobody acts."
    )
    open_reading: bool = Field(
        False, description="Whether alerts are shown without sign-in where there is a people file."
    )
    session_hours: float = Field(8.0, gt=0, description="How long a person stays signed in on the page, in hours.")
    stream_poll_seconds: float = Field(0.5, gt=0, description="How often the stream looks for new revisions.")
    backtest_seconds: float = Field(900.0, gt=0, description="Longest time for one back-test asked of the API.")
    backtest_memory_mib: int = Field(2048, ge=512, description="Most address space of its process, in MiB.")
