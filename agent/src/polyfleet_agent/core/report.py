"""The report: what the device runs, derived from what was seen and never from what was intended."""

from dataclasses import replace

from polyfleet_agent.core.actions import PublishReported
from polyfleet_agent.core.causes import find_cause
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.memory import FailedRelease
from polyfleet_agent.core.state import State, Trouble, Workload
from polyfleet_shared.messages import Condition, ContainerReport, Phase, WorkloadReport
from polyfleet_shared.reasons import Reason

_TELLS_WHY = frozenset({Phase.BACKING_OFF, Phase.FAILED, Phase.STOPPING})
_TELLS_PROBE = frozenset({Phase.STARTING, Phase.RUNNING})


def report(state: State, now: float) -> PublishReported:
    """What is to be published now; `readySeconds` are those of this moment."""
    usable = state.runtime.trouble.setback is None
    workloads = [state.workloads[uid] for uid in sorted(state.workloads)]
    return PublishReported(
        observed=None if state.document is None else state.document.version,
        conditions=_conditions(state),
        workloads=tuple(_report_workload(item, now, usable=usable) for item in workloads),
        available=frozenset(item.uid for item in workloads if usable and _is_available(item, now)),
    )


def is_news(before: PublishReported | None, after: PublishReported) -> bool:
    """Whether there is more to tell than that time has passed."""
    return before is None or _timeless(before) != _timeless(after)


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
    if state.recording is not None:
        troubles.append(state.recording.trouble)
    found = [_condition(trouble) for trouble in troubles]
    return tuple(item for item in (*found, state.refused) if item is not None)


def _condition(trouble: Trouble) -> Condition | None:
    if trouble.setback is None:
        return None
    return Condition(reason=trouble.setback.reason, message=trouble.setback.message)


def _report_workload(workload: Workload, now: float, *, usable: bool) -> WorkloadReport:
    base = WorkloadReport(
        uid=workload.uid,
        namespace=workload.namespace,
        name=workload.name,
        release="" if workload.wanted is None else workload.wanted.release,
        phase=workload.phase,
        ready_seconds=_count_ready(workload, now) if usable else 0,
        restarts=workload.restarts,
        pull=None if workload.pulling is None else workload.pulling.progress,
        containers=tuple(
            _report_container(item, workload)
            for item in workload.containers
            if item.kind is not ContainerKind.INFRA
        ),
        prefetched=tuple(sorted(workload.prefetched)),
    )
    if workload.hold is not None:
        held_phase = Phase.HELD if workload.target is None else workload.phase
        return replace(base, phase=held_phase, reason=workload.hold.reason, message=workload.hold.message)
    if workload.failure is not None:
        return _report_rolled_back(base, workload, workload.failure)
    why = find_cause(workload)
    if why is not None and workload.phase in _TELLS_WHY:
        return replace(base, reason=why.setback.reason, message=why.setback.message, container=why.container)
    unready = workload.unready if workload.phase in _TELLS_PROBE else None
    if unready is None:
        return base
    if workload.phase is Phase.STARTING:  # it may be ready yet: that is no failure
        return replace(base, message=unready.words)
    return replace(base, reason=Reason.PROBE_FAILED, message=unready.words, container=unready.container)


def _is_available(workload: Workload, now: float) -> bool:
    if workload.failure is not None or workload.target is None or workload.ready_since is None:
        return False
    due = workload.ready_since + workload.target.min_ready_seconds
    return workload.phase is Phase.RUNNING and due <= now


def _count_ready(workload: Workload, now: float) -> int:
    if workload.phase is not Phase.RUNNING or workload.ready_since is None:
        return 0
    counted = int(now - workload.ready_since)
    # In floating point, the sum of a moment and ten seconds may be less than ten seconds after it.
    least = workload.target.min_ready_seconds if workload.target and _is_available(workload, now) else 0
    return max(counted, least)


def _report_rolled_back(base: WorkloadReport, workload: Workload, failure: FailedRelease) -> WorkloadReport:
    """What runs is not what the device was told to run, however well it does."""
    runs = any(
        item.status is ContainerStatus.RUNNING and item.kind is ContainerKind.MAIN
        for item in workload.current
    )
    good = "" if workload.target is None else workload.target.release
    message, why = failure.message, find_cause(workload)
    if why is not None and workload.phase in _TELLS_WHY:
        trouble = f"{why.setback.reason}, {why.setback.message}"
        message = f"{message}; {good}, to which it went back, does not run either: {trouble}"
    return replace(
        base,
        phase=Phase.ROLLED_BACK,
        reason=failure.reason,
        message=message,
        container=failure.container,
        ready_seconds=0,
        fallback=good if runs else "",
    )


def _report_container(container: ObservedContainer, workload: Workload) -> ContainerReport:
    spec = None if workload.target is None else workload.target.container(container.container)
    image = None if spec is None else spec.image
    # One of another spec may be of the same image: it shows that the image is there, not that this runs.
    wanted = workload.failure is None and container in workload.current
    proven = image is not None and wanted and container.proves(image)
    return ContainerReport(
        name=container.container,
        container_id=container.container_id,
        running=container.status is ContainerStatus.RUNNING,
        image_id=container.image_id,
        child=image.child if image is not None and proven else None,
        exit_code=container.exit_code,
    )
