"""One look at a workload's whole fleet: who has come how far, whose turn it is, and what is waited for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.rollout.crowds import Crowd, Tally
from polyfleet_controller.domain.rollout.events import Looked
from polyfleet_controller.domain.rollout.judgement import judge
from polyfleet_controller.domain.rollout.membership import gather
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.moves import pass_over, release
from polyfleet_controller.domain.rollout.outcomes import conclude
from polyfleet_controller.domain.rollout.prefetching import find_prefetch_wake, prefetch
from polyfleet_controller.domain.rollout.pulls import PullCount
from polyfleet_controller.domain.rollout.states import Rollout, StratumStatus
from polyfleet_controller.domain.rollout.strata import settle
from polyfleet_controller.domain.rollout.turns import Doors, Turns, find_wanted, take_turns
from polyfleet_controller.domain.rollout.waits import explain_wait, find_wake, is_dormant
from polyfleet_controller.domain.rollout.windows import Calendar

_MOVING = (StratumStatus.ADVANCING, StratumStatus.AWAITING_APPROVAL, StratumStatus.SUCCEEDED)


def look(rollout: Rollout, looked: Looked, minutes: Minutes) -> Rollout:
    """The rollout after the look, and what comes of it in the minutes. The same look twice adds nothing."""
    crowds = gather(rollout, looked.sightings, minutes)
    for crowd in crowds:
        _judge(rollout, crowd, minutes.now)
    if rollout.paused_at is None:
        for crowd in crowds:
            if crowd.stratum.status in _MOVING:
                pass_over(crowd, minutes)
            settle(rollout, crowd, minutes)
    doors = _open_doors(rollout, crowds, looked, minutes.now)
    if rollout.paused_at is None:
        for crowd in crowds:
            _release(rollout, crowd, doors, minutes)
        for crowd in crowds:
            prefetch(rollout, crowd, doors, minutes)
    return conclude(_write_down(rollout, crowds, doors, minutes), minutes)


def _judge(rollout: Rollout, crowd: Crowd, now: datetime) -> None:
    is_open = crowd.stratum.status.is_open
    for device, member in crowd.members.items():
        judged = judge(
            member,
            crowd.sightings[device],
            target=rollout.revision,
            seconds=rollout.progress_deadline_seconds,
            is_open=is_open,
            now=now,
        )
        if judged is not member:
            crowd.put(judged)


def _open_doors(rollout: Rollout, crowds: Sequence[Crowd], looked: Looked, now: datetime) -> Doors:
    strategy = rollout.strategy
    return Doors(
        download=Calendar(strategy.windows.download, now),
        switch=Calendar(strategy.windows.switch, now),
        pulls=PullCount(strategy.pulls, crowds, elsewhere=looked.pulls_elsewhere),
    )


def _release(rollout: Rollout, crowd: Crowd, doors: Doors, minutes: Minutes) -> None:
    """Those whose turn it is. After the waves it is everybody's."""
    ready = _take_turns(rollout, crowd, crowd.count(), doors).ready
    if not ready:
        return
    stratum = crowd.stratum
    if stratum.status is StratumStatus.SUCCEEDED:
        release(crowd, ready, None, minutes)
        return
    release(crowd, ready, stratum.wave, minutes)
    if stratum.wave_began_at is None:
        crowd.stratum = replace(stratum, wave_began_at=minutes.now)
        waves = len(rollout.strategy.waves)
        minutes.note(stratum.platform, f"wave {stratum.wave} of {waves} begins")


def _take_turns(rollout: Rollout, crowd: Crowd, tally: Tally, doors: Doors) -> Turns:
    if crowd.stratum.status is StratumStatus.SUCCEEDED:
        return take_turns(rollout, crowd, tally, doors, wanted=len(tally.online))
    if crowd.stratum.status is StratumStatus.ADVANCING:
        return take_turns(rollout, crowd, tally, doors, wanted=find_wanted(rollout, crowd, tally))
    return Turns()


def _write_down(rollout: Rollout, crowds: Sequence[Crowd], doors: Doors, minutes: Minutes) -> Rollout:
    """The rollout with what has become of its members and strata, and what each waits for."""
    wakes = []
    for crowd in crowds:
        tally = crowd.count()
        turns = Turns() if rollout.paused_at is not None else _take_turns(rollout, crowd, tally, doors)
        wakes.append(find_wake(rollout, crowd, turns, minutes.now))
        wakes.append(find_prefetch_wake(rollout, crowd, tally, doors))
        crowd.stratum = replace(
            crowd.stratum,
            dormant=is_dormant(crowd, tally),
            waits_for=explain_wait(rollout, crowd, tally, turns),
        )
    return replace(
        rollout,
        is_begun=True,
        strata={str(crowd.stratum.platform): crowd.stratum for crowd in crowds},
        members={device: member for crowd in crowds for device, member in crowd.members.items()},
        wake_at=min((wake for wake in wakes if wake is not None), default=None),
    )
