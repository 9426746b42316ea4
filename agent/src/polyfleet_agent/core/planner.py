"""One workload's next move, from what is wanted and what is there. The heart of the agent; pure.

The order of the rules is the order of the device's promises: what runs keeps running until its successor is
ready to be started; two specs of a workload never run at once, unless the workload asks for just that; what
gave way is removed only when its successor has passed the gate, and the disk knows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

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
from polyfleet_agent.core.state import UNTROUBLED, Part, Trouble, Workload
from polyfleet_agent.core.succession import (
    Containers,
    choose,
    find_stand_in,
    has_begun,
    having,
    is_over,
    named,
    runs_beside,
)
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason, explain
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, RestartPolicy, UpdateMethod

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


def plan(workload: Workload, now: float) -> Plan:
    """The next move. Called only when no step is in flight and the containers are freshly listed."""
    wanted = _plan_ideal(workload, now)
    waiting = workload.steps.waits(now)
    if waiting is None:
        return wanted
    phase = wanted.phase if wanted.phase in _SETTLED or wanted.pull else _setback_phase(workload.steps)
    return replace(wanted, phase=phase, step=None, wake_at=_earliest(waiting, wanted.wake_at))


def _plan_ideal(workload: Workload, now: float) -> Plan:
    step = _mend(workload)
    if step is not None:
        return Plan(phase=Phase.STARTING if workload.target else Phase.STOPPING, step=step)
    if workload.target is None:
        return _plan_without_target(workload)
    lacking = _find_lacking(workload, workload.target)
    if not workload.current and lacking is not None:
        return _plan_pull(workload, workload.target, lacking, now)
    return _plan_target(workload, workload.target, now)


def _mend(workload: Workload) -> Step | None:
    """What is broken goes; a pod whose infra container is broken goes whole, and that last.

    The pod of another spec waits until its turn comes: what runs in it may be all that runs.
    """
    broken = having(workload.containers, ContainerStatus.BROKEN)
    for container in broken:
        if container.kind is not ContainerKind.INFRA:
            return _remove(container)
    if workload.target is None or not having(workload.infra, ContainerStatus.BROKEN):
        return None
    running = having(workload.current, ContainerStatus.RUNNING)
    if running:
        return _stop(running[0], workload.target.termination_grace_seconds)
    return _remove((*workload.current, *having(workload.infra, ContainerStatus.BROKEN))[0])


def _plan_without_target(workload: Workload) -> Plan:
    if workload.hold is not None:
        return Plan(phase=Phase.HELD)
    if not workload.containers:
        return Plan(phase=Phase.STOPPING, gone=True)
    running = having(workload.others, ContainerStatus.RUNNING)
    if running:
        return Plan(phase=Phase.STOPPING, step=_stop(running[0], _GRACE_OF_THE_UNKNOWN))
    return Plan(phase=Phase.STOPPING, step=_remove(workload.others[0]))


def _find_lacking(workload: Workload, target: DesiredWorkload) -> ContainerSpec | None:
    return next((spec for spec in target.all_containers if spec.image.child not in workload.fetched), None)


def _plan_pull(workload: Workload, target: DesiredWorkload, spec: ContainerSpec, now: float) -> Plan:
    """Nothing that is wanted has run yet. While an image is on its way, what ran before keeps running."""
    kept = _keep_predecessor(workload, target, now)
    waiting = workload.pulls.waits(now)
    if waiting is not None:
        phase = _setback_phase(workload.pulls)
        return Plan(phase=phase, step=kept.step, wake_at=_earliest(waiting, kept.wake_at))
    pull = PullImage(uid=workload.uid, image=spec.image, secrets=target.image_pull_secrets)
    return replace(kept, phase=Phase.PULLING, pull=pull)


def _keep_predecessor(workload: Workload, target: DesiredWorkload, now: float) -> Plan:
    kept = Plan(phase=Phase.PULLING)
    if target.restart_policy is not RestartPolicy.ALWAYS:
        return kept
    stand_in = find_stand_in(workload)
    running = {container.container for container in having(stand_in, ContainerStatus.RUNNING)}
    for container in having(stand_in, ContainerStatus.RUNNING):
        made_for = workload.good_of(container)
        if made_for is not None and workload.part(container.container).fails(container):
            return replace(kept, step=_stop(container, made_for.termination_grace_seconds))
    for container in having(stand_in, ContainerStatus.EXITED):
        if container.container in running:
            continue
        waiting = workload.part(container.container).trouble.waits(now)
        if waiting is None:
            return replace(kept, step=_start(container, None))
        kept = replace(kept, wake_at=_earliest(waiting, kept.wake_at))
    return kept


def _plan_preparation(workload: Workload, target: DesiredWorkload, spec: ContainerSpec, now: float) -> Plan:
    """Make a container beside what runs: one that cannot be made, or is a lie, then costs no downtime."""
    if spec.image.child not in workload.fetched:
        return _plan_pull(workload, target, spec, now)
    trouble = workload.preparation.get(spec.name, UNTROUBLED)
    waiting = trouble.waits(now)
    if waiting is None:
        step = CreateContainer(workload=target, container=spec, start=False)
        return Plan(phase=Phase.STARTING, step=step)
    kept = _keep_predecessor(workload, target, now)
    phase = _setback_phase(trouble)
    return Plan(phase=phase, step=kept.step, wake_at=_earliest(waiting, kept.wake_at))


def _plan_target(workload: Workload, target: DesiredWorkload, now: float) -> Plan:
    """Of what is wanted one exists, or all can be made."""
    chosen = {
        spec.name: choose(found)
        for spec in target.all_containers
        if (found := named(spec.name, workload.current))
    }
    surplus = tuple(item for item in workload.current if chosen[item.container] is not item)
    begun = has_begun(workload)
    ready = workload.prepared & chosen.keys()
    unready = next((spec for spec in target.all_containers if spec.name not in ready), None)
    if not begun and unready is not None and find_stand_in(workload):
        return _plan_preparation(workload, target, unready, now)
    if workload.is_on_trial and workload.trial_since is None and not begun:
        workload = replace(workload, parts={})  # what its predecessor suffered makes it not wait
    rivals = having((*surplus, *workload.others), ContainerStatus.RUNNING)
    if runs_beside(workload):
        rivals = having(surplus, ContainerStatus.RUNNING)
    planned = _plan_parts(workload, target, chosen, now)
    if rivals:
        settled = planned.phase is Phase.RUNNING and target.update_method is UpdateMethod.START_FIRST
        then = None if begun else planned.step
        step = _give_way(workload, target, rivals, then if isinstance(then, StartContainer) else None)
        return Plan(phase=Phase.RUNNING if settled else Phase.STARTING, step=step)
    if surplus:
        return Plan(phase=Phase.STARTING, step=_remove(surplus[0]))
    stranded = _find_stranded(workload)
    if stranded:
        return Plan(phase=Phase.STARTING, step=_stop(stranded[0], target.termination_grace_seconds))
    proven = workload.kept_good == workload.spec_hash
    if planned.phase is Phase.RUNNING and planned.step is None and workload.others and proven:
        return replace(planned, step=_remove(workload.others[0]))
    return planned


def _give_way(
    workload: Workload, target: DesiredWorkload, rivals: Containers, start: StartContainer | None
) -> Step:
    """Stop one after the other, and have the successor started the moment the last one has ended."""
    record = workload.record
    first, *others = (
        _stop(
            rival,
            (
                record.good if record.good is not None and rival.spec_hash == record.good_hash else target
            ).termination_grace_seconds,
        )
        for rival in rivals
    )
    then: StartContainer | StopContainer | None = start
    for stop in reversed(others):
        then = replace(stop, then=then)
    return replace(first, then=then)


def _find_stranded(workload: Workload) -> Containers:
    """What runs in a pod whose network has ended: only a start of all gives it a new one."""
    if not having(workload.infra, ContainerStatus.EXITED):
        return ()
    return having(workload.current, ContainerStatus.RUNNING)


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
        return _plan_part_pull(workload, target, spec, now)
    part = workload.part(spec.name)
    if container is not None and container.status is ContainerStatus.RUNNING:
        return _plan_running(container, part, target)
    ended = container is not None and container.status is ContainerStatus.EXITED
    gave_way = container is not None and workload.stopped.get(container.container_id) == container.started_at
    if container is not None and ended and not gave_way and is_over(container, target):
        return _plan_over(container, part, target)
    trouble = part.trouble
    waiting = trouble.waits(now)
    if waiting is not None:
        return Plan(phase=_setback_phase(trouble), wake_at=waiting)
    if container is None:
        return Plan(phase=Phase.STARTING, step=CreateContainer(workload=target, container=spec))
    ready = ended or spec.name in workload.prepared
    first = None if ready else FirstStart(workload=target, container=spec)
    return Plan(phase=Phase.STARTING, step=_start(container, first))


def _plan_running(container: ObservedContainer, part: Part, target: DesiredWorkload) -> Plan:
    """It is starting until it was ready once, and is stopped if a probe says that it does not work."""
    if part.fails(container):
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


def _plan_part_pull(workload: Workload, target: DesiredWorkload, spec: ContainerSpec, now: float) -> Plan:
    waiting = workload.pulls.waits(now)
    if waiting is not None:
        return Plan(phase=_setback_phase(workload.pulls), wake_at=waiting)
    pull = PullImage(uid=workload.uid, image=spec.image, secrets=target.image_pull_secrets)
    return Plan(phase=Phase.PULLING, pull=pull)


def _setback_phase(trouble: Trouble) -> Phase:
    lasting = trouble.setback is not None and not explain(trouble.setback.reason).transient
    return Phase.FAILED if lasting else Phase.BACKING_OFF


def _earliest(moment: float, other: float | None) -> float:
    return moment if other is None else min(moment, other)


def _start(container: ObservedContainer, first: FirstStart | None) -> StartContainer:
    return StartContainer(uid=container.uid, container_id=container.container_id, first=first)


def _stop(container: ObservedContainer, grace: int) -> StopContainer:
    return StopContainer(uid=container.uid, container_id=container.container_id, grace=grace)


def _remove(container: ObservedContainer) -> Step:
    return RemoveContainer(uid=container.uid, container_id=container.container_id)
