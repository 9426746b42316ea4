"""How the controller itself is: what `GET /v1/health` answers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentHealth:
    """One thing the controller stands on. `message` says what is wrong and the next step; empty when well."""

    healthy: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestHealth:
    """How messages come in. `queued` waits for the database; the oldest of it has waited `lag_seconds`.

    `committed` and `refused` count since the controller started.
    """

    healthy: bool
    message: str = ""
    queued: int = 0
    lag_seconds: float = 0.0
    committed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxHealth:
    """How messages go out. `pending` are committed and not yet confirmed by the broker, None if unknown."""

    healthy: bool
    message: str = ""
    pending: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """All of it.

    `resolver` cuts releases for workloads whose image was not there yet, `scheduler` places replicas anew,
    `rollouts` bring releases to devices.
    """

    healthy: bool
    database: ComponentHealth
    broker: ComponentHealth
    ingest: IngestHealth
    outbox: OutboxHealth
    resolver: ComponentHealth
    scheduler: ComponentHealth
    rollouts: ComponentHealth


class HealthSource(Protocol):
    """Whoever runs the parts knows how they are."""

    def check(self) -> Health:
        """Look now. Short: it asks the database one small question."""
        ...
