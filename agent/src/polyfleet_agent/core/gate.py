"""The device's own gate: whether new containers have proven themselves, or are to be undone; pure.

It asks nobody. What fails it gives way to the last release that passed, and is not tried again.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from polyfleet_agent.core.actions import CreateContainer, StartContainer, Step, StopContainer
from polyfleet_agent.core.causes import Cause, find_cause, find_fault
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.memory import FailedRelease
from polyfleet_agent.core.planner import Plan
from polyfleet_agent.core.state import UNTROUBLED, Setback, Settings, Workload
from polyfleet_agent.core.succession import find_stand_in, has_begun, having
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload

# Transient, yet the workload's own doing: what is late for one of these will be late another time.
_OWN: Final = frozenset({Reason.EXITED, Reason.START_TIMEOUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says now. `wake_at` is when time alone makes it say something else (monotonic)."""

    passed: bool = False
    failure: FailedRelease | None = None
    wake_at: float = math.inf


def judge(workload: Workload, planned: Plan, settings: Settings, now: float) -> Verdict:
    """Judge the target by its containers, freshly listed, and by where they stand by the plan."""
    target = workload.target
    if target is None or workload.hold is not None or not workload.is_on_trial:
        return Verdict()
    due = math.inf
    if planned.phase is Phase.RUNNING and workload.ready_since is not None:
        due = workload.ready_since + _soak(target, settings)
    if planned.phase is Phase.COMPLETED or due <= now:
        return Verdict(passed=True)
    if workload.record.good is None:
        return Verdict(wake_at=due)  # there is nothing to go back to
    at_fault = _find_fault(workload, planned)
    if at_fault is not None:
        return Verdict(failure=_fail(workload, target, at_fault, lasting=True))
    deadline = math.inf
    if workload.trial_since is not None:
        deadline = workload.trial_since + target.progress_deadline_seconds
    if now < deadline:
        return Verdict(wake_at=min(due, deadline))
    return Verdict(failure=_judge_late(workload, target, now), wake_at=due)


def begin_trial(workload: Workload, step: Step | None, now: float) -> Workload:
    """Count from the first start on. What the predecessor suffered until then says nothing about it."""
    if not workload.is_on_trial or workload.trial_since is not None:
        return workload
    if has_begun(workload):  # before this agent was
        return replace(workload, trial_since=now)
    if isinstance(step, StartContainer):
        ours = any(item.container_id == step.container_id for item in workload.current)
    else:
        ours = isinstance(step, CreateContainer) and step.start
    return replace(workload, trial_since=now, parts={}) if ours else workload


def approve(workload: Workload) -> Workload:
    """The target is the last good release from now on."""
    if workload.target is None:
        return workload
    return replace(workload, record=workload.record.with_good(workload.target, workload.spec_hash))


def undo(workload: Workload, failure: FailedRelease) -> Workload:
    """Go back to the last good release."""
    if workload.wanted is None:
        return workload
    remembered = replace(workload, record=workload.record.with_failed(failure))
    return aim(remembered, workload.wanted)


def aim(workload: Workload, wanted: DesiredWorkload) -> Workload:
    """Work towards what is wanted or, where that is known to have failed, the last good release."""
    target, spec_hash, record = wanted, wanted.spec_hash, workload.record
    if spec_hash == record.good_hash:
        record = record.with_good(wanted, spec_hash)  # under the newest of its names
    failure = record.failure(spec_hash)
    if failure is not None and record.good is not None:
        target, spec_hash = record.good, record.good_hash
    else:
        failure = None
    named = replace(
        workload,
        record=record,
        namespace=wanted.namespace,
        name=wanted.name,
        wanted=wanted,
        target=target,
        failure=failure,
        hold=None,
    )
    if named.spec_hash == spec_hash:
        return named
    # Another spec starts with a clean slate: what its predecessor suffered says nothing about it.
    return replace(
        let_go(named),
        spec_hash=spec_hash,
        fetched=(named.fetched | named.prefetched)
        & {container.image.child for container in target.all_containers},
        parts={},
        restarts=0,
        phase=Phase.PENDING,
    )


def let_go(workload: Workload) -> Workload:
    """Forget what was under way for a target that is none any more."""
    step = workload.step
    return replace(
        workload,
        step=replace(step, then=None) if isinstance(step, StopContainer) else step,
        trial_since=None,
        prepared=frozenset(),
        pulling=None,
        pulls=UNTROUBLED,
        preparation={},
        steps=UNTROUBLED,
    )


def _soak(target: DesiredWorkload, settings: Settings) -> float:
    """How long it has to be ready; without a time of its own, as long as the deadline leaves room for."""
    return target.min_ready_seconds or min(settings.least_soak, target.progress_deadline_seconds - 1)


def _find_fault(workload: Workload, planned: Plan) -> Cause | None:
    """Why the containers will not do, if that is certain before the deadline."""
    found = find_fault(workload)
    if found is None or workload.trial_since is not None:
        # A job that failed for good has failed, though an end as such is transient.
        return found if planned.phase is Phase.FAILED else None
    return found if found.is_lasting and found.container in workload.preparation else None


def _judge_late(workload: Workload, target: DesiredWorkload, now: float) -> FailedRelease | None:
    """What is not ready by the deadline has failed.

    Trouble of the device is another matter: it keeps nobody from waiting while the predecessor runs, and is
    never remembered.
    """
    found = find_cause(workload)
    if found is None and workload.unready is not None:
        told = Setback(reason=Reason.PROBE_FAILED, message=workload.unready.words, retry_at=now)
        found = Cause(setback=told, container=workload.unready.container)
    late = (
        f"not ready for {target.min_ready_seconds} s within {target.progress_deadline_seconds} s of its start"
    )
    if found is None:
        setback = Setback(reason=Reason.START_TIMEOUT, message=late, retry_at=now)
        return _fail(workload, target, Cause(setback=setback), lasting=True)
    lasting = found.is_lasting or found.setback.reason in _OWN
    if not lasting and having(find_stand_in(workload), ContainerStatus.RUNNING):
        return None
    told = replace(found.setback, message=f"{found.setback.message}; {late}")
    return _fail(workload, target, replace(found, setback=told), lasting=lasting)


def _fail(workload: Workload, target: DesiredWorkload, found: Cause, *, lasting: bool) -> FailedRelease:
    return FailedRelease(
        spec_hash=workload.spec_hash,
        release=target.release,
        reason=found.setback.reason,
        message=found.setback.message,
        container=found.container,
        lasting=lasting,
    )
