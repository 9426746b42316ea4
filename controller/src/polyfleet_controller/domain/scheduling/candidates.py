"""Devices as the scheduler sees them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from polyfleet_controller.domain.taints import Taint
from polyfleet_shared.platforms import RunnablePlatform
from polyfleet_shared.workloads import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """`cpu` in thousandths of a core, `memory` in bytes."""

    cpu: int = 0
    memory: int = 0

    def plus(self, other: "Resources") -> "Resources":
        """Both together."""
        return Resources(cpu=self.cpu + other.cpu, memory=self.memory + other.memory)


NO_RESOURCES: Final = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPort:
    """A port of the device itself: only one container at a time has it."""

    port: int
    protocol: Protocol = Protocol.TCP

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A device that a workload may be given to.

    `capacity` is all that the device has; `used` and `ports` are what the *other* workloads on it ask for.
    `layers` are the digests that it holds already. `placed` if it has the workload now. `gone_for` is how
    long it has been out of reach, None while it is connected.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    platforms: tuple[RunnablePlatform, ...] = ()
    capacity: Resources = NO_RESOURCES
    used: Resources = NO_RESOURCES
    ports: frozenset[HostPort] = frozenset()
    layers: frozenset[str] = frozenset()
    placed: bool = False
    gone_for: timedelta | None = None

    @property
    def free(self) -> Resources:
        """What other workloads leave of it; never below nothing."""
        return Resources(
            cpu=max(0, self.capacity.cpu - self.used.cpu),
            memory=max(0, self.capacity.memory - self.used.memory),
        )
