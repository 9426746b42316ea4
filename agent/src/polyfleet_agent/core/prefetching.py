"""Images of releases to come are pulled while the present ones run, one at a time, after what is wanted.

Whether it works is told, and changes nothing about what runs.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

from polyfleet_agent.core.actions import PullImage, RecordEvent
from polyfleet_agent.core.events import PullFailed, PullSucceeded
from polyfleet_agent.core.observation import happening_of, set_back
from polyfleet_agent.core.state import UNTROUBLED, Prefetch, State, Workload
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import EventKind, Phase


def begin_next(state: State, now: float) -> Transition:
    """Begin with the first image that may be tried, unless something else is on its way."""
    if not _is_free(state):
        return Transition(state=state)
    for workload, image in _find_lacking(state):
        if workload.prefetches.get(image.child, UNTROUBLED).waits(now) is None:
            begun = Prefetch(uid=workload.uid, child=image.child)
            secrets = () if workload.wanted is None else workload.wanted.image_pull_secrets
            action = PullImage(uid=workload.uid, image=image, secrets=secrets)
            return Transition(state=replace(state, prefetching=begun), actions=(action,))
    return Transition(state=state)


def is_under_way(state: State, uid: str, child: str) -> bool:
    return state.prefetching == Prefetch(uid=uid, child=child)


def retry_at(state: State) -> float:
    """When time alone lets one be tried again; infinity while something else is on its way."""
    if not _is_free(state):
        return math.inf
    setbacks = (
        workload.prefetches.get(image.child, UNTROUBLED).setback for workload, image in _find_lacking(state)
    )
    return min((setback.retry_at for setback in setbacks if setback is not None), default=math.inf)


def take(state: State, workload: Workload, event: PullSucceeded | PullFailed, now: float) -> Transition:
    """The end of the one under way."""
    free = replace(state, prefetching=None)
    before = workload.prefetches.get(event.child, UNTROUBLED)
    if isinstance(event, PullSucceeded):
        done = keep_wanted(replace(workload, prefetched=workload.prefetched | {event.child}))
        told = happening_of(workload, EventKind.PULL_FINISHED, None, event.child)
        told = replace(told, size=event.size, seconds=round(event.seconds, 3))
        return _put(free, done, RecordEvent(happening=told))
    seed = state.settings.seed(f"{event.uid}/{event.child}")
    trouble = set_back(before, event.reason, event.message, seed=seed, now=now)
    failed = keep_wanted(replace(workload, prefetches={**workload.prefetches, event.child: trouble}))
    known = before.setback
    if known is not None and (known.reason, known.message) == (event.reason, event.message):
        return _put(free, failed)
    message = f"{event.child} ahead of its release: {event.message}"
    told = happening_of(workload, EventKind.PULL_FAILED, event.reason, message)
    return _put(free, failed, RecordEvent(happening=told))


def keep_wanted(workload: Workload) -> Workload:
    """Forget what is not to be prefetched any more."""
    wanted = () if workload.wanted is None else workload.wanted.prefetch
    children = {image.child for image in wanted}
    troubles = {
        child: trouble
        for child, trouble in workload.prefetches.items()
        if child in children - workload.prefetched
    }
    return replace(workload, prefetched=workload.prefetched & children, prefetches=troubles)


def _put(state: State, workload: Workload, *actions: RecordEvent) -> Transition:
    workloads = {**state.workloads, workload.uid: workload}
    return Transition(state=replace(state, workloads=workloads), actions=actions)


def _is_free(state: State) -> bool:
    usable = state.runtime.listed > 0 and state.runtime.trouble.setback is None
    return usable and state.prefetching is None and not any(map(_comes_first, state.workloads.values()))


def _comes_first(workload: Workload) -> bool:
    """Whether what it wants now is on its way, or it is not known yet whether that has to come."""
    undecided = workload.phase is Phase.PENDING and workload.target is not None and workload.hold is None
    return workload.pulling is not None or undecided


def _find_lacking(state: State) -> Iterator[tuple[Workload, PinnedImage]]:
    for workload in state.workloads.values():
        if workload.wanted is not None and workload.hold is None:
            for image in workload.wanted.prefetch:
                if image.child not in workload.prefetched:
                    yield workload, image
