"""What the runtime answers: listings, the ends of steps and of pulls, and its silence."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from polyfleet_agent.core import prefetching
from polyfleet_agent.core.actions import (
    CreateContainer,
    ListContainers,
    RecordEvent,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.events import (
    ContainersListed,
    ContainersNotListed,
    PullAdvanced,
    PullFailed,
    PullSucceeded,
    StepFailed,
    StepSucceeded,
)
from polyfleet_agent.core.gate import begin_trial
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.observation import Observed, happening_of, observe, observe_stop, set_back
from polyfleet_agent.core.state import UNTROUBLED, Settings, State, Trouble, Workload
from polyfleet_agent.core.succession import has_begun
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.messages import EventKind
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec


def is_usable(state: State) -> bool:
    """Whether decisions can be made: the runtime has been seen, and answers."""
    return state.runtime.listed > 0 and state.runtime.trouble.setback is None


def is_fresh(state: State, workload: Workload) -> bool:
    """Whether the workload's containers are as they are after all that we did ourselves."""
    return workload.listed and workload.listing <= state.runtime.listed


def want_listing(state: State) -> State:
    """Ask for a listing that begins from now on."""
    return replace(state, runtime=replace(state.runtime, again=True))


def list_if_due(state: State, now: float) -> Transition:
    """Begin a listing if one is wanted, none is under way, and the runtime is not being left in peace."""
    view = state.runtime
    due = view.again or now >= view.resync_at or view.trouble.setback is not None
    if not due or view.listing is not None or view.trouble.waits(now) is not None:
        return Transition(state=state)
    number = view.numbers + 1
    begun = replace(
        view, numbers=number, listing=number, again=False, resync_at=now + state.settings.resync_interval
    )
    return Transition(state=replace(state, runtime=begun), actions=(ListContainers(number=number),))


def retry_at(state: State) -> float:
    """When the runtime is asked again; infinity while an answer is awaited."""
    if state.runtime.listing is not None:
        return math.inf
    setback = state.runtime.trouble.setback
    return state.runtime.resync_at if setback is None else setback.retry_at


def take_listing(state: State, event: ContainersListed, now: float) -> Transition:
    """Take over what it shows, but for workloads that have changed since it began."""
    if event.number != state.runtime.listing:
        return Transition(state=state)
    by_uid: dict[str, list[ObservedContainer]] = defaultdict(list)
    for container in event.containers:
        by_uid[container.uid].append(container)
    workloads = dict(state.workloads)
    if state.document is not None:
        for uid in by_uid.keys() - workloads.keys():
            workloads[uid] = Workload(uid=uid, namespace="", name="")
    happenings: list[Happening] = []
    for uid, workload in workloads.items():
        if workload.step is None and workload.listing <= event.number:
            seen = observe(workload, by_uid.get(uid, ()), state.settings, now)
            workloads[uid] = seen.workload
            happenings += seen.happenings
    if state.runtime.lost_at is not None:
        workloads = _make_up_for(workloads, now - state.runtime.lost_at)
        happenings.insert(0, Happening(kind=EventKind.RUNTIME_FOUND, message="Podman answers again"))
    view = replace(state.runtime, listing=None, listed=event.number, trouble=UNTROUBLED, lost_at=None)
    return Transition(
        state=replace(state, runtime=view, workloads=workloads),
        actions=tuple(RecordEvent(happening=item) for item in happenings),
    )


def _make_up_for(workloads: Mapping[str, Workload], seconds: float) -> dict[str, Workload]:
    """No release is to blame for the time in which nothing was seen of it."""
    return {
        uid: item if item.trial_since is None else replace(item, trial_since=item.trial_since + seconds)
        for uid, item in workloads.items()
    }


def lose(state: State, event: ContainersNotListed, now: float) -> Transition:
    """The runtime does not answer: nothing is decided until it does."""
    if event.number != state.runtime.listing:
        return Transition(state=state)
    return _lost(
        replace(state, runtime=replace(state.runtime, listing=None)), event.reason, event.message, now
    )


def take_pull(state: State, event: PullAdvanced | PullSucceeded | PullFailed, now: float) -> Transition:
    """News of a pull; of a pull that is no longer wanted there is none."""
    workload = state.workloads.get(event.uid)
    awaited = workload is not None and workload.pulling is not None and workload.pulling.child == event.child
    if prefetching.is_under_way(state, event.uid, event.child) and not isinstance(event, PullAdvanced):
        if not awaited:
            return _take_prefetch(state, workload, event, now)
        state = replace(state, prefetching=None)  # its release has come meanwhile
    if workload is None or workload.pulling is None or not awaited:
        return Transition(state=state)
    match event:
        case PullAdvanced(progress=progress):
            moved = replace(workload, pulling=replace(workload.pulling, progress=progress))
            return Transition(state=_put(state, moved))
        case PullSucceeded():
            fetched = replace(
                workload, pulling=None, fetched=workload.fetched | {event.child}, pulls=UNTROUBLED
            )
            happening = replace(
                happening_of(workload, EventKind.PULL_FINISHED, None, event.child),
                size=event.size,
                seconds=round(event.seconds, 3),
            )
            return Transition(state=_put(state, fetched), actions=(RecordEvent(happening=happening),))
        case PullFailed(reason=Reason.PODMAN_UNAVAILABLE):
            return _lost(_put(state, replace(workload, pulling=None)), event.reason, event.message, now)
        case PullFailed():
            trouble = set_back(
                workload.pulls, event.reason, event.message, seed=state.settings.seed(event.uid), now=now
            )
            failed = replace(workload, pulling=None, pulls=trouble)
            return Transition(
                state=_put(state, failed),
                actions=_told_once(
                    workload, workload.pulls, EventKind.PULL_FAILED, event.reason, event.message
                ),
            )


def _take_prefetch(
    state: State, workload: Workload | None, event: PullSucceeded | PullFailed, now: float
) -> Transition:
    if isinstance(event, PullFailed) and event.reason is Reason.PODMAN_UNAVAILABLE:
        return _lost(replace(state, prefetching=None), event.reason, event.message, now)
    if workload is None:
        return Transition(state=replace(state, prefetching=None))
    return prefetching.take(state, workload, event, now)


def take_step(state: State, event: StepSucceeded | StepFailed, now: float) -> Transition:
    """A step is over: only a listing that begins now shows its effect."""
    workload = state.workloads.get(event.uid)
    if workload is None or workload.step is None:
        return Transition(state=state)
    step = workload.step
    over = replace(workload, step=None, listing=state.runtime.numbers + 1)
    after = want_listing(_put(state, over))
    if isinstance(event, StepFailed) and event.reason is Reason.PODMAN_UNAVAILABLE:
        return _lost(after, event.reason, event.message, now)
    if not _is_its_own(over, step):
        return Transition(state=after)
    match event:
        case StepSucceeded() if isinstance(step, StopContainer) and step.then is not None:
            # What has just ended is known to have; its successor is not kept waiting for a listing.
            done = _take_success(over, step, state.settings, now)
            following = begin_trial(replace(done.workload, step=step.then), step.then, now)
            told = tuple(RecordEvent(happening=item) for item in done.happenings)
            return Transition(state=_put(state, following), actions=(step.then, *told))
        case StepSucceeded():
            done = _take_success(over, step, state.settings, now)
            told = tuple(RecordEvent(happening=item) for item in done.happenings)
            return Transition(state=_put(after, done.workload), actions=(*_removed(workload), *told))
        case StepFailed():
            return _take_failure(after, over, step, event, now)


def _is_its_own(workload: Workload, step: Step) -> bool:
    """Whether what came of a step says something about what is worked towards now, or stands in for it.

    A document may have come while it was under way.
    """
    match step:
        case CreateContainer(workload=made_for):
            return made_for.spec_hash == workload.spec_hash
        case StartContainer(container_id=container_id):
            counting = workload.current if has_begun(workload) else workload.containers
            return any(item.container_id == container_id and not _is_new(item, workload) for item in counting)
        case StopContainer() | RemoveContainer():
            return True
        case _:
            assert_never(step)


def _is_new(container: ObservedContainer, workload: Workload) -> bool:
    """Whether it is of another spec that has never run: nothing that could stand in."""
    return container not in workload.current and not container.started_at


def _take_success(workload: Workload, step: Step, settings: Settings, now: float) -> Observed:
    match step:
        case CreateContainer(container=ContainerSpec(name=name), start=False):
            preparation = {other: item for other, item in workload.preparation.items() if other != name}
            prepared = workload.prepared | {name}
            return Observed(workload=replace(workload, prepared=prepared, preparation=preparation))
        case CreateContainer(container=ContainerSpec(name=name)):
            return Observed(workload=workload.with_part(name, workload.part(name).at_rest))
        case StartContainer(container_id=started):
            name = _name(workload, started)
            return Observed(workload=workload.with_part(name, workload.part(name).at_rest))
        case StopContainer(container_id=stopped):
            containers = tuple(_end(item, stopped) for item in workload.containers)
            ended = replace(workload, containers=containers, steps=UNTROUBLED)
            return observe_stop(ended, stopped, settings, now)
        case RemoveContainer():
            return Observed(workload=replace(workload, steps=UNTROUBLED))
        case _:
            assert_never(step)


def _take_failure(state: State, workload: Workload, step: Step, event: StepFailed, now: float) -> Transition:
    match step:
        case CreateContainer(container=spec):
            workload = replace(workload, prepared=workload.prepared - {spec.name})
            if event.reason is Reason.IMAGE_NOT_FOUND:
                # Somebody pruned it since it was pulled.
                workload = replace(workload, fetched=workload.fetched - {spec.image.child})
            if not step.start:
                before = workload.preparation.get(spec.name, UNTROUBLED)
                seed = state.settings.seed(f"{event.uid}/{spec.name}")
                trouble = set_back(before, event.reason, event.message, seed=seed, now=now)
                failed = replace(workload, preparation={**workload.preparation, spec.name: trouble})
            else:
                failed, before = _set_part_back(state, workload, spec.name, event, now)
        case StartContainer(container_id=container_id):
            failed, before = _set_part_back(state, workload, _name(workload, container_id), event, now)
        case StopContainer() | RemoveContainer():
            before = workload.steps
            seed = state.settings.seed(event.uid)
            failed = replace(
                workload, steps=set_back(before, event.reason, event.message, seed=seed, now=now)
            )
        case _:
            assert_never(step)
    return Transition(
        state=_put(state, failed),
        actions=_told_once(workload, before, EventKind.START_FAILED, event.reason, event.message),
    )


def _set_part_back(
    state: State, workload: Workload, name: str, event: StepFailed, now: float
) -> tuple[Workload, Trouble]:
    """The workload with one more failure of one container, and how that stood before."""
    part = workload.part(name)
    seed = state.settings.seed(f"{event.uid}/{name}")
    trouble = set_back(part.trouble, event.reason, event.message, seed=seed, now=now)
    return workload.with_part(name, replace(part, trouble=trouble)), part.trouble


def _name(workload: Workload, container_id: str) -> str:
    """The name of a container, empty for one that a listing since has shown to be gone."""
    found = (item.container for item in workload.containers if item.container_id == container_id)
    return next(found, "")


def _lost(state: State, reason: Reason, message: str, now: float) -> Transition:
    known = state.runtime.trouble
    trouble = set_back(known, reason, message, seed=state.settings.seed("runtime"), now=now)
    since = now if state.runtime.lost_at is None else state.runtime.lost_at
    lost = replace(state, runtime=replace(state.runtime, trouble=trouble, lost_at=since))
    if known.setback is not None:
        return Transition(state=lost)
    happening = Happening(kind=EventKind.RUNTIME_LOST, reason=reason, message=message)
    return Transition(state=lost, actions=(RecordEvent(happening=happening),))


def _end(container: ObservedContainer, container_id: str) -> ObservedContainer:
    """A container as it is known to be once its stop has succeeded."""
    if container.container_id != container_id:
        return container
    return replace(container, status=ContainerStatus.EXITED)


def _put(state: State, workload: Workload) -> State:
    return replace(state, workloads={**state.workloads, workload.uid: workload})


def _removed(workload: Workload) -> tuple[RecordEvent, ...]:
    step = workload.step
    if not isinstance(step, RemoveContainer):
        return ()
    message = f"container {step.container_id[:12]} removed"
    return (RecordEvent(happening=happening_of(workload, EventKind.REMOVED, None, message)),)


def _told_once(
    workload: Workload, before: Trouble, kind: EventKind, reason: Reason, message: str
) -> tuple[RecordEvent, ...]:
    """The same failure again is no news: a registry that is down for a week fills no spool."""
    if before.setback is not None and (before.setback.reason, before.setback.message) == (reason, message):
        return ()
    return (RecordEvent(happening=happening_of(workload, kind, reason, message)),)
