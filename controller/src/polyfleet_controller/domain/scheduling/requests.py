"""What a workload asks of the devices that are to run it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from polyfleet_controller.domain.coverage import Cover, cover
from polyfleet_controller.domain.images import NamedImage
from polyfleet_controller.domain.requirements import Requirement, find_unmet
from polyfleet_controller.domain.scheduling.candidates import NO_RESOURCES, HostPort, Resources
from polyfleet_controller.domain.taints import Effect, Taint, Toleration
from polyfleet_shared.platforms import RunnablePlatform

# A device out of reach counts as having this taint, as a node does in Kubernetes.
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
# As long as Kubernetes waits before it moves a pod off a node that went away.
DEFAULT_PATIENCE: Final = timedelta(minutes=5)
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Everywhere:
    """On every device that can have it: a DaemonSet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicas:
    """On so many devices. They move off a device that is gone for longer than `patience`; None is never."""

    count: int
    patience: timedelta | None = DEFAULT_PATIENCE


Extent: TypeAlias = Everywhere | Replicas


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A Kubernetes NodeSelectorTerm: all of its requirements are met."""

    requirements: tuple[Requirement, ...]

    def is_met(self, labels: Mapping[str, str]) -> bool:
        """Whether a device with these labels meets it. A term of no requirements is met by none."""
        return bool(self.requirements) and find_unmet(self.requirements, labels) is None

    def __str__(self) -> str:
        return " and ".join(map(str, self.requirements)) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A Kubernetes PreferredSchedulingTerm; `weight` is 1 to 100."""

    weight: int
    term: Term


class WhenUnsatisfiable(StrEnum):
    """As in a Kubernetes TopologySpreadConstraint."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A Kubernetes TopologySpreadConstraint over this workload's own replicas.

    Between the values of the label `topology_key` their numbers differ by at most `max_skew`.
    """

    topology_key: str
    max_skew: int = 1
    when_unsatisfiable: WhenUnsatisfiable = WhenUnsatisfiable.SCHEDULE_ANYWAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything that decides where a workload runs.

    `affinity` None asks nothing; else one of its terms must be met. `images` are empty while they are
    unknown; `excludes` the devices that one of them has nothing for, instead of holding it there.
    `uid` breaks ties, so that workloads that ask alike do not all crowd onto one device. The higher
    `priority` comes first where not all find room; it takes nothing from those that have it.
    """

    uid: str
    priority: int = 0
    extent: Extent = Everywhere()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[Term, ...] | None = None
    preferences: tuple[Preference, ...] = ()
    tolerations: tuple[Toleration, ...] = ()
    resources: Resources = NO_RESOURCES
    ports: frozenset[HostPort] = frozenset()
    spreads: tuple[Spread, ...] = ()
    images: tuple[NamedImage, ...] = ()
    excludes: bool = False
    _covers: dict[tuple[RunnablePlatform, ...], Cover] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def cover(self, platforms: tuple[RunnablePlatform, ...]) -> Cover:
        """What a device with this list of platforms gets of the images; worked out once for each list."""
        found = self._covers.get(platforms)
        if found is None:
            found = self._covers[platforms] = cover(platforms, self.images)
        return found

    @property
    def takes_room(self) -> bool:
        """Whether it takes something of a device that others then lack."""
        return bool(self.ports) or self.resources != NO_RESOURCES


def find_patience(tolerations: tuple[Toleration, ...]) -> timedelta | None:
    """How long replicas stay on a device that is out of reach; None is for ever."""
    gone = Taint(key=UNREACHABLE, effect=Effect.NO_EXECUTE, since=_BEGINNING)
    ends = [toleration.ends_at(gone) for toleration in tolerations if toleration.covers(gone)]
    if not ends:
        return DEFAULT_PATIENCE
    return None if None in ends else max(end for end in ends if end is not None) - _BEGINNING
