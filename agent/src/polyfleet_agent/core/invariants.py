"""What always holds, whatever happened: checked at every step of every test of the core."""

from collections.abc import Iterator
from typing import Final

from polyfleet_agent.core.actions import (
    Action,
    CreateContainer,
    RemoveContainer,
    StartContainer,
    StopContainer,
)
from polyfleet_agent.core.causes import find_cause
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.machine import next_wake
from polyfleet_agent.core.state import State, Workload
from polyfleet_agent.core.succession import runs_beside
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.messages import Phase

_ENDED: Final = frozenset({Phase.BACKING_OFF, Phase.FAILED, Phase.COMPLETED})
_BEGUN: Final = frozenset({Phase.PULLING, Phase.STARTING, Phase.RUNNING})

# Which phase may follow which while the wanted spec stays the same. A new spec begins at PENDING.
TRANSITIONS: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.PENDING: _BEGUN | _ENDED,
    Phase.PULLING: _BEGUN | {Phase.BACKING_OFF, Phase.FAILED},
    Phase.STARTING: _BEGUN | _ENDED,
    Phase.RUNNING: _BEGUN | _ENDED,
    Phase.BACKING_OFF: _BEGUN | _ENDED,
    Phase.FAILED: _BEGUN | _ENDED,
    Phase.COMPLETED: _BEGUN | _ENDED,
}

_NEED_A_CAUSE: Final = frozenset({Phase.BACKING_OFF, Phase.FAILED})


def violations(before: State, transition: Transition, now: float) -> Iterator[str]:
    """What a transition broke, in words; nothing if all is well."""
    after = transition.state
    if next_wake(after) <= now:
        yield f"wants to be woken at {next_wake(after)}, which is not after {now}: the loop would spin"
    if _order(after) < _order(before):
        yield f"went back from document {_order(before)} to {_order(after)}"
    for workload in after.workloads.values():
        yield from _violations_of(workload, before.workloads.get(workload.uid), after)
    if len(after.probing) > after.settings.probes_at_once:
        yield f"asks {len(after.probing)} probes at once"
    if len({item.asking for item in after.probing.values()}) < len(after.probing):
        yield "asks the same probe twice at once"
    for action in transition.actions:
        yield from _violations_by(action, before, after)


def _order(state: State) -> tuple[int, int]:
    return (0, 0) if state.document is None else state.document.version.order


def _violations_of(workload: Workload, before: Workload | None, state: State) -> Iterator[str]:
    phase, uid = workload.phase, workload.uid
    if before is not None and not _may_follow(before, workload):
        yield f"{uid}: went from {before.phase} to {phase}"
    if phase in _NEED_A_CAUSE and find_cause(workload) is None:
        yield f"{uid}: is {phase} for no stated reason"
    if phase is Phase.RUNNING and (missing := _find_missing(workload)):
        yield f"{uid}: is called running, but of the wanted spec {missing} do not run"
    saved = () if state.document is None else state.document.workloads
    if workload.wanted is not None and workload.hold is None and workload.wanted not in saved:
        yield f"{uid}: wants something that is in no saved document"
    if workload.target not in (workload.wanted, workload.record.good):
        yield f"{uid}: works towards what is neither wanted nor the last good release"
    if (workload.failure is not None) != (workload.target != workload.wanted):
        yield f"{uid}: went back to the last good release for no stated reason, or did not"


def _find_missing(workload: Workload) -> list[str]:
    """The containers that neither run nor have ended well; all, if none runs."""
    specs = () if workload.target is None else workload.target.containers
    well = {
        item.container
        for item in workload.current
        if item.status is ContainerStatus.RUNNING or item.exit_code == 0
    }
    runs = {item.container for item in workload.current if item.status is ContainerStatus.RUNNING}
    return [spec.name for spec in specs if spec.name not in well or not runs]


def _may_follow(before: Workload, after: Workload) -> bool:
    same_spec = after.target is not None and before.spec_hash == after.spec_hash
    if not same_spec or before.phase is after.phase:
        return True
    return after.phase in TRANSITIONS.get(before.phase, frozenset())


def _violations_by(action: Action, before: State, after: State) -> Iterator[str]:
    match action:
        case StopContainer(uid=uid) | RemoveContainer(uid=uid):
            if before.document is None and after.document is None:
                yield f"{uid}: something is taken away although no document says so"
            workload = after.workloads[uid]
            needed = workload.target is not None and workload.hold is None and not _has_successor(workload)
            if needed and not _fails(workload, action.container_id):
                yield f"{uid}: what runs is taken away before its successor's image is there"
        case CreateContainer(uid=uid, container=container):
            if container.image.child not in after.workloads[uid].fetched:
                yield f"{uid}: a container is made of an image that was not fetched"
            workload = after.workloads[uid]
            rivals = [item for item in _find_rivals(workload) if action.start]
            same = [item for item in workload.current if item.container == container.name]
            if rivals or any(item.status is ContainerStatus.RUNNING for item in same):
                yield f"{uid}: a second container is made beside a running one"
        case StartContainer(uid=uid, container_id=container_id):
            workload = after.workloads[uid]
            ours = any(item.container_id == container_id for item in workload.current)
            if ours and _find_rivals(workload):
                yield f"{uid}: a container is started beside those of another spec"
        case _:
            pass


def _find_rivals(workload: Workload) -> list[ObservedContainer]:
    """What runs of another spec, unless it may."""
    if runs_beside(workload):
        return []
    return [item for item in workload.others if item.status is ContainerStatus.RUNNING]


def _fails(workload: Workload, container_id: str) -> bool:
    """Whether a probe says that it has to be started again."""
    found = (item for item in workload.containers if item.container_id == container_id)
    return any(workload.part(item.container).fails(item) for item in found)


def _has_successor(workload: Workload) -> bool:
    """Whether a wanted container or all images are there; a broken container is no loss."""
    target = workload.target
    fetched = target is not None and all(
        spec.image.child in workload.fetched for spec in target.all_containers
    )
    intact = [item for item in workload.containers if item.status is not ContainerStatus.BROKEN]
    return fetched or bool(workload.current) or not intact
