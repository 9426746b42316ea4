"""What a listing of the containers says about the workloads: who runs, who ended, and how that counts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from polyfleet_agent.core.backoff import LONGEST_DELAY, delay
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import REASONS_OF_THE_BUILD, describe_exit, diagnose
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.planner import active_container, is_over
from polyfleet_agent.core.state import UNTROUBLED, Ending, Setback, Settings, Trouble, Workload
from polyfleet_shared.messages import EventKind
from polyfleet_shared.reasons import Reason, explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A workload after a listing, and what that is worth telling."""

    workload: Workload
    happenings: tuple[Happening, ...] = ()


def observe(
    workload: Workload, containers: Iterable[ObservedContainer], settings: Settings, now: float
) -> Observed:
    """Take over what a fresh listing shows of this workload."""
    seen = replace(workload, containers=tuple(containers), listed=True)
    active = active_container(seen)
    if active is None:
        return Observed(workload=replace(seen, ready_since=None))
    match active.status:
        case ContainerStatus.RUNNING:
            return _observe_running(seen, active, settings, now)
        case ContainerStatus.EXITED:
            return _observe_ended(workload, seen, active, settings, now)
        case _:
            return Observed(workload=replace(seen, ready_since=None))


def set_back(trouble: Trouble, reason: Reason, message: str, *, seed: str, now: float) -> Trouble:
    """One more failure in a row. A lasting reason is tried again only at the longest delay."""
    failures = trouble.failures + 1
    wait = delay(failures, seed=seed) if explain(reason).transient else LONGEST_DELAY
    return Trouble(failures=failures, setback=Setback(reason=reason, message=message, retry_at=now + wait))


def happening_of(workload: Workload, kind: EventKind, reason: Reason | None, message: str) -> Happening:
    """A line of history about the workload and the release that it works towards."""
    release = None if workload.target is None else workload.target.release
    return Happening(kind=kind, workload=workload.uid, release=release, reason=reason, message=message)


def _observe_running(seen: Workload, active: ObservedContainer, settings: Settings, now: float) -> Observed:
    since = now if seen.ready_since is None else seen.ready_since
    steps = UNTROUBLED if now - since >= settings.stable_after else seen.steps
    running = replace(seen, ready_since=since, steps=steps)
    if seen.ready_since is not None:
        return Observed(workload=running)
    running = replace(running, steps=replace(steps, setback=None))
    if active not in seen.current:
        return Observed(workload=running)
    started = happening_of(seen, EventKind.STARTED, None, f"container {active.container_id[:12]} runs")
    return Observed(workload=running, happenings=(started,))


def _observe_ended(
    before: Workload, seen: Workload, active: ObservedContainer, settings: Settings, now: float
) -> Observed:
    ending = Ending(container_id=active.container_id, started_at=active.started_at)
    if ending == before.ending:
        return Observed(workload=seen)
    ended = replace(seen, ending=ending, ready_since=None)
    over = active in seen.current and is_over(active, seen.target)
    if not before.listed and not over:
        # It ended before this agent looked, most likely with the machine: it is simply started.
        return Observed(workload=ended)
    reason, message = _describe_end(before, active, settings, now)
    if over:
        setback = None if active.exit_code == 0 else Setback(reason=reason, message=message, retry_at=now)
        steps = Trouble(failures=before.steps.failures, setback=setback)
    else:
        ran_well = before.ready_since is not None and now - before.ready_since >= settings.stable_after
        previous = UNTROUBLED if ran_well else before.steps
        # Any other crash waits its doubling delay, although its reason may be a lasting one. A build that
        # has run well for long is not at fault alone: it is started again like any other.
        waits_longest = reason in REASONS_OF_THE_BUILD and not ran_well
        delayed_for = reason if waits_longest else Reason.EXITED
        steps = set_back(previous, delayed_for, message, seed=settings.seed(seen.uid), now=now)
        if steps.setback is not None:
            steps = replace(steps, setback=replace(steps.setback, reason=reason))
    happening = happening_of(seen, EventKind.EXITED, reason, message)
    return Observed(workload=replace(ended, steps=steps), happenings=(happening,))


def _describe_end(
    before: Workload, active: ObservedContainer, settings: Settings, now: float
) -> tuple[Reason, str]:
    diagnosis = diagnose(active)
    ends = before.steps.failures + 1
    parts = [describe_exit(active, _memory_limit(before, active))]
    if before.ready_since is not None:
        parts[0] += f" after {now - before.ready_since:.0f} s"
    loops = ends >= settings.crash_loop_after
    if loops:
        parts.append(f"{ends} times in a row")
    if diagnosis.evidence:
        parts.append(diagnosis.evidence)
    reason = diagnosis.reason or (Reason.CRASH_LOOP if loops else Reason.EXITED)
    return reason, ", ".join(parts)


def _memory_limit(workload: Workload, container: ObservedContainer) -> int | None:
    if workload.target is None or container.spec_hash != workload.spec_hash:
        return None
    return workload.target.containers[0].limits.memory
