"""How a rollout stands as a whole: what its strata come to."""

from collections.abc import Iterable
from dataclasses import replace

from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.states import Rollout, RolloutStatus, StratumStatus

_WORDS = {
    RolloutStatus.COMPLETED: "completed",
    RolloutStatus.PARTIAL: "ended: it has succeeded on some platforms only",
    RolloutStatus.ROLLED_BACK: "rolled back",
    RolloutStatus.ABORTED: "aborted",
}


def conclude(rollout: Rollout, minutes: Minutes) -> Rollout:
    """The rollout with its status; it ends, or goes on again for devices that came since it had ended."""
    status = _find_status(rollout)
    if status is rollout.status:
        return rollout
    if status.is_open is rollout.status.is_open:
        return replace(rollout, status=status)
    if status.is_open:
        minutes.note(None, "goes on: there are devices that it has not come to")
        return replace(rollout, status=status, ended_at=None)
    minutes.note(None, _WORDS[status])
    return replace(rollout, status=status, ended_at=minutes.now, paused_at=None)


def _find_status(rollout: Rollout) -> RolloutStatus:
    strata = rollout.strata.values()
    if not strata:
        return _find_status_of_none(rollout)
    found = {stratum.status for stratum in strata if not stratum.dormant}
    if rollout.paused_at is not None and any(stratum.status.is_open for stratum in strata):
        return RolloutStatus.PAUSED
    if StratumStatus.ADVANCING in found or not found:
        return RolloutStatus.PROGRESSING
    if StratumStatus.AWAITING_APPROVAL in found:
        return RolloutStatus.AWAITING_APPROVAL
    if StratumStatus.HALTED in found:
        return RolloutStatus.PROGRESSING
    return _find_outcome(found)


def _find_status_of_none(rollout: Rollout) -> RolloutStatus:
    """Without devices there is nothing to do, once that is known."""
    if rollout.is_begun:
        return RolloutStatus.COMPLETED if rollout.status.is_open else rollout.status
    return RolloutStatus.PROGRESSING if rollout.paused_at is None else RolloutStatus.PAUSED


def _find_outcome(found: Iterable[StratumStatus]) -> RolloutStatus:
    outcomes = {*found}
    if outcomes <= {StratumStatus.SUCCEEDED}:
        return RolloutStatus.COMPLETED
    if StratumStatus.SUCCEEDED in outcomes:
        return RolloutStatus.PARTIAL
    return RolloutStatus.ROLLED_BACK if outcomes == {StratumStatus.ROLLED_BACK} else RolloutStatus.ABORTED
