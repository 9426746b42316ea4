"""One workload's next move, from what is wanted and what is there. The heart of the agent; pure.

The order of the rules is the order of the device's promises: what runs keeps running until its successor's
image is in the store; two specs of a workload never run at once; what gave way is removed only when its
successor has proven itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from polyfleet_agent.core.actions import (
    CreateContainer,
    FirstStart,
    PullImage,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.state import Part, Settings, Trouble, Workload
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason, explain
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, RestartPolicy

_GRACE_OF_THE_UNKNOWN: Final = 10  # seconds, for a container whose workload is gone from the document


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do now, and what to call where the workload stands.

    `pull` and `step` may both be there: the predecessor is looked after while the successor's image
    comes. `wake_at` is the moment (monotonic) at which time alone changes the plan.
    """

    phase: Phase
    step: Step | None = None
    pull: PullImage | None = None
    wake_at: float | None = None
    gone: bool = False


Containers: TypeAlias = tuple[ObservedContainer, ...]

# Where a workload stands in these phases is told by its containers, whatever else is being waited for.
_SETTLED: Final = frozenset({Phase.RUNNING, Phase.COMPLETED, Phase.FAILED, Phase.STOPPING, Phase.HELD})
# A workload of several containers stands where the first of these is that one of them stands at.
_WORST_FIRST: Final = (
    Phase.FAILED,
    Phase.BACKING_OFF,
    Phase.PULLING,
    Phase.STARTING,
    Phase.RUNNING,
    Phase.COMPLETED,
)


def plan(workload: Workload, settings: Settings, now: float) -> Plan:
    """The next move. Called only when no step is in flight and the containers are freshly listed."""
    wanted = _plan_ideal(workload, settings, now)
    waiting = workload.steps.waits(now)
    if waiting is None:
        return wanted
    phase = wanted.phase if wanted.phase in _SETTLED or wanted.pull else _setback_phase(workload.steps)
    return replace(wanted, phase=phase, step=None, wake_at=_earliest(waiting, wanted.wake_at))


def active_names(workload: Workload) -> tuple[str, ...]:
    """The names of all containers whose ends count."""
    wanted = () if workload.target is None else workload.target.all_containers
    names = [
        *(spec.name for spec in wanted),
        *(container.container for container in _find_stand_in(workload)),
    ]
    return tuple(dict.fromkeys(names))


def active_container(workload: Workload, name: str) -> ObservedContainer | None:
    """The container of that name whose ends count: the wanted one, or the predecessor that stands in."""
    found = _named(name, workload.current or _find_stand_in(workload))
    return _choose(found) if found else None


def is_over(container: ObservedContainer, target: DesiredWorkload | None) -> bool:
    """Whether this end is final by the restart policy; an init container that went well has done its work."""
    if target is None:
        return False
    if container.kind is ContainerKind.INIT and container.exit_code == 0:
        return True
    match target.restart_policy:
        case RestartPolicy.ALWAYS:
            return False
        case RestartPolicy.ON_FAILURE:
            return container.exit_code == 0
        case RestartPolicy.NEVER:
            return True
        case _:
            assert_never(target.restart_policy)


def _plan_ideal(workload: Workload, settings: Settings, now: float) -> Plan:
    step = _mend(workload)
    if step is not None:
        return Plan(phase=Phase.STARTING if workload.target else Phase.STOPPING, step=step)
    if workload.target is None:
        return _plan_without_target(workload)
    if not workload.current and _lacks_image(workload, workload.target):
        return _plan_pull(workload, workload.target, now)
    return _plan_target(workload, workload.target, settings, now)


def _mend(workload: Workload) -> Step | None:
    """What is broken goes; a pod whose infra container is broken goes whole, and that last.

    The pod of another spec waits until its turn comes: what runs in it may be all that runs.
    """
    broken = _in(workload.containers, ContainerStatus.BROKEN)
    for container in broken:
        if container.kind is not ContainerKind.INFRA:
            return _remove(container)
    if workload.target is None or not _in(workload.infra, ContainerStatus.BROKEN):
        return None
    running = _in(workload.current, ContainerStatus.RUNNING)
    if running:
        return _stop(running[0], workload.target.termination_grace_seconds)
    return _remove((*workload.current, *_in(workload.infra, ContainerStatus.BROKEN))[0])


def _plan_without_target(workload: Workload) -> Plan:
    if workload.hold is not None:
        return Plan(phase=Phase.HELD)
    if not workload.containers:
        return Plan(phase=Phase.STOPPING, gone=True)
    running = _in(workload.others, ContainerStatus.RUNNING)
    if running:
        return Plan(phase=Phase.STOPPING, step=_stop(running[0], _GRACE_OF_THE_UNKNOWN))
    return Plan(phase=Phase.STOPPING, step=_remove(workload.others[0]))


def _lacks_image(workload: Workload, target: DesiredWorkload) -> bool:
    return any(spec.image.child not in workload.fetched for spec in target.all_containers)


def _plan_pull(workload: Workload, target: DesiredWorkload, now: float) -> Plan:
    """No wanted container exists yet. While their images are on their way, what ran before keeps running."""
    spec = next(item for item in target.all_containers if item.image.child not in workload.fetched)
    kept = _keep_predecessor(workload, target, now)
    waiting = workload.pulls.waits(now)
    if waiting is not None:
        phase = _setback_phase(workload.pulls)
        return Plan(phase=phase, step=kept.step, wake_at=_earliest(waiting, kept.wake_at))
    pull = PullImage(uid=workload.uid, image=spec.image)
    return replace(kept, phase=Phase.PULLING, pull=pull)


def _keep_predecessor(workload: Workload, target: DesiredWorkload, now: float) -> Plan:
    kept = Plan(phase=Phase.PULLING)
    if target.restart_policy is not RestartPolicy.ALWAYS:
        return kept
    stand_in = _find_stand_in(workload)
    running = {container.container for container in _in(stand_in, ContainerStatus.RUNNING)}
    for container in _in(stand_in, ContainerStatus.EXITED):
        if container.container in running:
            continue
        waiting = workload.part(container.container).trouble.waits(now)
        if waiting is None:
            return replace(kept, step=_start(container, None))
        kept = replace(kept, wake_at=_earliest(waiting, kept.wake_at))
    return kept


def _find_stand_in(workload: Workload) -> Containers:
    """The containers of the spec that runs, or ran last, in place of the wanted one."""
    mains = tuple(container for container in workload.others if container.kind is ContainerKind.MAIN)
    found = _in(mains, ContainerStatus.RUNNING) or _in(mains, ContainerStatus.EXITED)
    if not found:
        return ()
    mine = tuple(container for container in mains if container.spec_hash == found[-1].spec_hash)
    return (*_in(mine, ContainerStatus.RUNNING), *_in(mine, ContainerStatus.EXITED))


def _plan_target(workload: Workload, target: DesiredWorkload, settings: Settings, now: float) -> Plan:
    """Of what is wanted one exists, or all can be made."""
    chosen = {
        spec.name: _choose(found)
        for spec in target.all_containers
        if (found := _named(spec.name, workload.current))
    }
    surplus = tuple(item for item in workload.current if chosen[item.container] is not item)
    for rival in (*surplus, *workload.others):
        if rival.status is ContainerStatus.RUNNING:
            return Plan(phase=Phase.STARTING, step=_stop(rival, target.termination_grace_seconds))
    if surplus:
        return Plan(phase=Phase.STARTING, step=_remove(surplus[0]))
    stranded = _find_stranded(workload)
    if stranded:
        return Plan(phase=Phase.STARTING, step=_stop(stranded[0], target.termination_grace_seconds))
    planned = _plan_parts(workload, target, chosen, now)
    if planned.phase is not Phase.RUNNING or planned.step is not None or not workload.others:
        return planned
    healthy_at = (now if workload.ready_since is None else workload.ready_since) + settings.healthy_after
    if now < healthy_at:
        return replace(planned, wake_at=_earliest(healthy_at, planned.wake_at))
    return replace(planned, step=_remove(workload.others[0]))


def _find_stranded(workload: Workload) -> Containers:
    """What runs in a pod whose network has ended: only a start of all gives it a new one."""
    if not _in(workload.infra, ContainerStatus.EXITED):
        return ()
    return _in(workload.current, ContainerStatus.RUNNING)


def _plan_parts(
    workload: Workload, target: DesiredWorkload, chosen: Mapping[str, ObservedContainer], now: float
) -> Plan:
    begun = any(spec.name in chosen and chosen[spec.name].started_at for spec in target.containers)
    for spec in () if begun else target.init_containers:
        planned = _plan_part(workload, target, spec, chosen.get(spec.name), now)
        if planned.phase is Phase.RUNNING:
            return replace(planned, phase=Phase.STARTING)
        if planned.phase is not Phase.COMPLETED:
            return planned
    plans = [_plan_part(workload, target, spec, chosen.get(spec.name), now) for spec in target.containers]
    return Plan(
        phase=next(phase for phase in _WORST_FIRST if phase in {planned.phase for planned in plans}),
        step=next((planned.step for planned in plans if planned.step is not None), None),
        pull=next((planned.pull for planned in plans if planned.pull is not None), None),
        wake_at=min((planned.wake_at for planned in plans if planned.wake_at is not None), default=None),
    )


def _plan_part(
    workload: Workload,
    target: DesiredWorkload,
    spec: ContainerSpec,
    container: ObservedContainer | None,
    now: float,
) -> Plan:
    """What one container needs, as if there were no other."""
    if container is None and spec.image.child not in workload.fetched:
        return _plan_part_pull(workload, spec, now)
    part = workload.part(spec.name)
    if container is not None and container.status is ContainerStatus.RUNNING:
        return _plan_running(container, part, target)
    ended = container is not None and container.status is ContainerStatus.EXITED
    if container is not None and ended and is_over(container, target):
        return _plan_over(container, part, target)
    trouble = part.trouble
    waiting = trouble.waits(now)
    if waiting is not None:
        return Plan(phase=_setback_phase(trouble), wake_at=waiting)
    if container is None:
        return Plan(phase=Phase.STARTING, step=CreateContainer(workload=target, container=spec))
    first = None if ended else FirstStart(workload=target, container=spec)
    return Plan(phase=Phase.STARTING, step=_start(container, first))


def _plan_running(container: ObservedContainer, part: Part, target: DesiredWorkload) -> Plan:
    """It is starting until it was ready once, and is stopped if a probe says that it does not work."""
    if part.health is not None and part.health.failed is not None:
        return Plan(phase=Phase.STARTING, step=_stop(container, target.termination_grace_seconds))
    started = part.health is None or part.health.was_ready
    return Plan(phase=Phase.RUNNING if started else Phase.STARTING)


def _plan_over(container: ObservedContainer, part: Part, target: DesiredWorkload) -> Plan:
    """What was stopped for a probe's sake has failed, however well it obeyed.

    Its exit code says nothing of that: where it is to be started again it is removed, so that an agent that
    finds it later does not take its work for done.
    """
    setback = part.trouble.setback
    if setback is None or setback.reason is not Reason.PROBE_FAILED or container.exit_code != 0:
        return Plan(phase=Phase.COMPLETED if container.exit_code == 0 else Phase.FAILED)
    if target.restart_policy is RestartPolicy.NEVER:
        return Plan(phase=Phase.FAILED)
    return Plan(phase=Phase.FAILED, step=_remove(container))


def _plan_part_pull(workload: Workload, spec: ContainerSpec, now: float) -> Plan:
    waiting = workload.pulls.waits(now)
    if waiting is not None:
        return Plan(phase=_setback_phase(workload.pulls), wake_at=waiting)
    return Plan(phase=Phase.PULLING, pull=PullImage(uid=workload.uid, image=spec.image))


def _choose(current: Containers) -> ObservedContainer:
    running = _in(current, ContainerStatus.RUNNING)
    return running[0] if running else current[0]


def _setback_phase(trouble: Trouble) -> Phase:
    lasting = trouble.setback is not None and not explain(trouble.setback.reason).transient
    return Phase.FAILED if lasting else Phase.BACKING_OFF


def _earliest(moment: float, other: float | None) -> float:
    return moment if other is None else min(moment, other)


def _named(name: str, containers: Containers) -> Containers:
    return tuple(container for container in containers if container.container == name)


def _in(containers: Containers, status: ContainerStatus) -> Containers:
    return tuple(container for container in containers if container.status is status)


def _start(container: ObservedContainer, first: FirstStart | None) -> Step:
    return StartContainer(uid=container.uid, container_id=container.container_id, first=first)


def _stop(container: ObservedContainer, grace: int) -> Step:
    return StopContainer(uid=container.uid, container_id=container.container_id, grace=grace)


def _remove(container: ObservedContainer) -> Step:
    return RemoveContainer(uid=container.uid, container_id=container.container_id)
