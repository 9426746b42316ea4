"""What a listing of the containers says about the workloads: who runs, who ended, and how that counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from polyfleet_agent.core import health
from polyfleet_agent.core.backoff import LONGEST_DELAY, delay
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import REASONS_OF_THE_BUILD, describe_exit, diagnose
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.state import UNTROUBLED, Part, Setback, Settings, Trouble, Workload
from polyfleet_agent.core.succession import active_container, active_names, is_over
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
    happenings: list[Happening] = []
    parts: dict[str, Part] = {}
    ended: dict[str, str] = {}
    for name in active_names(seen):
        observed = _observe_part(workload, seen, name, settings, now)
        parts[name] = observed.part
        happenings += observed.happenings
        ended |= observed.ended
    there = {container.container_id for container in seen.containers}
    endings = {key: start for key, start in {**workload.endings, **ended}.items() if key in there}
    stopped = {key: start for key, start in workload.stopped.items() if key in there}
    told = replace(seen, parts=parts, endings=endings, stopped=stopped)
    return Observed(workload=told, happenings=tuple(happenings))


def observe_stop(workload: Workload, container_id: str, settings: Settings, now: float) -> Observed:
    """We stopped it: that counts as none of its ends, unless it was for a probe's sake."""
    stopped = next((item for item in workload.containers if item.container_id == container_id), None)
    if stopped is None:
        return Observed(workload=workload)
    part = workload.part(stopped.container)
    counts = active_container(workload, stopped.container) == stopped
    ended = replace(workload, endings={**workload.endings, container_id: stopped.started_at})
    if not counts:  # its successor runs already
        return Observed(workload=ended)
    known = part.health
    if known is None or known.failed is None or known.run != _run(stopped):
        gave_way = {**workload.stopped, container_id: stopped.started_at}
        return Observed(workload=replace(ended.with_part(stopped.container, part.at_rest), stopped=gave_way))
    words = [_name_part(workload, stopped) + known.explain(known.failed)]
    if part.running_since is not None:
        words.append(f"stopped after {now - part.running_since:.0f} s")
    reason, message = Reason.PROBE_FAILED, ", ".join(words)
    seed = settings.seed(f"{workload.uid}/{stopped.container}")
    trouble = _count_failure(part, reason, message, seed=seed, settings=settings, now=now)
    return Observed(
        workload=ended.with_part(stopped.container, replace(part.at_rest, trouble=trouble)),
        happenings=(happening_of(workload, EventKind.EXITED, reason, message),),
    )


def set_back(trouble: Trouble, reason: Reason, message: str, *, seed: str, now: float) -> Trouble:
    """One more failure in a row. A lasting reason is tried again only at the longest delay."""
    failures = trouble.failures + 1
    wait = delay(failures, seed=seed) if explain(reason).transient else LONGEST_DELAY
    return Trouble(failures=failures, setback=Setback(reason=reason, message=message, retry_at=now + wait))


def happening_of(workload: Workload, kind: EventKind, reason: Reason | None, message: str) -> Happening:
    """A line of history about the workload and the release that it works towards."""
    release = None if workload.target is None else workload.target.release
    return Happening(kind=kind, workload=workload.uid, release=release, reason=reason, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ObservedPart:
    part: Part
    ended: Mapping[str, str] = field(default_factory=dict)
    happenings: tuple[Happening, ...] = ()


def _observe_part(
    before: Workload, seen: Workload, name: str, settings: Settings, now: float
) -> _ObservedPart:
    active = active_container(seen, name)
    if active is not None and active.status is ContainerStatus.RUNNING:
        return _observe_running(seen, active, settings, now)
    if active is not None and active.status is ContainerStatus.EXITED:
        return _observe_ended(before, seen, active, settings, now)
    return _ObservedPart(part=seen.part(name).at_rest)


def _observe_running(
    seen: Workload, active: ObservedContainer, settings: Settings, now: float
) -> _ObservedPart:
    part = seen.part(active.container)
    since = now if part.running_since is None else part.running_since
    trouble = UNTROUBLED if now - since >= settings.stable_after else part.trouble
    running = replace(part, running_since=since, trouble=trouble, health=_find_health(seen, active, now))
    if part.running_since is not None:
        return _ObservedPart(part=running)
    running = replace(running, trouble=replace(trouble, setback=None))
    if active not in seen.current:
        return _ObservedPart(part=running)
    started = happening_of(seen, EventKind.STARTED, None, f"container {active.container_id[:12]} runs")
    return _ObservedPart(part=running, happenings=(started,))


def _observe_ended(
    before: Workload, seen: Workload, active: ObservedContainer, settings: Settings, now: float
) -> _ObservedPart:
    part = before.part(active.container)
    ending = {active.container_id: active.started_at}
    if before.endings.get(active.container_id) == active.started_at:
        return _ObservedPart(part=part)
    ended = part.at_rest
    over = active in seen.current and is_over(active, seen.target)
    if not before.listed and not over:
        # It ended before this agent looked, most likely with the machine: it is simply started.
        return _ObservedPart(part=ended, ended=ending)
    reason, message = _describe_end(before, active, settings, now)
    if over:
        setback = None if active.exit_code == 0 else Setback(reason=reason, message=message, retry_at=now)
        trouble = Trouble(failures=part.trouble.failures, setback=setback)
    else:
        seed = settings.seed(f"{seen.uid}/{active.container}")
        trouble = _count_failure(part, reason, message, seed=seed, settings=settings, now=now)
    happening = happening_of(seen, EventKind.EXITED, reason, message)
    return _ObservedPart(part=replace(ended, trouble=trouble), ended=ending, happenings=(happening,))


def _count_failure(
    part: Part, reason: Reason, message: str, *, seed: str, settings: Settings, now: float
) -> Trouble:
    ran_well = part.running_since is not None and now - part.running_since >= settings.stable_after
    previous = UNTROUBLED if ran_well else part.trouble
    # Any other end waits its doubling delay, although its reason may be a lasting one. A build that has run
    # well for long is not at fault alone: it is started again like any other.
    waits_longest = reason in REASONS_OF_THE_BUILD and not ran_well
    trouble = set_back(previous, reason if waits_longest else Reason.EXITED, message, seed=seed, now=now)
    if trouble.setback is None:
        return trouble
    return replace(trouble, setback=replace(trouble.setback, reason=reason))


def _find_health(seen: Workload, active: ObservedContainer, now: float) -> health.Health | None:
    """What is known of this run; probes are known of what is wanted, and of the last good release."""
    made_for = seen.target if active in seen.current else seen.good_of(active)
    spec = None if made_for is None else made_for.container(active.container)
    if spec is None:
        return None
    known = seen.part(active.container).health
    return known if known is not None and known.run == _run(active) else health.begin(spec, _run(active), now)


def _run(container: ObservedContainer) -> health.Run:
    return (container.container_id, container.started_at)


def _describe_end(
    before: Workload, active: ObservedContainer, settings: Settings, now: float
) -> tuple[Reason, str]:
    part = before.part(active.container)
    diagnosis = diagnose(active)
    ends = part.trouble.failures + 1
    parts = [describe_exit(active, _memory_limit(before, active))]
    if part.running_since is not None:
        parts[0] += f" after {now - part.running_since:.0f} s"
    loops = ends >= settings.crash_loop_after
    if loops:
        parts.append(f"{ends} times in a row")
    if diagnosis.evidence:
        parts.append(diagnosis.evidence)
    reason = diagnosis.reason or (Reason.CRASH_LOOP if loops else Reason.EXITED)
    return reason, _name_part(before, active) + ", ".join(parts)


def _name_part(workload: Workload, container: ObservedContainer) -> str:
    """Which of several it was."""
    alone = workload.target is None or not workload.target.is_pod
    return "" if alone else f"{container.container}: "


def _memory_limit(workload: Workload, container: ObservedContainer) -> int | None:
    if workload.target is None or container.spec_hash != workload.spec_hash:
        return None
    spec = workload.target.container(container.container)
    return None if spec is None else spec.limits.memory
