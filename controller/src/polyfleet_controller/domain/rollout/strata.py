"""What becomes of one stratum: its waves end, it succeeds, or it fails. No other has a part in it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from polyfleet_controller.domain.rollout.crowds import Crowd, Share, Tally
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.moves import send_back, stop_prefetching
from polyfleet_controller.domain.rollout.states import Member, MemberState, Rollout, Stratum, StratumStatus
from polyfleet_controller.domain.rollout.strategy import OnFailure
from polyfleet_controller.domain.rollout.turns import find_limit, find_wanted

_RUNNING = (StratumStatus.ADVANCING, StratumStatus.AWAITING_APPROVAL)
_SHOWN = 3


def settle(rollout: Rollout, crowd: Crowd, minutes: Minutes) -> None:
    """Go as far as what is known of the devices leads. None is released by this, some may be sent back."""
    while crowd.stratum.status in _RUNNING:
        tally = crowd.count()
        fault = _find_fault(rollout, crowd, tally, minutes.now)
        if fault is not None:
            _fail(rollout, crowd, fault, minutes)
            return
        after = _advance(rollout, crowd, tally, minutes)
        if after == crowd.stratum:
            return
        crowd.stratum = after


def is_over(rollout: Rollout, crowd: Crowd, tally: Tally) -> bool:
    """Whether nothing more can come of the wave under way: it ends without those that are offline."""
    return not tally.updating and (not tally.online or find_wanted(rollout, crowd, tally) <= 0)


def find_wave_deadline(rollout: Rollout, stratum: Stratum) -> datetime | None:
    """When the wave under way has lasted too long; None: never, or it has not begun."""
    seconds = rollout.strategy.wave_deadline_seconds
    if seconds is None or stratum.wave_began_at is None:
        return None
    return stratum.wave_began_at + timedelta(seconds=seconds)


def name_devices(devices: Iterable[str]) -> str:
    """Some of their names, and how many there are beside these."""
    names = sorted(devices)
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _advance(rollout: Rollout, crowd: Crowd, tally: Tally, minutes: Minutes) -> Stratum:
    stratum, waves = crowd.stratum, rollout.strategy.waves
    if not tally.counted:
        unproven = tally.updating or tally.failed
        return stratum if unproven else _succeed(stratum, "nothing changes for its devices", minutes)
    wave = waves[stratum.wave - 1]
    if wave.approval and stratum.wave not in rollout.approved:
        if stratum.status is StratumStatus.ADVANCING:
            minutes.note(stratum.platform, f"wave {stratum.wave} waits for an operator's approval")
        return replace(stratum, status=StratumStatus.AWAITING_APPROVAL)
    if stratum.status is StratumStatus.AWAITING_APPROVAL:
        return replace(stratum, status=StratumStatus.ADVANCING)
    if not tally.proven or not is_over(rollout, crowd, tally):
        return stratum
    share = tally.wave(stratum.wave)
    done = f"wave {stratum.wave} of {len(waves)} is done: {share.succeeded} of {share.total} succeeded"
    if stratum.wave == len(waves):
        return _succeed(stratum, done if share.total else "its earlier waves were all of it", minutes)
    if share.total:
        minutes.note(stratum.platform, done)
    return replace(stratum, wave=stratum.wave + 1, wave_began_at=None)


def _succeed(stratum: Stratum, why: str, minutes: Minutes) -> Stratum:
    minutes.note(stratum.platform, f"succeeded: {why}")
    return replace(stratum, status=StratumStatus.SUCCEEDED, wave_began_at=None)


def _find_fault(rollout: Rollout, crowd: Crowd, tally: Tally, now: datetime) -> str | None:
    """Why the stratum has failed; None while it has not."""
    for number, share in sorted(tally.waves.items()):
        if _misses(rollout, share.failed, _expect(rollout, crowd, tally, number, share)):
            return _explain_failures(rollout, crowd, number, share)
    deadline = find_wave_deadline(rollout, crowd.stratum)
    if deadline is not None and now >= deadline and not is_over(rollout, crowd, tally):
        return f"wave {crowd.stratum.wave} is not done after {rollout.strategy.wave_deadline_seconds} seconds"
    wanted = find_wanted(rollout, crowd, tally)
    limit = find_limit(rollout, crowd)
    if tally.lost >= limit and wanted > 0 and tally.online and not tally.updating:
        down = "1 device is" if tally.lost == 1 else f"{tally.lost} devices are"
        return f"{down} down, and no more may be: {_name_failed(crowd, None)}"
    return None


def _expect(rollout: Rollout, crowd: Crowd, tally: Tally, number: int, share: Share) -> int:
    """How many the wave will have had when it is over."""
    if number != crowd.stratum.wave or is_over(rollout, crowd, tally):
        return share.total
    return share.total + max(0, find_wanted(rollout, crowd, tally))


def _misses(rollout: Rollout, failed: int, total: int) -> bool:
    """Whether so many failures of so many devices are too many, even if all others succeed."""
    return (total - failed) * 100 < rollout.strategy.success_threshold.percent * total


def _explain_failures(rollout: Rollout, crowd: Crowd, number: int, share: Share) -> str:
    return (
        f"wave {number}: {share.failed} of {share.total} failed, {rollout.strategy.success_threshold} must "
        f"succeed: {_name_failed(crowd, number)}"
    )


def _name_failed(crowd: Crowd, wave: int | None) -> str:
    """Those that failed in this wave, None: in any, each with its reason."""
    failed = [
        member
        for member in crowd.members.values()
        if member.state is MemberState.FAILED
        and (member.wave is not None if wave is None else member.wave == wave)
    ]
    return name_devices(map(_name, failed))


def _name(member: Member) -> str:
    return member.device if member.condition is None else f"{member.device} ({member.condition.reason})"


def _fail(rollout: Rollout, crowd: Crowd, why: str, minutes: Minutes) -> None:
    stratum = crowd.stratum
    if rollout.strategy.on_failure is OnFailure.PAUSE:
        crowd.stratum = replace(stratum, status=StratumStatus.HALTED, reason=why)
        minutes.note(stratum.platform, f"halted: {why}")
    else:
        send_back(crowd, minutes)
        crowd.stratum = replace(stratum, status=StratumStatus.ROLLED_BACK, reason=why)
        minutes.note(stratum.platform, f"rolled back: {why}")
    stop_prefetching(crowd, minutes)
