"""One workload's next move, from what is wanted and what is there. The heart of the agent; pure.

The order of the rules is the order of the device's promises: what runs keeps running until its successor's
image is in the store; two specs of a workload never run at once; what gave way is removed only when its
successor has proven itself.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from polyfleet_agent.core.actions import (
    CreateContainer,
    PullImage,
    RemoveContainer,
    StartContainer,
    Step,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.state import Settings, Trouble, Workload
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import explain
from polyfleet_shared.workloads import DesiredWorkload, RestartPolicy

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

# Where a workload stands in these phases is told by its container, whatever else is being waited for.
_SETTLED: Final = frozenset({Phase.RUNNING, Phase.COMPLETED, Phase.FAILED, Phase.STOPPING, Phase.HELD})


def plan(workload: Workload, settings: Settings, now: float) -> Plan:
    """The next move. Called only when no step is in flight and the containers are freshly listed."""
    wanted = _plan_ideal(workload, settings, now)
    waiting = workload.steps.waits(now)
    if waiting is None:
        return wanted
    phase = wanted.phase if wanted.phase in _SETTLED or wanted.pull else _setback_phase(workload.steps)
    wake_at = waiting if wanted.wake_at is None else min(waiting, wanted.wake_at)
    return replace(wanted, phase=phase, step=None, wake_at=wake_at)


def _plan_ideal(workload: Workload, settings: Settings, now: float) -> Plan:
    broken = _in(workload.containers, ContainerStatus.BROKEN)
    if broken:
        return Plan(phase=Phase.STARTING if workload.target else Phase.STOPPING, step=_remove(broken[0]))
    if workload.target is None:
        return _plan_without_target(workload)
    if workload.current:
        return _plan_current(workload, workload.target, settings, now)
    return _plan_successor(workload, workload.target, now)


def _plan_without_target(workload: Workload) -> Plan:
    if workload.hold is not None:
        return Plan(phase=Phase.HELD)
    if not workload.containers:
        return Plan(phase=Phase.STOPPING, gone=True)
    running = _in(workload.containers, ContainerStatus.RUNNING)
    if running:
        return Plan(phase=Phase.STOPPING, step=_stop(running[0], _GRACE_OF_THE_UNKNOWN))
    return Plan(phase=Phase.STOPPING, step=_remove(workload.containers[0]))


def _plan_successor(workload: Workload, target: DesiredWorkload, now: float) -> Plan:
    """The wanted container does not exist yet."""
    spec = target.containers[0]
    if workload.fetched == spec.image.child:
        running = _in(workload.others, ContainerStatus.RUNNING)
        if running:
            return Plan(phase=Phase.STARTING, step=_stop(running[0], target.termination_grace_seconds))
        return Plan(phase=Phase.STARTING, step=CreateContainer(workload=target, container=spec))
    keep = _keep_predecessor(workload, target)
    waiting = workload.pulls.waits(now)
    if waiting is not None:
        return Plan(phase=_setback_phase(workload.pulls), step=keep, wake_at=waiting)
    return Plan(phase=Phase.PULLING, step=keep, pull=PullImage(uid=workload.uid, image=spec.image))


def _keep_predecessor(workload: Workload, target: DesiredWorkload) -> Step | None:
    """While the successor's image is on its way, what ran before keeps running."""
    if _in(workload.others, ContainerStatus.RUNNING) or target.restart_policy is not RestartPolicy.ALWAYS:
        return None
    ended = _in(workload.others, ContainerStatus.EXITED)
    return _restart(ended[-1]) if ended else None


def _plan_current(workload: Workload, target: DesiredWorkload, settings: Settings, now: float) -> Plan:
    """The wanted container exists."""
    chosen = _choose(workload.current)
    surplus = tuple(container for container in workload.current if container is not chosen)
    for rival in (*surplus, *workload.others):
        if rival.status is ContainerStatus.RUNNING:
            return Plan(phase=Phase.STARTING, step=_stop(rival, target.termination_grace_seconds))
    if surplus:
        return Plan(phase=Phase.STARTING, step=_remove(surplus[0]))
    if chosen.status is ContainerStatus.RUNNING:
        return _plan_running(workload, settings, now)
    if chosen.status is ContainerStatus.EXITED and is_over(chosen, target):
        return Plan(phase=Phase.COMPLETED if chosen.exit_code == 0 else Phase.FAILED)
    if chosen.status is ContainerStatus.EXITED:
        return Plan(phase=Phase.STARTING, step=_restart(chosen))
    return Plan(phase=Phase.STARTING, step=_start_first(chosen, target))


def _plan_running(workload: Workload, settings: Settings, now: float) -> Plan:
    if not workload.others:
        return Plan(phase=Phase.RUNNING)
    healthy_at = (now if workload.ready_since is None else workload.ready_since) + settings.healthy_after
    if now < healthy_at:
        return Plan(phase=Phase.RUNNING, wake_at=healthy_at)
    return Plan(phase=Phase.RUNNING, step=_remove(workload.others[0]))


def active_container(workload: Workload) -> ObservedContainer | None:
    """The container whose ends count: the wanted one, or the predecessor that stands in for it."""
    if workload.current:
        return _choose(workload.current)
    for status in (ContainerStatus.RUNNING, ContainerStatus.EXITED):
        found = _in(workload.others, status)
        if found:
            return found[-1]
    return None


def is_over(container: ObservedContainer, target: DesiredWorkload | None) -> bool:
    """Whether this end is final by the restart policy."""
    if target is None:
        return False
    match target.restart_policy:
        case RestartPolicy.ALWAYS:
            return False
        case RestartPolicy.ON_FAILURE:
            return container.exit_code == 0
        case RestartPolicy.NEVER:
            return True
        case _:
            assert_never(target.restart_policy)


def _choose(current: Containers) -> ObservedContainer:
    running = _in(current, ContainerStatus.RUNNING)
    return running[0] if running else current[0]


def _setback_phase(trouble: Trouble) -> Phase:
    lasting = trouble.setback is not None and not explain(trouble.setback.reason).transient
    return Phase.FAILED if lasting else Phase.BACKING_OFF


def _in(containers: Containers, status: ContainerStatus) -> Containers:
    return tuple(container for container in containers if container.status is status)


def _start_first(container: ObservedContainer, target: DesiredWorkload) -> Step:
    claimed = target.containers[0].image.platform
    return StartContainer(uid=container.uid, container_id=container.container_id, claimed=claimed)


def _restart(container: ObservedContainer) -> Step:
    return StartContainer(uid=container.uid, container_id=container.container_id, claimed=None)


def _stop(container: ObservedContainer, grace: int) -> Step:
    return StopContainer(uid=container.uid, container_id=container.container_id, grace=grace)


def _remove(container: ObservedContainer) -> Step:
    return RemoveContainer(uid=container.uid, container_id=container.container_id)
