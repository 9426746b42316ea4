"""The machine: one event in, the next state and the actions out. It drives towards the newest document.

It is level-triggered: whatever order events come in, whatever is lost or repeated, each transition ends by
planning every workload anew from what is wanted and what was last seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from polyfleet_agent.core import documents, prefetching, probing, recording, runtime
from polyfleet_agent.core.actions import (
    Action,
    PublishInventory,
    PublishPresence,
    PublishTelemetry,
    RecordEvent,
    ReplayEvents,
    StartContainer,
)
from polyfleet_agent.core.events import (
    AgentEvent,
    ContainersListed,
    ContainersNotListed,
    DesiredNotSaved,
    DesiredReceived,
    DesiredRefused,
    DesiredSaved,
    InventoryChanged,
    ProbeAnswered,
    PullAdvanced,
    PullFailed,
    PullSucceeded,
    RecordsNotSaved,
    RecordsSaved,
    RuntimeChanged,
    StepFailed,
    StepSucceeded,
    TransportConnected,
    TransportDisconnected,
    Woken,
)
from polyfleet_agent.core.gate import approve, begin_trial, judge, undo
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.memory import FailedRelease, Record
from polyfleet_agent.core.planner import plan
from polyfleet_agent.core.report import is_news, report
from polyfleet_agent.core.state import Pulling, Settings, State, Workload
from polyfleet_agent.core.transition import Transition
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import EventKind


def react(state: State, event: AgentEvent, now: float) -> Transition:
    """One transition. `now` is monotonic, in seconds, and never goes back."""
    taken = _take(state, event, now)
    planned = _plan_all(taken.state, now)
    fetching = prefetching.begin_next(planned.state, now)
    kept = recording.save_if_due(fetching.state, now)
    listed = runtime.list_if_due(kept.state, now)
    asked = probing.ask_all(listed.state, now)
    told = _tell(asked.state, now)
    # What is remembered is on disk before it is acted on, where the disk takes it.
    steps = (taken, kept, planned, fetching, listed, asked, told)
    return Transition(state=told.state, actions=tuple(action for step in steps for action in step.actions))


def start(
    settings: Settings, document: DesiredDocument | None, recorded: Mapping[str, Record] | None = None
) -> State:
    """The state of an agent that has just started, with the document and the records found on its disk."""
    state = State(settings=settings, recorded=recorded or {})
    return state if document is None else documents.install(state, document).state


def next_wake(state: State) -> float:
    """When time alone changes something (monotonic): the machine then wants a Woken event."""
    moments = [
        item.wake_at
        for item in state.workloads.values()
        if item.wake_at is not None and _is_plannable(state, item)
    ]
    moments += [documents.retry_at(state), recording.retry_at(state), runtime.retry_at(state)]
    moments += [prefetching.retry_at(state), probing.next_due(state)]
    if state.connection is not None:
        moments += [state.report_due, state.telemetry_due]
    return min(moments)


def _take(state: State, event: AgentEvent, now: float) -> Transition:  # noqa: C901, PLR0911, PLR0912 - the table of events
    match event:
        case DesiredReceived():
            return documents.receive(state, event)
        case DesiredRefused(message=message):
            return documents.refuse(state, message)
        case DesiredSaved(version=version):
            return documents.adopt(state, version)
        case DesiredNotSaved():
            return documents.keep_trying(state, event, now)
        case RecordsSaved():
            return Transition(state=recording.take_saved(state, event))
        case RecordsNotSaved():
            return Transition(state=recording.keep_trying(state, event, now))
        case TransportConnected(connection=connection):
            return Transition(
                state=replace(state, connection=connection, reported=None, telemetry_due=now),
                actions=(
                    PublishPresence(connection=connection),
                    PublishInventory(),
                    ReplayEvents(overdue_only=False),
                ),
            )
        case TransportDisconnected():
            return Transition(state=replace(state, connection=None))
        case InventoryChanged():
            known = () if state.connection is None else (PublishInventory(),)
            return Transition(state=state, actions=known)
        case RuntimeChanged():
            return Transition(state=runtime.want_listing(state))
        case ContainersListed():
            return runtime.take_listing(state, event, now)
        case ContainersNotListed():
            return runtime.lose(state, event, now)
        case PullAdvanced() | PullSucceeded() | PullFailed():
            return runtime.take_pull(state, event, now)
        case StepSucceeded() | StepFailed():
            return runtime.take_step(state, event, now)
        case ProbeAnswered():
            return probing.take_answer(state, event, now)
        case Woken():
            return documents.save_again_if_due(state, now)
        case _:
            assert_never(event)


def _is_plannable(state: State, workload: Workload) -> bool:
    return runtime.is_usable(state) and workload.step is None and runtime.is_fresh(state, workload)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    workload: Workload | None
    actions: tuple[Action, ...] = ()


def _plan_all(state: State, now: float) -> Transition:
    workloads: dict[str, Workload] = {}
    actions: list[Action] = []
    for uid, workload in state.workloads.items():
        planned = _plan_one(state, workload, now)
        actions += planned.actions
        if planned.workload is not None:
            workloads[uid] = planned.workload
    return Transition(state=replace(state, workloads=workloads), actions=tuple(actions))


def _plan_one(state: State, workload: Workload, now: float) -> _Planned:
    if not _is_plannable(state, workload):
        return _Planned(workload=workload)
    decided = plan(workload, now)
    if decided.gone:
        return _Planned(workload=None)
    actions: list[Action] = []
    verdict = judge(workload, decided, state.settings, now)
    if verdict.failure is not None:
        actions.append(RecordEvent(happening=_undone(workload, verdict.failure)))
        workload = undo(workload, verdict.failure)
        decided = plan(workload, now)
    elif verdict.passed:
        workload = approve(workload)
        decided = plan(workload, now)
    pulling = workload.pulling
    if decided.pull is not None and (pulling is None or pulling.child != decided.pull.image.child):
        pulling = Pulling(child=decided.pull.image.child)
        if not prefetching.is_under_way(state, workload.uid, pulling.child):
            actions.append(decided.pull)
    if decided.step is not None:
        actions.append(decided.step)
    restarted = isinstance(decided.step, StartContainer) and any(
        item.container_id == decided.step.container_id and item.started_at for item in workload.current
    )
    moments = [decided.wake_at, verdict.wake_at, _available_at(workload, now)]
    return _Planned(
        workload=replace(
            begin_trial(workload, decided.step, now),
            step=decided.step,
            pulling=pulling,
            phase=decided.phase,
            wake_at=min(moment for moment in moments if moment is not None),
            restarts=workload.restarts + restarted,
        ),
        actions=tuple(actions),
    )


def _available_at(workload: Workload, now: float) -> float | None:
    """The moment that is told at once, if it is yet to come."""
    if workload.target is None or workload.ready_since is None:
        return None
    moment = workload.ready_since + workload.target.min_ready_seconds
    return moment if moment > now else None


def _undone(workload: Workload, failure: FailedRelease) -> Happening:
    good = workload.record.good
    back = "" if good is None else f"; back to {good.release}"
    return Happening(
        kind=EventKind.ROLLED_BACK,
        workload=workload.uid,
        release=failure.release,
        reason=failure.reason,
        message=failure.message + back,
    )


def _tell(state: State, now: float) -> Transition:
    """Publish what changed. Without a connection nothing is sent: on the next one everything is."""
    if state.connection is None:
        return Transition(state=state)
    actions: list[Action] = []
    current = report(state, now)
    if now >= state.report_due and state.reported is not None:
        actions.append(ReplayEvents(overdue_only=True))
    if is_news(state.reported, current) or now >= state.report_due:
        actions.append(current)
        state = replace(state, reported=current, report_due=now + state.settings.report_interval)
    if now >= state.telemetry_due:
        actions.append(PublishTelemetry())
        state = replace(state, telemetry_due=now + state.settings.telemetry_interval)
    return Transition(state=state, actions=tuple(actions))
