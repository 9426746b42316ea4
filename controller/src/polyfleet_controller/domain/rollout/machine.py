"""The rollout machine: a rollout and an event give the next rollout and what is to be done. Pure.

It is level-triggered: whatever was missed, the next look at the fleet leads on to the same end.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from polyfleet_controller.domain.rollout.events import (
    Aborted,
    Approved,
    Looked,
    Paused,
    Resumed,
    Retried,
    RolledBack,
    RolloutEvent,
    Superseded,
)
from polyfleet_controller.domain.rollout.instructions import Transition
from polyfleet_controller.domain.rollout.looks import look
from polyfleet_controller.domain.rollout.minutes import Minutes
from polyfleet_controller.domain.rollout.states import Rollout, RolloutStatus
from polyfleet_controller.domain.rollout.verbs import carry_out, find_refusal


def react(rollout: Rollout, event: RolloutEvent, now: datetime) -> Transition:
    """What comes of an event. A verb that is refused (`find_refusal`) changes nothing.

    A verb does not look at devices: what it sets going happens at the next look, which is due at once.
    """
    minutes = Minutes(target=rollout.revision, now=now)
    match event:
        case Looked():
            after = look(rollout, event, minutes) if rollout.status.is_followed else rollout
        case Superseded():
            after = _supersede(rollout, event, minutes)
        case Paused() | Resumed() | Approved() | Aborted() | RolledBack() | Retried():
            minutes.by = event.by
            if find_refusal(rollout, event) is not None:
                return Transition(rollout=rollout)
            after = replace(carry_out(rollout, event, minutes), wake_at=now)
        case _:
            assert_never(event)
    return Transition(rollout=after, instructions=minutes.instructions)


def _supersede(rollout: Rollout, event: Superseded, minutes: Minutes) -> Rollout:
    """Its devices go on with the rollout of the newer release, from where they are."""
    if not rollout.status.is_open:
        return rollout
    minutes.by = event.by
    minutes.note(None, f"superseded by release {event.revision}")
    return replace(
        rollout, status=RolloutStatus.SUPERSEDED, ended_at=minutes.now, paused_at=None, wake_at=None
    )
