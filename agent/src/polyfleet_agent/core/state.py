"""All that the agent knows, as values. A transition makes a new state; nothing here is changed in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from polyfleet_agent.core.actions import PublishReported, Step
from polyfleet_agent.core.containers import ContainerKind, ObservedContainer
from polyfleet_agent.core.health import Health, Run
from polyfleet_agent.core.memory import NOTHING_REMEMBERED, FailedRelease, Record
from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import Condition, Phase, PullProgress
from polyfleet_shared.probes import ProbeKind
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Durations in seconds.

    `report_interval` bounds the age of `readySeconds`; `resync_interval` how long a change that the
    runtime did not tell can go unseen; `least_soak` is how long new containers must be ready before they
    have passed the gate where their workload asks for no time; `stable_after` how long one must run before
    its earlier failures are forgotten; `crash_loop_after` counts the ends in a row that make a crash loop;
    `probes_at_once` bounds the probes under way.
    """

    device: str
    report_interval: float = 30.0
    telemetry_interval: float = 60.0
    resync_interval: float = 120.0
    least_soak: float = 10.0
    stable_after: float = 600.0
    crash_loop_after: int = 3
    probes_at_once: int = 8

    def seed(self, subject: str) -> str:
        """What a subject's jitter is drawn from: other devices wait other times."""
        return f"{self.device}/{subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """Why something did not work, and when it is tried again (monotonic)."""

    reason: Reason
    message: str
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The setbacks in a row of one kind of work; without a setback it goes well at the moment."""

    failures: int = 0
    setback: Setback | None = None

    def waits(self, now: float) -> float | None:
        """Until when (monotonic) nothing is tried, None if it may be tried now."""
        if self.setback is None or self.setback.retry_at <= now:
            return None
        return self.setback.retry_at


UNTROUBLED: Final = Trouble()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulling:
    """A pull under way."""

    child: str
    progress: PullProgress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """A pull under way of what a workload may want later."""

    uid: str
    child: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One container of a workload, by its name: how it does, whichever container has that name.

    `trouble` counts its own starts and ends, so that one that crashes makes no other wait. `health` is None
    of one that does not run, or is neither wanted nor of the last good release: of that no probe is known.
    """

    trouble: Trouble = UNTROUBLED
    running_since: float | None = None
    health: Health | None = None

    @property
    def ready_since(self) -> float | None:
        """Since when it runs, and by its probes can be used."""
        return self.running_since if self.health is None else self.health.ready_since

    def fails(self, container: ObservedContainer) -> bool:
        """Whether a probe says of just this run that it is to be stopped."""
        known = self.health
        run = (container.container_id, container.started_at)
        return known is not None and known.run == run and known.failed is not None

    @property
    def at_rest(self) -> "Part":
        """The same without a running container."""
        return replace(self, running_since=None, health=None)


NEW_PART: Final = Part()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unready:
    """A container that is not ready, and why; of several, the words name it."""

    container: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One workload on this device.

    `wanted` is what the document asks for. `target` is what the device works towards, and `spec_hash` its
    hash: what is wanted or, if that failed the gate (`failure`), the last good release in its place. Without
    a target the workload is to be removed, unless `hold` says that nothing is to be done. A held workload
    keeps the target it had. `record` is what is remembered; the disk knows `kept_good` as the spec of the
    last good release. `trial_since` is when the target was first started (monotonic), None before it and
    while that is unknown; `prepared` are its containers that were made, looked into and not started.
    `containers` are as last listed; `listing` is the number of the earliest listing that may replace
    them (one that began before our own last step is stale). `fetched` are the children known to be in the
    store. Pulls, the making of each container beside what runs (`preparation`), the making way for others
    (`steps`) and each of the `parts` fail and wait apart from each other, so that what runs is looked after
    while its successor cannot be had. So do the `prefetches`, by child; `prefetched` are those of what
    `wanted` names that are in the store. `endings` are the ends that were counted, or were our own doing: by
    container, which of its starts it was that ended. `stopped` are those of them that we ended for another's
    sake: whatever the restart policy, they are not over.
    """

    uid: str
    namespace: str
    name: str
    wanted: DesiredWorkload | None = None
    target: DesiredWorkload | None = None
    spec_hash: str = ""
    failure: FailedRelease | None = None
    record: Record = NOTHING_REMEMBERED
    kept_good: str = ""
    trial_since: float | None = None
    prepared: frozenset[str] = frozenset()
    hold: HeldWorkload | None = None
    containers: tuple[ObservedContainer, ...] = ()
    listing: int = 0
    listed: bool = False
    step: Step | None = None
    pulling: Pulling | None = None
    fetched: frozenset[str] = frozenset()
    prefetched: frozenset[str] = frozenset()
    prefetches: Mapping[str, Trouble] = field(default_factory=dict)
    pulls: Trouble = UNTROUBLED
    preparation: Mapping[str, Trouble] = field(default_factory=dict)
    steps: Trouble = UNTROUBLED
    parts: Mapping[str, Part] = field(default_factory=dict)
    endings: Mapping[str, str] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    phase: Phase = Phase.PENDING
    wake_at: float | None = None

    @property
    def current(self) -> tuple[ObservedContainer, ...]:
        """The containers of the wanted spec, each made from the wanted image."""
        return tuple(container for container in self.containers if self._is_current(container))

    @property
    def infra(self) -> tuple[ObservedContainer, ...]:
        """What holds the network of the wanted spec's pod."""
        return tuple(container for container in self.containers if self._is_infra(container))

    @property
    def others(self) -> tuple[ObservedContainer, ...]:
        """The containers of any other spec, in the order in which they go."""
        found = [
            container
            for container in self.containers
            if not self._is_current(container) and not self._is_infra(container)
        ]
        return tuple(sorted(found, key=lambda container: container.kind is ContainerKind.INFRA))

    @property
    def ready_since(self) -> float | None:
        """Since when the last one is ready of those that run, None while one of them is not."""
        moments = [part.ready_since for part in self.parts.values() if part.running_since is not None]
        known = [moment for moment in moments if moment is not None]
        return max(known) if known and len(known) == len(moments) else None

    @property
    def unready(self) -> "Unready | None":
        """What a probe has said against one of its running containers that is not ready."""
        wanted = {container.container_id for container in self.current}
        for name, part in self.parts.items():
            if part.health is None or part.health.run[0] not in wanted:
                continue
            kind = part.health.unanswered
            words = "" if kind is None else part.health.explain(kind)
            if words:
                alone = self.target is None or not self.target.is_pod
                return Unready(container=name, words=words if alone else f"{name}: {words}")
        return None

    @property
    def is_on_trial(self) -> bool:
        """Whether the target has yet to pass the gate."""
        return self.spec_hash != self.record.good_hash

    def good_of(self, container: ObservedContainer) -> DesiredWorkload | None:
        """The last good release, if the container was made for it."""
        return self.record.good if container.spec_hash == self.record.good_hash else None

    def part(self, name: str) -> Part:
        return self.parts.get(name, NEW_PART)

    def with_part(self, name: str, part: Part) -> "Workload":
        return replace(self, parts={**self.parts, name: part})

    def _is_current(self, container: ObservedContainer) -> bool:
        if self.target is None or container.spec_hash != self.spec_hash:
            return False
        spec = self.target.container(container.container)
        return (
            spec is not None
            and container.kind is not ContainerKind.INFRA
            and container.image_id == spec.image.config
        )

    def _is_infra(self, container: ObservedContainer) -> bool:
        return (
            self.target is not None
            and self.target.is_pod
            and container.kind is ContainerKind.INFRA
            and container.spec_hash == self.spec_hash
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingDocument:
    """A document on its way to the disk; with a setback the disk refused it and is asked again.

    `under_way` is true while the disk has not answered.
    """

    document: DesiredDocument
    payload: bytes
    under_way: bool = True
    trouble: Trouble = UNTROUBLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Records on their way to the disk; with a setback the disk refused them and is asked again.

    `under_way` is true while the disk has not answered.
    """

    number: int
    records: Mapping[str, Record]
    under_way: bool = True
    trouble: Trouble = UNTROUBLED


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeView:
    """What is known of the runtime.

    `listing` is the number of the listing under way, None if there is none; `again` asks for another
    after it. `listed` is the number of the last that succeeded, 0 before the first. `lost_at` is when it
    ceased to answer (monotonic), None while it answers.
    """

    numbers: int = 0
    listing: int | None = None
    again: bool = False
    listed: int = 0
    trouble: Trouble = UNTROUBLED
    resync_at: float = 0.0
    lost_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A probe of one run of one of a workload's containers; the same is never under way twice."""

    uid: str
    container: str
    run: Run
    kind: ProbeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A probe whose answer is awaited, and since when (monotonic)."""

    asking: Asking
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The whole agent. `document` is on disk; `saving` is not yet, and nothing is done for it.

    `probing` are the probes under way, by the numbers that `probes` counts.
    `recorded` are the records as the disk has them, by uid.
    """

    settings: Settings
    document: DesiredDocument | None = None
    saving: PendingDocument | None = None
    recorded: Mapping[str, Record] = field(default_factory=dict)
    recording: Recording | None = None
    recordings: int = 0
    prefetching: Prefetch | None = None
    refused: Condition | None = None
    connection: int | None = None
    runtime: RuntimeView = RuntimeView()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    probes: int = 0
    probing: Mapping[int, UnderWay] = field(default_factory=dict)
    reported: PublishReported | None = None
    report_due: float = 0.0
    telemetry_due: float = 0.0
