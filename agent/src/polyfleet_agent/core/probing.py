"""Which probes are sent now, and what their answers change. Never more at once than the settings allow."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from polyfleet_agent.core import health
from polyfleet_agent.core.actions import RunProbe, StopContainer
from polyfleet_agent.core.events import ProbeAnswered
from polyfleet_agent.core.runtime import is_usable
from polyfleet_agent.core.state import Asking, State, UnderWay, Workload
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.probes import Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A probe that is in turn and not under way."""

    due: float
    asking: Asking
    probe: Probe


def ask_all(state: State, now: float) -> Transition:
    """Send what is due, what has been due for longest first."""
    due = sorted((item for item in _find_waiting(state) if item.due <= now), key=lambda item: item.due)
    chosen = dict(enumerate(due[: _room(state)], state.probes + 1))
    if not chosen:
        return Transition(state=state)
    begun = {number: UnderWay(asking=item.asking, since=now) for number, item in chosen.items()}
    return Transition(
        state=replace(state, probes=state.probes + len(chosen), probing={**state.probing, **begun}),
        actions=tuple(
            RunProbe(number=number, container_id=item.asking.run[0], probe=item.probe)
            for number, item in chosen.items()
        ),
    )


def next_due(state: State) -> float:
    """When time alone lets a probe be sent (monotonic); infinity while only an answer does."""
    if not _room(state):
        return math.inf
    return min((item.due for item in _find_waiting(state)), default=math.inf)


def take_answer(state: State, event: ProbeAnswered, now: float) -> Transition:
    """Of a run that is over an answer says nothing any more."""
    under_way = state.probing.get(event.number)
    if under_way is None:
        return Transition(state=state)
    asking = under_way.asking
    rest = {number: item for number, item in state.probing.items() if number != event.number}
    state = replace(state, probing=rest)
    workload = state.workloads.get(asking.uid)
    known = None if workload is None else workload.part(asking.container).health
    if workload is None or known is None or known.run != asking.run:
        return Transition(state=state)
    told = health.take(known, asking.kind, event.answer, asked_at=under_way.since, now=now)
    changed = workload.with_part(asking.container, replace(workload.part(asking.container), health=told))
    return Transition(state=replace(state, workloads={**state.workloads, workload.uid: changed}))


def _room(state: State) -> int:
    return state.settings.probes_at_once - len(state.probing)


def _find_waiting(state: State) -> Iterator[_Waiting]:
    if not is_usable(state):
        return
    under_way = {item.asking for item in state.probing.values()}
    for workload in state.workloads.values():
        for name, part in workload.parts.items():
            known = part.health
            if known is None or _is_being_stopped(workload, known.run):
                continue
            for kind in known.in_turn:
                asking = Asking(uid=workload.uid, container=name, run=known.run, kind=kind)
                if asking not in under_way:
                    yield _Waiting(due=known.tallies[kind].due, asking=asking, probe=known.probes[kind])


def _is_being_stopped(workload: Workload, run: health.Run) -> bool:
    step = workload.step
    return isinstance(step, StopContainer) and step.container_id == run[0]
