"""How many devices download at a time: from one registry, and of one place."""

from collections import Counter
from collections.abc import Iterable

from polyfleet_controller.domain.rollout.crowds import Crowd, is_about
from polyfleet_controller.domain.rollout.events import Sighting
from polyfleet_controller.domain.rollout.states import Member, MemberState
from polyfleet_controller.domain.rollout.strategy import Pulls
from polyfleet_controller.domain.sync import Standing

_RUNS = (Standing.RUNNING, Standing.COMPLETED)


class PullCount:
    """The downloads under way, and whether one more may begin."""

    def __init__(self, limits: Pulls, crowds: Iterable[Crowd], *, elsewhere: int) -> None:
        self._limits = limits
        self._all = elsewhere
        self._places: Counter[str] = Counter()
        if limits.per_registry is None and limits.per_topology is None:
            return
        for crowd in crowds:
            for device, member in crowd.members.items():
                sighting = crowd.sightings[device]
                if is_pulling(member, sighting, crowd.target):
                    self.begin(sighting)

    def allows(self, sighting: Sighting) -> bool:
        """Whether one more may download, where this device is."""
        limits = self._limits
        if limits.per_registry is not None and self._all >= limits.per_registry:
            return False
        place = sighting.topology
        return place is None or limits.per_topology is None or self._places[place] < limits.per_topology

    def begin(self, sighting: Sighting) -> None:
        """This device downloads."""
        self._all += 1
        if sighting.topology is not None:
            self._places[sighting.topology] += 1


def is_pulling(member: Member, sighting: Sighting, target: int) -> bool:
    """Whether a device downloads the target, as far as is known.

    One that was given it does until it says that it has it, or its time is over; one that is to get it ready
    does while it is online.
    """
    if sighting.prefetched:
        return False
    if member.prefetching:
        return sighting.online
    if member.revision != target or member.state is not MemberState.UPDATING:
        return False
    return not (is_about(sighting, member) and sighting.standing in _RUNS)
