"""Devices as one workload after the other sees them: with what the others leave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from polyfleet_controller.domain.documents import Content
from polyfleet_controller.domain.scheduling.candidates import (
    NO_RESOURCES,
    Candidate,
    HostPort,
    Resources,
)
from polyfleet_controller.domain.scheduling.requests import Request
from polyfleet_controller.domain.taints import Taint
from polyfleet_shared.platforms import RunnablePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A device that may be given work. `platform_set` names its `platforms`: the same name, the same list.

    `content` is the digest of what its document holds; `gone_since` is when it went out of reach, None while
    it is connected.
    """

    name: str
    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    capacity: Resources = NO_RESOURCES
    gone_since: datetime | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What workloads take of a device."""

    used: Resources = NO_RESOURCES
    ports: frozenset[HostPort] = frozenset()


class Fleet:
    """Shows each member as a candidate.

    `requests` are those of all workloads, by uid; `contents` by digest; `layers` of each child that devices
    may have, by its digest. What a content takes of a device is worked out once, whoever has it.
    """

    def __init__(
        self,
        requests: Mapping[str, Request],
        contents: Mapping[str, Content],
        layers: Mapping[str, frozenset[str]],
    ) -> None:
        self._requests = requests
        self._contents = contents
        self._layers = layers
        self._placed: dict[str, frozenset[str]] = {}
        self._held_layers: dict[str, frozenset[str]] = {}
        self._loads: dict[tuple[str, str], Load] = {}

    def show(self, member: Member, uid: str, *, now: datetime) -> Candidate:
        """The member as it is for the workload of this uid."""
        load = self._find_load(member.content, uid)
        return Candidate(
            name=member.name,
            labels=member.labels,
            taints=member.taints,
            platforms=member.platforms,
            capacity=member.capacity,
            used=load.used,
            ports=load.ports,
            layers=self._find_layers(member.content),
            placed=uid in self.find_placed(member.content),
            gone_for=None if member.gone_since is None else now - member.gone_since,
        )

    def find_placed(self, content: str | None) -> frozenset[str]:
        """The uids of the workloads that are meant for a device with this content."""
        if content is None:
            return frozenset()
        if content not in self._placed:
            self._placed[content] = _find_uids(self._contents[content])
        return self._placed[content]

    def _find_load(self, content: str | None, uid: str) -> Load:
        key = (content or "", uid)
        if key not in self._loads:
            others = self.find_placed(content) - {uid}
            self._loads[key] = add_up(
                request for other in others if (request := self._requests.get(other)) is not None
            )
        return self._loads[key]

    def _find_layers(self, content: str | None) -> frozenset[str]:
        if content is None:
            return frozenset()
        if content not in self._held_layers:
            children = (
                container.image.child
                for workload in self._contents[content].workloads
                for container in workload.all_containers
            )
            none: frozenset[str] = frozenset()
            self._held_layers[content] = none.union(*(self._layers.get(child, none) for child in children))
        return self._held_layers[content]


def add_up(requests: Iterable[Request]) -> Load:
    """What these take together."""
    used = NO_RESOURCES
    ports: frozenset[HostPort] = frozenset()
    for request in requests:
        used = used.plus(request.resources)
        ports |= request.ports
    return Load(used=used, ports=ports)


def _find_uids(content: Content) -> frozenset[str]:
    return frozenset(item.uid for item in content.workloads) | {item.uid for item in content.held}
