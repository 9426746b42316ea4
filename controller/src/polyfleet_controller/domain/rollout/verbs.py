"""What operators want of a rollout: when it cannot be, and what it changes."""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from polyfleet_controller.domain.rollout.crowds import Crowd
from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Paused,
    Resumed,
    Retried,
    RolledBack,
    Verb,
)
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.moves import send_back, stop_prefetching
from polyfleet_controller.domain.rollout.outcomes import conclude
from polyfleet_controller.domain.rollout.states import (
    Member,
    MemberState,
    Rollout,
    RolloutStatus,
    Stratum,
    StratumStatus,
)
from polyfleet_shared.platforms import Platform

_A_LOOK = "its devices to be looked at"
_UNDONE = (StratumStatus.ROLLED_BACK, StratumStatus.ABORTED)


def find_refusal(rollout: Rollout, verb: Verb) -> str | None:
    """Why this cannot be done now, in plain words; None: it can."""
    if rollout.status is RolloutStatus.SUPERSEDED:
        return "a newer release has superseded this rollout"
    if isinstance(verb, RolledBack | Retried):
        return _refuse_platforms(rollout, verb, verb.platforms)
    if not rollout.status.is_open:
        return f"the rollout has ended: {rollout.status}"
    return _refuse_while_open(rollout, verb)


def carry_out(rollout: Rollout, verb: Verb, minutes: Minutes) -> Rollout:
    """The rollout after what an operator wanted, and can have. Its devices are looked at afterwards."""
    match verb:
        case Paused():
            minutes.note(None, "paused")
            after = replace(rollout, paused_at=minutes.now)
        case Resumed():
            after = _resume(rollout, minutes)
        case Approved(wave=wave):
            minutes.note(None, f"wave {wave} is approved")
            after = replace(rollout, approved=tuple(sorted({*rollout.approved, wave})))
        case Aborted():
            after = _abort(rollout, minutes)
        case RolledBack(platforms=platforms):
            after = _roll_back(rollout, platforms, minutes)
        case Retried(platforms=platforms):
            after = _retry(rollout, platforms, minutes)
        case _:
            assert_never(verb)
    return conclude(after, minutes)


def _refuse_while_open(rollout: Rollout, verb: Paused | Resumed | Approved | Aborted) -> str | None:
    match verb:
        case Paused():
            return None if rollout.paused_at is None else "the rollout is paused already"
        case Resumed():
            return _refuse_resumption(rollout)
        case Approved(wave=wave):
            return _refuse_approval(rollout, wave)
        case Aborted():
            return None
        case _:
            assert_never(verb)


def _refuse_resumption(rollout: Rollout) -> str | None:
    halted = any(stratum.status is StratumStatus.HALTED for stratum in rollout.strata.values())
    return None if halted or rollout.paused_at is not None else "the rollout is neither paused nor halted"


def _refuse_approval(rollout: Rollout, wave: int) -> str | None:
    waves = rollout.strategy.waves
    if not (1 <= wave <= len(waves) and waves[wave - 1].approval):
        gates = [str(number) for number, item in enumerate(waves, start=1) if item.approval]
        return f"wave {wave} needs no approval; of {len(waves)} waves need one: {', '.join(gates) or 'none'}"
    return "the wave is approved already" if wave in rollout.approved else None


def _refuse_platforms(
    rollout: Rollout, verb: RolledBack | Retried, platforms: frozenset[Platform] | None
) -> str | None:
    if not rollout.is_begun:
        return "the rollout has not begun: abort it, or wait a moment"
    strata = [*_choose(rollout, platforms)]
    missing = (platforms or frozenset()) - {stratum.platform for stratum in strata}
    if missing:
        return f"the rollout has no devices of {', '.join(sorted(map(str, missing)))}"
    if isinstance(verb, Retried):
        return None if any(_can_retry(rollout, each) for each in strata) else "nothing of it has failed"
    undone = all(stratum.status is StratumStatus.ROLLED_BACK for stratum in strata)
    return "it is rolled back already" if undone else None


def _choose(rollout: Rollout, platforms: frozenset[Platform] | None) -> Iterable[Stratum]:
    return (
        stratum for stratum in rollout.strata.values() if platforms is None or stratum.platform in platforms
    )


def _can_retry(rollout: Rollout, stratum: Stratum) -> bool:
    if stratum.status in (*_UNDONE, StratumStatus.HALTED):
        return True
    return any(member.state is MemberState.FAILED for member in _members_of(rollout, stratum).values())


def _members_of(rollout: Rollout, stratum: Stratum) -> dict[str, Member]:
    return {
        device: member for device, member in rollout.members.items() if member.platform == stratum.platform
    }


def _crowd(rollout: Rollout, stratum: Stratum) -> Crowd:
    members = _members_of(rollout, stratum)
    return Crowd(stratum=stratum, target=rollout.revision, members=members, sightings={})


def _put(rollout: Rollout, crowd: Crowd) -> Rollout:
    return replace(
        rollout,
        strata={**rollout.strata, str(crowd.stratum.platform): crowd.stratum},
        members={**rollout.members, **crowd.members},
    )


def _resume(rollout: Rollout, minutes: Minutes) -> Rollout:
    """What lasted while nothing moved is no part of a wave's time; what failed counts for no wave."""
    minutes.note(None, "resumed")
    for stratum in rollout.strata.values():
        crowd = _crowd(rollout, stratum)
        if stratum.status is StratumStatus.HALTED:
            began = None if stratum.wave_began_at is None else minutes.now
            crowd.stratum = replace(
                stratum, status=StratumStatus.ADVANCING, wave_began_at=began, waits_for=_A_LOOK, reason=""
            )
            for member in crowd.members.values():
                if member.state is MemberState.FAILED:
                    crowd.put(replace(member, wave=None))
        elif rollout.paused_at is not None and stratum.wave_began_at is not None:
            began = stratum.wave_began_at + (minutes.now - rollout.paused_at)
            crowd.stratum = replace(stratum, wave_began_at=began)
        rollout = _put(rollout, crowd)
    return replace(rollout, paused_at=None)


def _abort(rollout: Rollout, minutes: Minutes) -> Rollout:
    minutes.note(None, "aborted: devices stay where they are")
    for stratum in rollout.strata.values():
        if stratum.status.is_open:
            crowd = _crowd(rollout, stratum)
            stop_prefetching(crowd, minutes)
            crowd.stratum = _end(stratum, StratumStatus.ABORTED, minutes.by)
            rollout = _put(rollout, crowd)
    return replace(rollout, paused_at=None, status=RolloutStatus.ABORTED, is_begun=True, ended_at=minutes.now)


def _roll_back(rollout: Rollout, platforms: frozenset[Platform] | None, minutes: Minutes) -> Rollout:
    for stratum in _choose(rollout, platforms):
        if stratum.status is not StratumStatus.ROLLED_BACK:
            crowd = _crowd(rollout, stratum)
            send_back(crowd, minutes)
            stop_prefetching(crowd, minutes)
            crowd.stratum = _end(stratum, StratumStatus.ROLLED_BACK, minutes.by)
            minutes.note(stratum.platform, "rolled back")
            rollout = _put(rollout, crowd)
    return rollout


def _end(stratum: Stratum, status: StratumStatus, by: str) -> Stratum:
    words = "aborted" if status is StratumStatus.ABORTED else "rolled back"
    return replace(stratum, status=status, reason=f"{words} by {by}", waits_for="", dormant=False)


def _retry(rollout: Rollout, platforms: frozenset[Platform] | None, minutes: Minutes) -> Rollout:
    """The devices that failed wait for their turn again; a stratum that had ended begins anew."""
    for stratum in _choose(rollout, platforms):
        if not _can_retry(rollout, stratum):
            continue
        crowd = _crowd(rollout, stratum)
        for member in crowd.members.values():
            if member.state is MemberState.FAILED:
                crowd.put(replace(member, state=MemberState.WAITING, wave=None, condition=None))
        crowd.stratum = _begin_again(stratum)
        minutes.note(stratum.platform, "retried")
        rollout = _put(rollout, crowd)
    return rollout


def _begin_again(stratum: Stratum) -> Stratum:
    if stratum.status is StratumStatus.SUCCEEDED:
        return stratum
    wave = 1 if stratum.status in _UNDONE else stratum.wave
    return replace(
        stratum,
        status=StratumStatus.ADVANCING,
        wave=wave,
        wave_began_at=None,
        dormant=False,
        waits_for=_A_LOOK,
        reason="",
    )
