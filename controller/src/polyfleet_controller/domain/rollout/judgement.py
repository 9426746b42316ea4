"""What one device's report says about its update. Success is proof, and nothing else is."""

from dataclasses import replace
from datetime import datetime, timedelta

from polyfleet_controller.domain.rollout.crowds import is_about
from polyfleet_controller.domain.rollout.events import Sighting
from polyfleet_controller.domain.rollout.states import Member, MemberState
from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason, explain


def judge(
    member: Member, sighting: Sighting, *, target: int, seconds: int, is_open: bool, now: datetime
) -> Member:
    """The member after what was seen of its device, which has so many `seconds` to prove the target.

    While the outcome of its stratum `is_open`, a success that comes to fail is one no longer.
    """
    if member.revision != target or member.released_at is None:
        return member
    told = is_about(sighting, member)
    if told and sighting.rolled_back:
        return _fail(member, sighting.condition)
    if told and sighting.available:
        return _succeed(member)
    if told and is_lasting(sighting) and (is_open or member.state is MemberState.UPDATING):
        return _fail(member, sighting.condition)
    if member.state is MemberState.UPDATING and now >= find_deadline(member.released_at, seconds):
        return _fail(member, _explain_delay(sighting, told=told, seconds=seconds))
    return member


def find_deadline(released_at: datetime, seconds: int) -> datetime:
    """When a device that was given the target then has failed without proof."""
    return released_at + timedelta(seconds=seconds)


def is_lasting(sighting: Sighting) -> bool:
    """Whether it fails for a reason that does not go away by itself."""
    condition = sighting.condition
    return (
        sighting.standing is Standing.FAILING
        and condition is not None
        and not explain(condition.reason).transient
    )


def _succeed(member: Member) -> Member:
    if member.state is MemberState.SUCCEEDED:
        return member
    return replace(member, state=MemberState.SUCCEEDED, condition=None)


def _fail(member: Member, condition: Condition | None) -> Member:
    """A queued retry has failed already, and stays in its queue."""
    if member.state in (MemberState.FAILED, MemberState.WAITING):
        return member
    return replace(member, state=MemberState.FAILED, condition=condition)


def _explain_delay(sighting: Sighting, *, told: bool, seconds: int) -> Condition:
    """What it says of itself, or that it says nothing."""
    if told and sighting.condition is not None:
        return sighting.condition
    what = "has not proven it" if sighting.online else "is offline and has not proven it"
    message = f"the device was given the release {seconds} seconds ago and {what}"
    return Condition(reason=Reason.DEADLINE_EXCEEDED, message=message)
