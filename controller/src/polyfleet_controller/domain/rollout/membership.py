"""Who takes part: devices join, leave, and come back as another platform."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.rollout.crowds import Crowd
from polyfleet_controller.domain.rollout.events import Sighting
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.states import (
    Member,
    MemberState,
    Rollout,
    RolloutStatus,
    Stratum,
    StratumStatus,
)
from polyfleet_shared.platforms import Platform


def gather(rollout: Rollout, sightings: Mapping[str, Sighting], minutes: Minutes) -> list[Crowd]:
    """The devices that are seen, by stratum, in the order of their platforms' names.

    A stratum whose outcome is known stays without devices: it is the verdict for those that come. Any other
    is gone with its last device.
    """
    by_platform: dict[Platform, dict[str, Member]] = {
        stratum.platform: {} for stratum in rollout.strata.values() if not stratum.status.is_open
    }
    for device, sighting in sightings.items():
        member = rollout.members.get(device)
        if member is None or member.platform != sighting.platform:
            member = _join(rollout, device, sighting, minutes.now)
            if member.revision != sighting.revision:
                minutes.given[device] = member.revision
        by_platform.setdefault(sighting.platform, {})[device] = member
    crowds = [
        Crowd(
            stratum=_find_stratum(rollout, platform),
            target=rollout.revision,
            members=members,
            sightings=sightings,
        )
        for platform, members in by_platform.items()
    ]
    return sorted(crowds, key=lambda crowd: str(crowd.stratum.platform))


def _find_stratum(rollout: Rollout, platform: Platform) -> Stratum:
    known = rollout.strata.get(str(platform))
    if known is not None:
        return known
    return Stratum(platform=platform, base=rollout.find_base(platform), status=_find_status(rollout))


def _find_status(rollout: Rollout) -> StratumStatus:
    """A rollout that has ended for good does not begin for the first device of a platform."""
    if rollout.status is RolloutStatus.ROLLED_BACK:
        return StratumStatus.ROLLED_BACK
    found = {stratum.status for stratum in rollout.strata.values()}
    if rollout.status is RolloutStatus.ABORTED or StratumStatus.ABORTED in found:
        return StratumStatus.ABORTED
    return StratumStatus.ADVANCING


def _join(rollout: Rollout, device: str, sighting: Sighting, now: datetime) -> Member:
    """A device that joins has what others of its platform have that are no members.

    The first that are looked at keep what they have. Nobody keeps a target that is not proven on its
    platform, as a device does that had it before it became one of another platform.
    """
    joined = rollout.is_begun
    revision = sighting.revision
    if joined or revision in (None, rollout.revision):
        revision = rollout.find_default(sighting.platform)
    attempt = sighting.attempt if sighting.revision == revision else 1
    member = Member(
        device=device,
        platform=sighting.platform,
        revision=revision,
        attempt=attempt,
        origin=revision,
        origin_attempt=attempt,
        joined=joined,
    )
    if revision != rollout.revision:
        return member
    return replace(member, state=MemberState.UPDATING, tries=attempt, released_at=now)
