"""What the probes of one run of a container have told, as the kubelet judges it. Pure.

The thresholds, what asks when, and what an unfinished row of answers means are Kubernetes' ("Configure
Liveness, Readiness and Startup Probes").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from polyfleet_shared.probes import Probe, ProbeKind
from polyfleet_shared.workloads import ContainerSpec

# A container's ID and the runtime's text for its start: the same container started again is another run.
Run: TypeAlias = tuple[str, str]

# Where one of these fails, the container is stopped.
_VITAL: Final = (ProbeKind.STARTUP, ProbeKind.LIVENESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of asking once. `succeeded` is None where it could not be asked: that counts as nothing."""

    succeeded: bool | None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One probe: when it is due (monotonic), its answers in a row, and the verdict that they have led to.

    `message` is what the last failure said, empty after a success.
    """

    due: float
    successes: int = 0
    failures: int = 0
    verdict: bool | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """One run of a container. `was_ready` is true once it was ready, whatever it is now."""

    run: Run
    probes: Mapping[ProbeKind, Probe] = field(default_factory=dict)
    tallies: Mapping[ProbeKind, Tally] = field(default_factory=dict)
    ready_since: float | None = None
    was_ready: bool = False

    @property
    def failed(self) -> ProbeKind | None:
        """The probe for whose sake the container is stopped."""
        return next((kind for kind in _VITAL if self._verdict(kind) is False), None)

    @property
    def unanswered(self) -> ProbeKind | None:
        """The probe for whose sake it is not ready, if it is not."""
        if self.ready_since is not None:
            return None
        return self.failed or (ProbeKind.READINESS if self.has_started else ProbeKind.STARTUP)

    @property
    def has_started(self) -> bool:
        """Whether its startup probe, if it has one, has succeeded."""
        return ProbeKind.STARTUP not in self.probes or self._verdict(ProbeKind.STARTUP) is True

    @property
    def in_turn(self) -> tuple[ProbeKind, ...]:
        """The probes that are asked, each when it is due."""
        if self.failed is not None:
            return ()
        if not self.has_started:
            return (ProbeKind.STARTUP,)
        return tuple(kind for kind in self.probes if kind is not ProbeKind.STARTUP)

    def explain(self, kind: ProbeKind) -> str:
        """What a probe has against the container, as a part of a sentence; empty if nothing."""
        tally = self.tallies.get(kind)
        return f"{kind} probe: {tally.message}" if tally is not None and tally.message else ""

    def _verdict(self, kind: ProbeKind) -> bool | None:
        tally = self.tallies.get(kind)
        return None if tally is None else tally.verdict


def begin(spec: ContainerSpec, run: Run, since: float) -> Health:
    """A run that began at `since`: without a probe that has to succeed first, it is ready from there on."""
    probes = {
        kind: probe
        for kind, probe in (
            (ProbeKind.STARTUP, spec.startup_probe),
            (ProbeKind.LIVENESS, spec.liveness_probe),
            (ProbeKind.READINESS, spec.readiness_probe),
        )
        if probe is not None
    }
    tallies = {kind: Tally(due=since + probe.initial_delay_seconds) for kind, probe in probes.items()}
    return _settle(Health(run=run, probes=probes, tallies=tallies), since)


def take(health: Health, kind: ProbeKind, answer: Answer, *, asked_at: float, now: float) -> Health:
    """A probe has answered. Its period runs from question to question."""
    probe = health.probes[kind]
    tally = replace(health.tallies[kind], due=asked_at + probe.period_seconds)
    if answer.succeeded is None:
        return _with(health, kind, replace(tally, message=answer.message))
    if answer.succeeded:
        tally = replace(tally, successes=tally.successes + 1, failures=0, message="")
        turned = tally.successes >= probe.success_threshold
    else:
        tally = replace(tally, successes=0, failures=tally.failures + 1, message=answer.message)
        turned = tally.failures >= probe.failure_threshold
    if turned:
        tally = replace(tally, verdict=answer.succeeded)
    return _settle(_with(health, kind, tally), now)


def _with(health: Health, kind: ProbeKind, tally: Tally) -> Health:
    return replace(health, tallies={**health.tallies, kind: tally})


def _settle(health: Health, now: float) -> Health:
    """Say whether it is ready by what is known now."""
    ready = health.failed is None and health.has_started
    if ready and ProbeKind.READINESS in health.probes:
        ready = health.tallies[ProbeKind.READINESS].verdict is True
    if not ready:
        return replace(health, ready_since=None)
    since = now if health.ready_since is None else health.ready_since
    return replace(health, ready_since=since, was_ready=True)
