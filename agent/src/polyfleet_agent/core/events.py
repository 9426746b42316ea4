"""What can happen to the agent. The machine takes these one by one, in whatever order they come."""

from dataclasses import dataclass

from polyfleet_agent.core.containers import ObservedContainer
from polyfleet_agent.core.health import Answer
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import DocumentVersion, PullProgress
from polyfleet_shared.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredReceived:
    """A readable desired document; `payload` is what is kept on disk."""

    document: DesiredDocument
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredRefused:
    """A desired document that cannot be read as a whole. The one in force stays in force."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSaved:
    """The document of this version is on disk: from now on it may be acted on."""

    version: DocumentVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredNotSaved:
    """The disk refused the document of this version."""

    version: DocumentVersion
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsSaved:
    """The answer to SaveRecords of the same number: what is remembered is on disk."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsNotSaved:
    """The disk refused the records of this number."""

    number: int
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConnected:
    """The broker took the connection and the subscriptions."""

    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportDisconnected:
    """The connection is gone; the transport tries again by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryChanged:
    """More is known of what the device is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChanged:
    """A hint: something happened to one of our containers. What it was, a listing tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersListed:
    """The answer to ListContainers of the same number."""

    number: int
    containers: tuple[ObservedContainer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainersNotListed:
    """ListContainers of this number failed."""

    number: int
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullAdvanced:
    """The pull of a workload's child moved on."""

    uid: str
    child: str
    progress: PullProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSucceeded:
    """The child is in the store, and proven to be what the release names."""

    uid: str
    child: str
    size: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFailed:
    """The child is not in the store."""

    uid: str
    child: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSucceeded:
    """The workload's step in flight is done."""

    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """The workload's step in flight could not be done."""

    uid: str
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswered:
    """The answer to RunProbe of the same number."""

    number: int
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """Nothing but time has passed."""


AgentEvent = (
    DesiredReceived
    | DesiredRefused
    | DesiredSaved
    | DesiredNotSaved
    | RecordsSaved
    | RecordsNotSaved
    | TransportConnected
    | TransportDisconnected
    | InventoryChanged
    | RuntimeChanged
    | ContainersListed
    | ContainersNotListed
    | PullAdvanced
    | PullSucceeded
    | PullFailed
    | StepSucceeded
    | StepFailed
    | ProbeAnswered
    | Woken
)
