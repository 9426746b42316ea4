"""What travels over MQTT (docs/protocol.md): frozen values, one per channel.

A device's name is never in a payload: it is taken from the topic, which the broker guards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.images import check_digest
from polyfleet_shared.names import check_name
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason


class InvalidMessageError(PolyfleetError, ValueError):
    """A message whose values contradict each other."""


def _check_counter(name: str, value: int, least: int = 0) -> None:
    if value < least:
        raise InvalidMessageError(f"{name} is at least {least}, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a message stands in its device's history.

    `incarnation` is minted with the device's state directory, `boot` counts the agent's starts in it and
    `seq` the messages of one channel in one boot (of events: in the whole incarnation).
    """

    incarnation: str
    boot: int
    seq: int

    def __post_init__(self) -> None:
        check_name("incarnation", self.incarnation)
        _check_counter("boot", self.boot, 1)
        _check_counter("seq", self.seq, 1)

    @property
    def order(self) -> tuple[int, int]:
        """Compares within one incarnation and channel: a message is newer if this is greater."""
        return (self.boot, self.seq)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Online or not. The offline one of a lost connection is frozen in its will at CONNECT."""

    incarnation: str
    boot: int
    connection: int
    online: bool
    since: datetime

    def __post_init__(self) -> None:
        check_name("incarnation", self.incarnation)
        _check_counter("boot", self.boot, 1)
        _check_counter("connection", self.connection, 1)

    @property
    def order(self) -> tuple[int, int, int]:
        """By (boot, connection), and within one connection offline after online."""
        return (self.boot, self.connection, 0 if self.online else 1)


class PlatformSource(StrEnum):
    """How the device's platform was found."""

    DETECTED = "detected"
    CONFIGURED = "configured"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine as its kernel and Podman describe it. Sizes in bytes; empty text where unknown.

    `time_zone` is the name that IANA's data base has for it (`Europe/Berlin`).
    """

    hostname: str
    machine: str
    cpu_model: str
    cpu_count: int
    memory_total: int
    disk_total: int
    os_name: str
    os_version: str
    kernel: str
    podman_version: str
    boot_id: str
    time_zone: str = ""

    def __post_init__(self) -> None:
        _check_counter("cpuCount", self.cpu_count)
        _check_counter("memoryTotal", self.memory_total)
        _check_counter("diskTotal", self.disk_total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the device is. `platforms` is in order of preference; its first is usually `platform`."""

    stamp: Stamp
    agent_version: str
    wire_versions: tuple[int, ...]
    features: tuple[str, ...]
    platform: Platform
    platform_source: PlatformSource
    platforms: tuple[RunnablePlatform, ...]
    host: HostFacts
    labels: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.platforms:
            raise InvalidMessageError("a device can run at least one platform")
        if not self.wire_versions:
            raise InvalidMessageError("an agent speaks at least one wire version")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DocumentVersion:
    """Which desired document: newer is greater, compared by epoch, then generation.

    `digest` is over the content; two documents of one (epoch, generation) with different digests mean
    that the controller lost a part of its history.
    """

    epoch: int
    generation: int
    digest: str

    def __post_init__(self) -> None:
        _check_counter("epoch", self.epoch, 1)
        _check_counter("generation", self.generation, 1)
        check_digest(self.digest)

    @property
    def order(self) -> tuple[int, int]:
        """A document replaces another only if this is greater."""
        return (self.epoch, self.generation)


class Phase(StrEnum):
    """Where a workload stands on a device."""

    PENDING = "pending"  # accepted, nothing done yet
    PULLING = "pulling"
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"  # waits before it tries again, for the stated reason
    COMPLETED = "completed"  # ended well and is not started again
    FAILED = "failed"  # for a lasting reason: tried again only now and then
    HELD = "held"  # not acted on, for the stated reason
    STOPPING = "stopping"
    ROLLED_BACK = "rolled_back"  # failed the device's own gate, so what ran before it runs again


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReport:
    """The proof of what runs.

    `image_id` is the config digest of the image that the container was made from. `child` is the pinned
    manifest digest if it is among that image's repository digests and the container is of the wanted spec,
    else None: one that an update of the environment is to replace is of the wanted image, and proves nothing.
    """

    name: str
    container_id: str
    running: bool
    image_id: str
    child: str | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    """Bytes of compressed layers: `done` of `total`; layers the device already has count as done."""

    done: int
    total: int

    def __post_init__(self) -> None:
        _check_counter("done", self.done)
        _check_counter("total", self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReport:
    """One workload as it is. `release` is what the device works towards; the containers prove what runs.

    Where the device knows a workload by a container's labels alone, `uid` is what they say, and `namespace`,
    `name` and `release` are empty. `container` is the one that `reason` is about, empty if none is.
    `ready_seconds` is measured by the agent on its monotonic clock, since it saw the container ready;
    `restarts` counts starts after the first, of this spec, since the agent started.
    `fallback` is the release that runs in place of one that the device rolled back; `prefetched` are the
    children to be prefetched that are on the disk.
    """

    uid: str
    namespace: str
    name: str
    release: str
    phase: Phase
    reason: Reason | None = None
    message: str = ""
    container: str = ""
    ready_seconds: int = 0
    restarts: int = 0
    pull: PullProgress | None = None
    containers: tuple[ContainerReport, ...] = ()
    fallback: str = ""
    prefetched: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for child in self.prefetched:
            check_digest(child)
        _check_counter("readySeconds", self.ready_seconds)
        _check_counter("restarts", self.restarts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something wrong with the device as a whole."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """All that the device runs. `observed` is the desired document it works by, None before the first."""

    stamp: Stamp
    observed: DocumentVersion | None = None
    conditions: tuple[Condition, ...] = ()
    workloads: tuple[WorkloadReport, ...] = ()

    def __post_init__(self) -> None:
        if len({workload.uid for workload in self.workloads}) != len(self.workloads):
            raise InvalidMessageError("two reports of a device are about the same workload")


class EventKind(StrEnum):
    """What can happen on a device that is worth a line in its history."""

    AGENT_STARTED = "agent_started"
    DOCUMENT_ACCEPTED = "document_accepted"
    DOCUMENT_REFUSED = "document_refused"
    PULL_FINISHED = "pull_finished"
    PULL_FAILED = "pull_failed"
    STARTED = "started"
    START_FAILED = "start_failed"
    EXITED = "exited"
    REMOVED = "removed"
    HELD = "held"
    ROLLED_BACK = "rolled_back"
    RUNTIME_LOST = "runtime_lost"
    RUNTIME_FOUND = "runtime_found"
    EVENTS_DROPPED = "events_dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What happened, kept on the device until the controller has it. `at` is the device's own clock.

    `size` in bytes and `seconds` tell the extent where there is one (a pull's bytes and duration).
    `after` says that the device keeps no event up to this seq any more (acknowledged, or dropped from a
    full spool): the controller waits for none of them.
    """

    stamp: Stamp
    after: int = 0
    kind: EventKind
    at: datetime
    workload: str | None = None
    release: str | None = None
    reason: Reason | None = None
    message: str = ""
    size: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        _check_counter("after", self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """Figures of the moment; may be lost. Sizes in bytes, `temperature` in degrees Celsius."""

    stamp: Stamp
    at: datetime
    cpu_percent: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    temperature: float | None = None

    def __post_init__(self) -> None:
        _check_counter("memoryUsed", self.memory_used)
        _check_counter("memoryTotal", self.memory_total)
        _check_counter("diskUsed", self.disk_used)
        _check_counter("diskTotal", self.disk_total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The controller has committed every event of this incarnation up to `seq`."""

    incarnation: str
    seq: int

    def __post_init__(self) -> None:
        check_name("incarnation", self.incarnation)
        _check_counter("seq", self.seq, 1)
