"""What a device is given: the target, the way back, or the images of what is to come."""

from collections.abc import Iterable
from dataclasses import replace

from polyfleet_controller.domain.rollout.crowds import Crowd
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.states import Member, MemberState


def release(crowd: Crowd, devices: Iterable[str], wave: int | None, minutes: Minutes) -> None:
    """Give these devices the target, as a part of this wave."""
    for device in devices:
        member = crowd.members[device]
        released = replace(
            member,
            revision=crowd.target,
            attempt=member.tries + 1,
            tries=member.tries + 1,
            state=MemberState.UPDATING,
            wave=wave,
            released_at=minutes.now,
            prefetching=False,
            condition=None,
        )
        crowd.put(released)
        minutes.given[device] = crowd.target


def pass_over(crowd: Crowd, minutes: Minutes) -> None:
    """Give the target to the devices to which it means what they run: nothing of it is an update."""
    for device, member in crowd.members.items():
        sighting = crowd.sightings[device]
        if sighting.unaffected and sighting.revision == member.revision != crowd.target:
            crowd.put(replace(member, revision=crowd.target, state=MemberState.SUCCEEDED, prefetching=False))
            minutes.given[device] = crowd.target


def send_back(crowd: Crowd, minutes: Minutes) -> None:
    """Give the devices that have the target what their platform is proven on."""
    base = crowd.stratum.base
    for device, member in crowd.members.items():
        if member.revision == crowd.target:
            crowd.put(_send_back(member, base))
            minutes.given[device] = base


def _send_back(member: Member, base: int | None) -> Member:
    """Those that failed stay known as failed, until they are tried again."""
    back = replace(
        member,
        revision=base,
        attempt=member.origin_attempt if member.origin == base else 1,
        released_at=None,
        prefetching=False,
    )
    if member.state is MemberState.FAILED:
        return back
    return replace(back, state=MemberState.WAITING, wave=None)


def stop_prefetching(crowd: Crowd, minutes: Minutes) -> None:
    """What is not to come needs not be ready."""
    for device, member in crowd.members.items():
        if member.prefetching:
            crowd.put(replace(member, prefetching=False))
            minutes.prefetching.append(device)
