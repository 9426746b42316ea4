"""The seams between the core and the world. Adapters implement them; `testing` ships a fake of each.

One contract suite (tests/contract/) runs over the fake and the real one alike.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from polyfleet_agent.core.containers import ObservedContainer
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.programs import Examination
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import (
    Acknowledgement,
    Event,
    HostFacts,
    PlatformSource,
    PullProgress,
)
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.probes import Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload


class RuntimeFailure(PolyfleetError):  # noqa: N818 - it is an outcome with a reason, reported as such
    """The container runtime could not do a thing, for a stated reason and in its own words."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """`size` counts the compressed bytes that really travelled, 0 if every layer was there."""

    size: int


class ContainerRuntime(Protocol):
    """Podman. Every call is idempotent where that makes sense and raises RuntimeFailure otherwise.

    Calls come from several threads at once: one workload's pull never delays another's restart.
    """

    def list_containers(self) -> tuple[ObservedContainer, ...]:
        """All containers labelled as this device's, in any state.

        Of one that ended in failure, with the end of its log. A pod's infra container is among them: it runs
        while one of the pod's does, and until it is stopped.
        """

    def has_image(self, image: PinnedImage) -> bool:
        """Whether the child is in the store: image ID equal to its config, and known by its digest."""

    def pull(
        self, image: PinnedImage, on_progress: Callable[[PullProgress], None], secrets: tuple[str, ...] = ()
    ) -> PullResult:
        """Pull `repository@child` and prove that it arrived; `secrets` name credentials that the device has.

        Raises:
            RuntimeFailure: with the true cause: image_not_found, registry_unreachable, registry_denied,
                secret_missing, digest_mismatch, disk_full, …; a pull that stops moving ends as
                registry_unreachable.
        """

    def create(self, workload: DesiredWorkload, container: ContainerSpec) -> str:
        """Create a container with the labels that make it ours; give its ID.

        Of a pod the first brings the pod into being, with the volumes that its containers share.

        Raises:
            RuntimeFailure: secret_missing, with the command that makes it; name_conflict, …
        """

    def fill(self, container_id: str, workload: DesiredWorkload, container: ContainerSpec) -> None:
        """Put into its volumes what they begin with. Called before every start of one that never ran."""

    def examine(self, container_id: str) -> Examination:
        """The programs that its start would run. What cannot be read is left out, and is no failure."""

    def start(self, container_id: str) -> None:
        """Start it, and with it its pod. A running one stays as it is.

        Raises:
            RuntimeFailure: with the true cause: port_conflict, command_not_found, loader_missing, …
        """

    def stop(self, container_id: str, *, grace: int) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds. A stopped or missing one stays as it is."""

    def remove(self, container_id: str) -> None:
        """Remove it with what it alone uses; a pod's infra container with the pod and its volumes.

        A missing one stays as it is.
        """

    def probe(self, container_id: str, probe: Probe) -> Answer:
        """Ask a running container, within the probe's `timeout_seconds`.

        A command that outlives them runs on; until it ends, the same probe is answered as a failure.
        """

    def watch(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Yield whenever something happened to one of our containers, and once when the watch stands.

        Blocks between events and ends soon after `stop()` turns true.

        Raises:
            RuntimeFailure: podman_unavailable, when the stream cannot be had or breaks.
        """

    def version(self) -> str:
        """The runtime's version. Slow: asked once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """`connection` counts the connections of this boot, from 1."""

    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """`cause` is for the log; `taken_over` is true if another client uses this device's name."""

    cause: str
    taken_over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message from below `down/` of this device; the payload is not yet read."""

    channel: Channel
    payload: bytes


TransportEvent = Connected | Disconnected | Received


class Transport(Protocol):
    """MQTT. It reconnects by itself, with full jitter, until closed."""

    def open(self, deliver: Callable[[TransportEvent], None], make_will: Callable[[int], bytes]) -> None:
        """Begin to connect and return at once; never raises because the broker is away.

        `deliver` is called from the transport's own thread and must not block. `make_will(connection)`
        gives the payload of the last will, on `up/presence`, for the connection that is about to be made.
        """

    def publish(self, channel: Channel, payload: bytes) -> None:
        """Send with the channel's QoS and retain flag; without a connection the message is dropped.

        Nothing is lost by that: all that matters is published again on every connect.
        """

    def close(self, farewell: bytes | None) -> None:
        """Publish `farewell` on `up/presence` if connected, disconnect in good order, end the thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`boot` is the number of this start of the agent in this state directory, from 1."""

    incarnation: str
    boot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the state directory held at start. `notices` tell in plain words what was set aside and why."""

    identity: Identity
    desired: bytes | None
    notices: tuple[str, ...]
    records: bytes | None = None


class StateFailure(PolyfleetError):  # noqa: N818 - it is an outcome with a reason, reported as such
    """The state directory could not be read or written; names the path."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class StateStore(Protocol):
    """The state directory: what must survive kill -9 and power loss."""

    def recover(self) -> Recovered:
        """Count the start (fsynced) and give what is there; torn files are set aside, never fatal.

        A directory that was copied from another machine (its machine ID differs) gets a new incarnation.
        """

    def save_desired(self, payload: bytes) -> None:
        """Write, fsync, rename, fsync the directory; the one before is kept beside it."""

    def save_records(self, payload: bytes) -> None:
        """The same for what is remembered of releases."""


class EventSpool(Protocol):
    """Events on disk until the controller has committed them.

    Bounded: the oldest go first, and an `events_dropped` event tells how many.
    """

    def append(self, happening: Happening, at: datetime) -> Event:
        """Give it the next `seq` and keep it (fsynced).

        Raises:
            StateFailure: the disk refused it.
        """

    def pending(self) -> tuple[Event, ...]:
        """All that is not acknowledged, oldest first."""

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        """Forget events up to the acknowledged one; another incarnation's acknowledgement changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Figures of the moment; sizes in bytes, temperature in degrees Celsius."""

    cpu_percent: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    temperature: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedPlatform:
    """`platforms` in order of preference."""

    platform: Platform
    source: PlatformSource
    platforms: tuple[RunnablePlatform, ...]


class Host(Protocol):
    """The machine."""

    def facts(self, podman_version: str) -> HostFacts:
        """What the machine is."""

    def platform(self) -> DetectedPlatform:
        """What it can run."""

    def usage(self) -> Usage:
        """How busy it is."""


class Supervisor(Protocol):
    """systemd's notify socket (sd_notify(3)); outside systemd all calls do nothing."""

    def ready(self) -> None: ...

    def status(self, text: str) -> None: ...

    def stopping(self) -> None: ...

    def alive(self) -> None:
        """Feed the watchdog."""

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of `alive` that keep systemd content; None without a watchdog."""


class Clock(Protocol):
    """`monotonic` in seconds for durations; `now` informs only."""

    def monotonic(self) -> float: ...

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that the agent touches."""

    runtime: ContainerRuntime
    transport: Transport
    state: StateStore
    spool: EventSpool
    host: Host
    supervisor: Supervisor
    clock: Clock
