"""Brings rollouts on: when devices have said something, an operator wants something, or time asks for it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from polyfleet_controller.server.rounds import Rounds
from polyfleet_controller.services.rollouts import Rollouts

# A device proves a release, and so soon the next has its turn; without a due rollout it is one indexed query.
_POLL_SECONDS: Final = 1.0


def make_rollout_rounds(rollouts: Rollouts, now: Callable[[], datetime]) -> Rounds:
    """In a thread of their own: neither a registry nor a big placement keeps a wave from its verdict."""

    def advance() -> float:
        rollouts.advance(now=now())
        return _POLL_SECONDS

    return Rounds("rollouts", "rollouts wait", advance)
