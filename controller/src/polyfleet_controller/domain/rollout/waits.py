"""What a stratum waits for, in plain words, and when time alone changes something about it."""

from collections.abc import Iterator
from datetime import datetime

from polyfleet_controller.domain.rollout.crowds import Crowd, Tally
from polyfleet_controller.domain.rollout.judgement import find_deadline
from polyfleet_controller.domain.rollout.states import MemberState, Rollout, StratumStatus
from polyfleet_controller.domain.rollout.strata import find_wave_deadline, name_devices
from polyfleet_controller.domain.rollout.turns import Turns, find_limit


def is_dormant(crowd: Crowd, tally: Tally) -> bool:
    """Whether nothing can happen until a device comes online that has not been released."""
    return crowd.stratum.status is StratumStatus.ADVANCING and not (
        tally.updating or tally.failed or tally.online
    )


def explain_wait(rollout: Rollout, crowd: Crowd, tally: Tally, turns: Turns) -> str:
    """What has to happen before it goes on; empty where nothing more is to happen."""
    status = crowd.stratum.status
    if status in (StratumStatus.ROLLED_BACK, StratumStatus.ABORTED):
        return ""
    if status is StratumStatus.HALTED:
        return "an operator to resume, retry, roll back or abort"
    found = [*_explain_devices(crowd, tally), *_explain_turns(rollout, crowd, turns)]
    if rollout.paused_at is not None and (status.is_open or found):
        found.insert(0, "an operator to resume the rollout")
    elif status is StratumStatus.AWAITING_APPROVAL:
        found.insert(0, f"an operator to approve wave {crowd.stratum.wave}")
    return "; ".join(found)


def find_wake(rollout: Rollout, crowd: Crowd, turns: Turns, now: datetime) -> datetime | None:
    """When time alone changes something: a deadline passes, or a window opens."""
    moments = [
        find_deadline(member.released_at, rollout.progress_deadline_seconds)
        for member in crowd.members.values()
        if member.state is MemberState.UPDATING and member.released_at is not None
    ]
    if turns.opening is not None:
        moments.append(turns.opening)
    deadline = find_wave_deadline(rollout, crowd.stratum)
    if deadline is not None and crowd.stratum.status is StratumStatus.ADVANCING:
        moments.append(deadline)
    return min((moment for moment in moments if moment > now), default=None)


def _explain_devices(crowd: Crowd, tally: Tally) -> Iterator[str]:
    if tally.updating:
        yield f"{_count(tally.updating)} to prove the release: {_name(crowd, MemberState.UPDATING)}"
    elif crowd.stratum.status.is_open and tally.failed and not tally.online:
        yield f"what failed to prove the release after all: {_name(crowd, MemberState.FAILED)}"
    offline = tally.waiting - len(tally.online)
    if offline and not (crowd.stratum.status.is_open and (tally.online or tally.updating)):
        yield f"{_count(offline)} to come online"


def _explain_turns(rollout: Rollout, crowd: Crowd, turns: Turns) -> Iterator[str]:
    if turns.for_window and turns.opening is not None:
        opens = turns.opening.isoformat(timespec="seconds").replace("+00:00", "Z")
        yield f"maintenance windows: {_count(len(turns.for_window))} outside, the first opens at {opens}"
    if turns.for_pull:
        yield f"downloads to end, before {_count(len(turns.for_pull))} may begin"
    if turns.for_room:
        down = [device for device, member in crowd.members.items() if crowd.is_down(device, member)]
        limit = find_limit(rollout, crowd)
        yield f"devices to be up again, at most {limit} may be down: {name_devices(down)}"


def _name(crowd: Crowd, state: MemberState) -> str:
    return name_devices(device for device, member in crowd.members.items() if member.state is state)


def _count(number: int) -> str:
    return "1 device" if number == 1 else f"{number} devices"
