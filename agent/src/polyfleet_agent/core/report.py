"""The report: what the device runs, derived from what was seen and never from what was intended."""

from dataclasses import replace

from polyfleet_agent.core.actions import PublishReported
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.state import Setback, State, Trouble, Workload
from polyfleet_shared.messages import Condition, ContainerReport, Phase, WorkloadReport
from polyfleet_shared.reasons import Reason, explain

_TELLS_WHY = frozenset({Phase.BACKING_OFF, Phase.FAILED, Phase.STOPPING})
_TELLS_PROBE = frozenset({Phase.STARTING, Phase.RUNNING})


def report(state: State, now: float) -> PublishReported:
    """What is to be published now; `readySeconds` are those of this moment."""
    return PublishReported(
        observed=None if state.document is None else state.document.version,
        conditions=_conditions(state),
        workloads=tuple(
            _report_workload(state.workloads[uid], now, usable=state.runtime.trouble.setback is None)
            for uid in sorted(state.workloads)
        ),
    )


def is_news(before: PublishReported | None, after: PublishReported) -> bool:
    """Whether there is more to tell than that time has passed."""
    return before is None or _timeless(before) != _timeless(after)


def cause(workload: Workload) -> Setback | None:
    """Why the workload is not where it should be: its pull's setback until the images are there.

    Of the setbacks of several containers, one that will last.
    """
    found = _find_cause(workload)
    return None if found is None else found[1]


def _find_cause(workload: Workload) -> tuple[str, Setback] | None:
    """The cause, and the name of the container that it is of; empty where it is of none alone."""
    if workload.pulls.setback is not None and _awaits_image(workload):
        return "", workload.pulls.setback
    troubles = {"": workload.steps, **{name: part.trouble for name, part in workload.parts.items()}}
    setbacks = [(name, trouble.setback) for name, trouble in troubles.items() if trouble.setback is not None]
    lasting = [item for item in setbacks if not explain(item[1].reason).transient]
    return next(iter(lasting or setbacks), None)


def _awaits_image(workload: Workload) -> bool:
    made = {container.container for container in workload.current}
    return workload.target is not None and any(
        spec.name not in made and spec.image.child not in workload.fetched
        for spec in workload.target.all_containers
    )


def _timeless(published: PublishReported) -> PublishReported:
    return replace(published, workloads=tuple(map(_forget_time, published.workloads)))


def _forget_time(item: WorkloadReport) -> WorkloadReport:
    """What a probe has to say may change with each answer: that it says something is the news."""
    spoken = "" if not item.message else "…"
    message = spoken if item.phase in _TELLS_PROBE else item.message
    return replace(item, ready_seconds=0, message=message)


def _conditions(state: State) -> tuple[Condition, ...]:
    troubles = [state.runtime.trouble]
    if state.saving is not None:
        troubles.append(state.saving.trouble)
    found = [_condition(trouble) for trouble in troubles]
    return tuple(item for item in (*found, state.refused) if item is not None)


def _condition(trouble: Trouble) -> Condition | None:
    if trouble.setback is None:
        return None
    return Condition(reason=trouble.setback.reason, message=trouble.setback.message)


def _report_workload(workload: Workload, now: float, *, usable: bool) -> WorkloadReport:
    ready = usable and workload.phase is Phase.RUNNING and workload.ready_since is not None
    since = workload.ready_since if workload.ready_since is not None else now
    base = WorkloadReport(
        uid=workload.uid,
        namespace=workload.namespace,
        name=workload.name,
        release="" if workload.target is None else workload.target.release,
        phase=workload.phase,
        ready_seconds=int(now - since) if ready else 0,
        restarts=workload.restarts,
        pull=None if workload.pulling is None else workload.pulling.progress,
        containers=tuple(
            _report_container(item, workload)
            for item in workload.containers
            if item.kind is not ContainerKind.INFRA
        ),
    )
    if workload.hold is not None:
        held_phase = Phase.HELD if workload.target is None else workload.phase
        return replace(base, phase=held_phase, reason=workload.hold.reason, message=workload.hold.message)
    found = _find_cause(workload)
    if found is not None and workload.phase in _TELLS_WHY:
        container, why = found
        return replace(base, reason=why.reason, message=why.message, container=container)
    unready = workload.unready if workload.phase in _TELLS_PROBE else None
    if unready is None:
        return base
    if workload.phase is Phase.STARTING:  # it may be ready yet: that is no failure
        return replace(base, message=unready.words)
    return replace(base, reason=Reason.PROBE_FAILED, message=unready.words, container=unready.container)


def _report_container(container: ObservedContainer, workload: Workload) -> ContainerReport:
    spec = None if workload.target is None else workload.target.container(container.container)
    image = None if spec is None else spec.image
    # One of another spec may be of the same image: it shows that the image is there, not that this runs.
    proven = image is not None and container in workload.current and container.proves(image)
    return ContainerReport(
        name=container.container,
        container_id=container.container_id,
        running=container.status is ContainerStatus.RUNNING,
        image_id=container.image_id,
        child=image.child if image is not None and proven else None,
        exit_code=container.exit_code,
    )
