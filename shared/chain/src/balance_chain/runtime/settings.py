"""Settings that every process shares, from `BALANCE_*` environment variables; services add their own fields."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommonSettings(BaseSettings):
    """Every setting has its unit in its name or type, a default and a sentence."""

    model_config = SettingsConfigDict(env_prefix="BALANCE_", extra="ignore", frozen=True)

    kafka: str = Field("127.0.0.1:19092", description="Kafka bootstrap servers, host:port, comma-separated.")
    database: str = Field("postgresql://postgres@127.0.0.1:15432/balance", description="PostgreSQL connection string.")
    origin: str = Field("demo.example/balance-chain/1", description="Name of this log, as in its checkpoints.")
    keys: Path = Field(Path("keys"), description="Directory of this process's keys.")
    sources: Path = Field(Path("sources.yaml"), description="Register of event sources.")
    partitions: int = Field(4, ge=1, description="Shards (P): partitions of raw, events, blocks and alerts.")
    topic_prefix: str = Field("", description="Put before each topic name, to run several ledgers on one Kafka.")
    replication: int = Field(1, ge=1, description="Replicas of each topic; 3 outside the demo.")
    host: str = Field("127.0.0.1", description="Address that HTTP ports bind.")
    health_port: int = Field(0, ge=0, description="Port of /livez, /readyz and /metrics of a worker; 0: any free.")
    otlp_endpoint: str | None = Field(None, description="OpenTelemetry collector (OTLP/HTTP); none: no export.")
    log_level: str = Field("INFO", description="Least level that is logged.")
    kafka_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for one answer of Kafka.")
    tail_batch_bytes: int = Field(
        1024 * 1024, ge=1024, description="Bytes of records that normaliser, sealer and notary append at once, at most."
    )
    group_session_seconds: float = Field(
        10.0, ge=1, description="A process silent for so long loses its shards to the others of its group."
    )
    database_timeout_seconds: float = Field(10.0, gt=0, description="Longest wait for one PostgreSQL statement.")
    live_seconds: float = Field(60.0, gt=0, description="Without progress for so long, /livez says so.")

    def topic(self, name: str) -> str:
        return self.topic_prefix + name
