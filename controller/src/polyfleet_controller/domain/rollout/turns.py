"""Whose turn it is: the order of a stratum's devices, and what those wait for that may not go yet."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from polyfleet_controller.domain.rollout.crowds import Crowd, Tally
from polyfleet_controller.domain.rollout.pulls import PullCount
from polyfleet_controller.domain.rollout.states import Rollout
from polyfleet_controller.domain.rollout.windows import Calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What lets devices through, for all strata of a look."""

    download: Calendar
    switch: Calendar
    pulls: PullCount

    def find_opening(self, crowd: Crowd, device: str) -> datetime | None:
        """When the device may take the target; None: now. What it does not have, it downloads then."""
        sighting = crowd.sightings[device]
        opening = self.switch.find_opening(sighting.time_zone)
        if opening is not None or sighting.prefetched:
            return opening
        return self.download.find_opening(sighting.time_zone)

    def lets_pull(self, crowd: Crowd, device: str) -> bool:
        """Whether it may download, or does so already, or need not."""
        sighting = crowd.sightings[device]
        return crowd.members[device].prefetching or sighting.prefetched or self.pulls.allows(sighting)

    def note_pull(self, crowd: Crowd, device: str) -> None:
        """It downloads from now on, unless it did already or need not."""
        sighting = crowd.sightings[device]
        if not (crowd.members[device].prefetching or sighting.prefetched):
            self.pulls.begin(sighting)


@dataclass(slots=True)
class Turns:
    """`ready` may be released now, in this order; others wait for a window, a download, or a place.

    The next window is open at `opening`.
    """

    ready: list[str] = field(default_factory=list)
    for_window: list[str] = field(default_factory=list)
    for_pull: list[str] = field(default_factory=list)
    for_room: list[str] = field(default_factory=list)
    opening: datetime | None = None


def take_turns(rollout: Rollout, crowd: Crowd, tally: Tally, doors: Doors, *, wanted: int) -> Turns:
    """Choose up to `wanted` of those that are online, so that no more are down than may be.

    The downloads of the chosen are counted: they are released.
    """
    turns = Turns()
    if wanted <= 0:
        return turns
    room = find_limit(rollout, crowd) - tally.down
    for device in draw(rollout, crowd, tally.online):
        if len(turns.ready) >= wanted:
            break
        costs = not crowd.is_down(device, crowd.members[device])
        opening = doors.find_opening(crowd, device)
        if opening is not None:
            turns.for_window.append(device)
            turns.opening = opening if turns.opening is None else min(opening, turns.opening)
        elif costs and room <= 0:
            turns.for_room.append(device)
        elif not doors.lets_pull(crowd, device):
            turns.for_pull.append(device)
        else:
            doors.note_pull(crowd, device)
            turns.ready.append(device)
            room -= costs
    return turns


def draw(rollout: Rollout, crowd: Crowd, devices: Collection[str]) -> list[str]:
    """The order of these devices: drawn anew for each release, those that joined last."""
    places = crowd.places
    seed = f"{rollout.workload}/{rollout.revision}/".encode()
    for device in devices:
        if device not in places:
            drawn = hashlib.blake2b(seed + device.encode(), digest_size=8).digest()
            places[device] = (crowd.members[device].joined, drawn, device)
    return sorted(devices, key=places.__getitem__)


def find_quota(rollout: Rollout, wave: int, counted: int) -> int:
    """How many devices have been released when this wave is done, of so many that count."""
    waves = rollout.strategy.waves[:wave]
    return max((item.devices.of(counted) for item in waves), default=0)


def find_wanted(rollout: Rollout, crowd: Crowd, tally: Tally) -> int:
    """How many are still to be released in the wave under way."""
    return find_quota(rollout, crowd.stratum.wave, tally.counted) - tally.in_waves


def find_limit(rollout: Rollout, crowd: Crowd) -> int:
    """How many of the devices may be down at a time."""
    return rollout.strategy.max_unavailable.of(len(crowd.members))
