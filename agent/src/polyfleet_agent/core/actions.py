"""What the machine asks for. The executor has one function for each; every action is idempotent."""

from dataclasses import dataclass

from polyfleet_agent.core.happenings import Happening
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import Condition, DocumentVersion, WorkloadReport
from polyfleet_shared.probes import Probe
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveDesired:
    """Answered by DesiredSaved or DesiredNotSaved."""

    version: DocumentVersion
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRecords:
    """Answered by RecordsSaved or RecordsNotSaved with the same number."""

    number: int
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ListContainers:
    """Answered by ContainersListed or ContainersNotListed with the same number."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage:
    """Answered by PullSucceeded or PullFailed, with PullAdvanced in between.

    `secrets` name the credentials that the workload may use of those on the device.
    """

    uid: str
    image: PinnedImage
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer:
    """Create it, look into it, and start it. A step: answered by StepSucceeded or StepFailed.

    Without `start` it is left ready to be started, beside a predecessor that still runs.
    """

    workload: DesiredWorkload
    container: ContainerSpec
    start: bool = True

    @property
    def uid(self) -> str:
        """The workload whose step this is."""
        return self.workload.uid


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStart:
    """What a container that never ran was made for: what its step of creation left undone is done first."""

    workload: DesiredWorkload
    container: ContainerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """A step: answered by StepSucceeded or StepFailed.

    `first` is None of one that has run, or was made ready to.
    """

    uid: str
    container_id: str
    first: FirstStart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer:
    """A step: answered by StepSucceeded or StepFailed. `grace` in seconds between SIGTERM and SIGKILL.

    `then` is the step that follows at once if it succeeds, without a look at what there is: each moment
    between the end of a container and the start of its successor is one in which nobody answers.
    """

    uid: str
    container_id: str
    grace: int
    then: "StopContainer | StartContainer | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer:
    """A step: answered by StepSucceeded or StepFailed."""

    uid: str
    container_id: str


Step = CreateContainer | StartContainer | StopContainer | RemoveContainer


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProbe:
    """Ask a running container. Answered by ProbeAnswered with the same number."""

    number: int
    container_id: str
    probe: Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPresence:
    """Say that the device is online on this connection."""

    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishInventory:
    """Say what the device is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishReported:
    """Say what the device runs. `available` are the workloads that are ready for as long as they must be."""

    observed: DocumentVersion | None
    conditions: tuple[Condition, ...]
    workloads: tuple[WorkloadReport, ...]
    available: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishTelemetry:
    """Say how busy the device is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEvents:
    """Publish again events that are not acknowledged: all, or only those that have long been waiting.

    A broker that dies after it took an event, or has no subscriber at the moment, drops it.
    """

    overdue_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEvent:
    """Put a line into the device's history, on disk and on the wire."""

    happening: Happening


Action = (
    SaveDesired
    | SaveRecords
    | ListContainers
    | PullImage
    | CreateContainer
    | StartContainer
    | StopContainer
    | RemoveContainer
    | RunProbe
    | PublishPresence
    | PublishInventory
    | PublishReported
    | PublishTelemetry
    | ReplayEvents
    | RecordEvent
)
