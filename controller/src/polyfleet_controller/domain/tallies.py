"""How far the devices of a rollout are, counted by platform: each device once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from polyfleet_controller.domain.rollout.states import Member, MemberState
from polyfleet_controller.domain.sightings import SeenDevice
from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.messages import Phase
from polyfleet_shared.platforms import Platform


class Place(StrEnum):
    """Where one device is on its way to the release."""

    WAITING = "waiting"  # its turn has not come
    OFFLINE = "offline"  # the same, and it is out of reach
    PULLING = "pulling"
    STARTING = "starting"  # also where nothing is known yet
    SOAKING = "soaking"  # it runs it, and is not ready for long enough
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The devices of a platform in each place; of those that pull, how many bytes they have of how many."""

    places: Mapping[Place, int]
    pulled: int = 0
    to_pull: int = 0


def tally(members: Iterable[Member], devices: Mapping[str, SeenDevice]) -> dict[Platform, Tally]:
    """Count members by platform; `devices` are those of them that are known, with their reports."""
    places: dict[Platform, Counter[Place]] = {}
    pulled: Counter[Platform] = Counter()
    to_pull: Counter[Platform] = Counter()
    for member in members:
        device = devices.get(member.device)
        place = find_place(member, device)
        places.setdefault(member.platform, Counter())[place] += 1
        if place is Place.PULLING and device is not None and device.report is not None and device.report.pull:
            pulled[member.platform] += device.report.pull.done
            to_pull[member.platform] += device.report.pull.total
    return {
        platform: Tally(places=found, pulled=pulled[platform], to_pull=to_pull[platform])
        for platform, found in places.items()
    }


def find_place(member: Member, device: SeenDevice | None) -> Place:
    """Where a member is."""
    match member.state:
        case MemberState.WAITING:
            return Place.WAITING if device is None or device.online else Place.OFFLINE
        case MemberState.UPDATING:
            return _find_place_on_the_way(device)
        case MemberState.SUCCEEDED:
            return Place.SUCCEEDED
        case MemberState.FAILED:
            return Place.FAILED
        case _:
            assert_never(member.state)


def _find_place_on_the_way(device: SeenDevice | None) -> Place:
    if device is None:
        return Place.STARTING
    if device.standing is Standing.RUNNING:
        return Place.SOAKING
    pulls = device.report is not None and device.report.phase is Phase.PULLING
    return Place.PULLING if pulls else Place.STARTING
