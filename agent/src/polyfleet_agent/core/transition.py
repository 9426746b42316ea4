"""The result of one event."""

from dataclasses import dataclass

from polyfleet_agent.core.actions import Action
from polyfleet_agent.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The next state, and what to do in order to get on."""

    state: State
    actions: tuple[Action, ...] = ()
