"""What must hold of every step of a rollout, whatever happens. For tests, and for those who read."""

from collections.abc import Iterable, Iterator

from polyfleet_controller.domain.rollout.crowds import is_about
from polyfleet_controller.domain.rollout.events import Looked, RolloutEvent
from polyfleet_controller.domain.rollout.instructions import Release, Return, Transition
from polyfleet_controller.domain.rollout.states import (
    Member,
    MemberState,
    Rollout,
    RolloutStatus,
    Stratum,
    StratumStatus,
)

_CLOSED = (StratumStatus.HALTED, StratumStatus.ROLLED_BACK, StratumStatus.ABORTED)


def find_violations(before: Rollout, event: RolloutEvent, transition: Transition) -> Iterator[str]:
    """What does not hold of this step; nothing, if all is well."""
    after = transition.rollout
    released = {
        device
        for instruction in transition.instructions
        if isinstance(instruction, Release)
        for device in instruction.devices
    }
    yield from _check_instructions(before, transition)
    yield from _check_members(after)
    yield from _check_waits(after)
    for name, stratum in after.strata.items():
        yield from _check_verdict(before.strata.get(name), stratum, event)
        if isinstance(event, Looked):
            yield from _check_releases(after, stratum, event, released)
    if isinstance(event, Looked):
        yield from _check_successes(before, after, event)


def _check_instructions(before: Rollout, transition: Transition) -> Iterator[str]:
    """The instructions say what the members say, and each device stands in one at most."""
    given: dict[str, int | None] = {}
    for instruction in transition.instructions:
        if isinstance(instruction, Release | Return):
            revision = instruction.revision if isinstance(instruction, Return) else before.revision
            for device in instruction.devices:
                if device in given:
                    yield f"{device} stands in two instructions"
                given[device] = revision
    after = transition.rollout.members
    for device, member in after.items():
        if device in given and member.revision != given[device]:
            yield f"{device} is given {given[device]} and has {member.revision}"
        known = before.members.get(device)
        if known is not None and known.revision != member.revision and device not in given:
            yield f"{device} has {member.revision} in the place of {known.revision} without an instruction"
    for device in given.keys() - after.keys():
        yield f"{device} is given something and is no member"


def _check_members(rollout: Rollout) -> Iterator[str]:
    """A device has the target, what its platform is proven on, or what it had when it came."""
    for device, member in rollout.members.items():
        stratum = rollout.strata[str(member.platform)]
        allowed = {rollout.revision, stratum.base, member.origin}
        if member.revision not in allowed:
            yield f"{device} has {member.revision}, which nobody chose"
        if stratum.status is StratumStatus.ROLLED_BACK and member.revision == rollout.revision:
            yield f"{device} has the target, which {member.platform} was taken back from"
        if member.state is MemberState.UPDATING and member.revision != rollout.revision:
            yield f"{device} is updating to something else than the target"
        if member.state is MemberState.SUCCEEDED and member.revision != rollout.revision:
            yield f"{device} has succeeded without the target"


def _check_successes(before: Rollout, after: Rollout, looked: Looked) -> Iterator[str]:
    """Nothing but proof makes a success of a device that was given the target."""
    for device, member in after.members.items():
        known = before.members.get(device)
        was = None if known is None else known.state
        if member.state is not MemberState.SUCCEEDED or was is MemberState.SUCCEEDED or not member.tries:
            continue
        sighting = looked.sightings[device]
        if not (is_about(sighting, member) and sighting.available) or sighting.rolled_back:
            yield f"{device} has succeeded without proof"


def _check_waits(rollout: Rollout) -> Iterator[str]:
    """Whatever has not ended says what it waits for."""
    if rollout.status is RolloutStatus.SUPERSEDED or not rollout.is_begun:
        return
    for name, stratum in rollout.strata.items():
        if stratum.status.is_open and not stratum.waits_for:
            yield f"{name} does not say what it waits for"
    if rollout.status.is_open and not any(stratum.status.is_open for stratum in rollout.strata.values()):
        yield "the rollout is open, and none of its strata is"
    if rollout.status.is_open is (rollout.ended_at is not None):
        yield f"the rollout is {rollout.status} and ended at {rollout.ended_at}"


def _check_verdict(before: Stratum | None, after: Stratum, event: RolloutEvent) -> Iterator[str]:
    """Only an operator changes the verdict about a stratum."""
    if before is None or not isinstance(event, Looked):
        return
    if before.status in (*_CLOSED, StratumStatus.SUCCEEDED) and after.status is not before.status:
        yield f"{after.platform} was {before.status} and is {after.status} though nobody asked for it"
    if before.status in _CLOSED and after.wave != before.wave:
        yield f"{after.platform} advances though it is {before.status}"


def _check_releases(
    rollout: Rollout, stratum: Stratum, looked: Looked, released: Iterable[str]
) -> Iterator[str]:
    """Devices are released where that may be, when they are online, and not too many at a time."""
    members = {
        device: member for device, member in rollout.members.items() if member.platform == stratum.platform
    }
    updated = [device for device in released if device in members and members[device].tries]
    if not updated:
        return
    if stratum.status in (*_CLOSED, StratumStatus.AWAITING_APPROVAL) or rollout.paused_at is not None:
        yield f"{updated} are released though {stratum.platform} is {stratum.status}, or paused"
    for device in updated:
        if not looked.sightings[device].online and members[device].origin != rollout.revision:
            yield f"{device} is released while it is offline"
    limit = rollout.strategy.max_unavailable.of(len(members))
    down = [device for device, member in members.items() if _is_down(rollout, looked, device, member)]
    if len(down) > limit:
        yield f"{stratum.platform}: {sorted(down)} are down, of which there may be {limit}"


def _is_down(rollout: Rollout, looked: Looked, device: str, member: Member) -> bool:
    sighting = looked.sightings[device]
    if member.revision != rollout.revision or member.origin == rollout.revision or not member.tries:
        return False
    return not is_about(sighting, member) or not (sighting.available or sighting.rolled_back)
