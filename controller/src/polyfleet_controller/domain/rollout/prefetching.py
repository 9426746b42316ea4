"""Devices get the images of the next wave ready while this one is watched."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.rollout.crowds import Crowd, Tally
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.states import Rollout, StratumStatus
from polyfleet_controller.domain.rollout.turns import Doors, draw, find_quota


def prefetch(rollout: Rollout, crowd: Crowd, doors: Doors, minutes: Minutes) -> None:
    """Tell those to download that come next, within the windows and limits for downloads."""
    for device in [*_find_next(rollout, crowd, crowd.count())]:
        sighting = crowd.sightings[device]
        opening = doors.download.find_opening(sighting.time_zone)
        if opening is None and doors.pulls.allows(sighting):
            doors.note_pull(crowd, device)
            crowd.put(replace(crowd.members[device], prefetching=True))
            minutes.prefetching.append(device)


def find_prefetch_wake(rollout: Rollout, crowd: Crowd, tally: Tally, doors: Doors) -> datetime | None:
    """When the next of those may download that come next."""
    if rollout.paused_at is not None or not rollout.strategy.windows.download:
        return None
    openings = (
        doors.download.find_opening(crowd.sightings[device].time_zone)
        for device in _find_next(rollout, crowd, tally)
    )
    return min((opening for opening in openings if opening is not None), default=None)


def _find_next(rollout: Rollout, crowd: Crowd, tally: Tally) -> Iterator[str]:
    """Those that are online, come next, and do not have the images or download them."""
    if not rollout.strategy.prefetch:
        return
    for device in draw(rollout, crowd, tally.online)[: _find_number(rollout, crowd, tally)]:
        if not (crowd.members[device].prefetching or crowd.sightings[device].prefetched):
            yield device


def _find_number(rollout: Rollout, crowd: Crowd, tally: Tally) -> int:
    """How many come next: what is left of this wave and all of the next."""
    stratum = crowd.stratum
    match stratum.status:
        case StratumStatus.SUCCEEDED:
            return len(tally.online)
        case StratumStatus.AWAITING_APPROVAL:
            wave = stratum.wave
        case StratumStatus.ADVANCING:
            wave = stratum.wave + 1
        case _:
            return 0
    return max(0, find_quota(rollout, wave, tally.counted) - tally.in_waves)
