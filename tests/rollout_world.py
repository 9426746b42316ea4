"""A fleet in memory for the rollout machine: devices that take what they are given, each in its own way.

Reports reach the controller when and in what order a test says, or never. Every event goes through `tell`,
which checks the invariants, and that neither a second look nor a second try comes to anything else.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from polyfleet_controller.domain.rollout.beginning import begin_rollout
from polyfleet_controller.domain.rollout.events import Looked, RolloutEvent, Sighting
from polyfleet_controller.domain.rollout.instructions import Instruction, Return
from polyfleet_controller.domain.rollout.invariants import find_violations
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import MemberChanges, Rollout, find_changes
from polyfleet_controller.domain.rollout.strategy import Strategy
from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

BASE, TARGET = 1, 2
MIN_READY, DEADLINE = 10, 600
NO_CHANGES = MemberChanges(written=(), removed=())


class Fate(Enum):
    """What becomes of the target on a device."""

    RUNS = auto()
    FAILS = auto()  # for a reason that lasts
    STRUGGLES = auto()  # for a reason that may pass, and does not
    GOES_BACK = auto()  # by itself
    FALLS_SILENT = auto()  # it cuts the device off


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A release, and which attempt at it."""

    revision: int | None
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a device says of what it was given; `ready_since` is when its containers were ready."""

    number: int
    device: str
    about: Given
    standing: Standing
    condition: Condition | None = None
    rolled_back: bool = False
    ready_since: datetime | None = None
    prefetched: bool = False


@dataclass
class Device:
    """One device and what the controller has for it."""

    name: str
    platform: Platform
    fate: Fate = Fate.RUNS
    online: bool = True
    unaffected: bool = False
    topology: str | None = None
    time_zone: str = ""
    assigned: Given = field(default_factory=lambda: Given(revision=BASE))
    prefetching: bool = False
    works_by: Given = field(default_factory=lambda: Given(revision=BASE))
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    has_target: bool = False
    sent: int = 0
    known: Report | None = None

    def take(self, now: datetime) -> None:
        """An online device works by what it is given."""
        if not self.online:
            return
        self.has_target |= self.prefetching
        if self.works_by != self.assigned:
            self.works_by, self.since = self.assigned, now
            if self.works_by.revision == TARGET:
                self.has_target = True
                self.online = self.fate is not Fate.FALLS_SILENT

    def report(self, now: datetime) -> Report:
        """What it says now."""
        self.sent += 1
        fate = self.fate if self.works_by.revision == TARGET and not self.unaffected else Fate.RUNS
        standing, reason = {
            Fate.RUNS: (Standing.RUNNING, None),
            Fate.FAILS: (Standing.FAILING, Reason.EXEC_FORMAT),
            Fate.STRUGGLES: (Standing.FAILING, Reason.REGISTRY_UNREACHABLE),
            Fate.GOES_BACK: (Standing.FAILING, Reason.CRASH_LOOP),
            Fate.FALLS_SILENT: (Standing.PENDING, None),
        }[fate]
        return Report(
            number=self.sent,
            device=self.name,
            about=self.works_by,
            standing=standing,
            condition=None if reason is None else Condition(reason=reason, message=str(reason)),
            rolled_back=fate is Fate.GOES_BACK,
            ready_since=max(self.since, now - timedelta(days=1)) if fate is Fate.RUNS else None,
            prefetched=self.has_target,
        )

    def hear(self, report: Report) -> None:
        """The controller takes a report that is newer than what it has."""
        if self.known is None or report.number > self.known.number:
            self.known = report

    def sight(self, now: datetime) -> Sighting:
        """How the controller sees it."""
        told = self.known if self.known is not None and self.known.about == self.assigned else None
        ready = told is not None and told.ready_since is not None
        return Sighting(
            platform=self.platform,
            online=self.online,
            revision=self.assigned.revision,
            attempt=self.assigned.attempt,
            unaffected=self.unaffected and self.assigned.revision is not None,
            standing=Standing.PENDING if told is None else told.standing,
            available=ready and (now - self.known.ready_since).total_seconds() >= MIN_READY,  # type: ignore[union-attr,operator] # `ready` says so
            condition=None if told is None else told.condition,
            rolled_back=told is not None and told.rolled_back,
            prefetched=self.known is not None and self.known.prefetched,
            time_zone=self.time_zone,
            topology=self.topology,
        )


@dataclass
class World:
    """The rollout, its fleet, and what is on its way."""

    strategy: Strategy
    base: int | None = BASE
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    devices: dict[str, Device] = field(default_factory=dict)
    network: list[Report] = field(default_factory=list)
    history: list[Instruction] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rollout: Rollout = begin_rollout(
            workload="w",
            revision=TARGET,
            strategy=self.strategy,
            min_ready_seconds=MIN_READY,
            progress_deadline_seconds=DEADLINE,
            previous=None,
            base=self.base,
            at=self.now,
            by="ann",
        )

    def join(self, device: Device) -> None:
        """A device comes that is to have the workload; it has what is placed on it without a rollout."""
        default = self.rollout.find_default(device.platform)
        device.assigned = device.works_by = Given(revision=default)
        device.since = self.now
        self.devices[device.name] = device

    def tell(self, event: RolloutEvent) -> tuple[Instruction, ...]:
        """One event; what it comes to is assigned to the devices."""
        before = self.rollout
        transition = react(before, event, self.now)
        assert react(before, event, self.now) == transition
        broken = list(find_violations(before, event, transition))
        assert not broken, f"{broken} after {event}"
        self.rollout = transition.rollout
        self.history += transition.instructions
        for name, member in self.rollout.members.items():
            if name in self.devices:
                device = self.devices[name]
                device.assigned = Given(revision=member.revision, attempt=member.attempt)
                device.prefetching = member.prefetching
        return transition.instructions

    def look(self) -> tuple[Instruction, ...]:
        """Look at all devices, and once more, which must come to nothing.

        A device that joins with what it may not keep is only known to be unaffected once it has what it may.
        """
        instructions = self.tell(self._looked())
        if any(isinstance(instruction, Return) for instruction in instructions):
            instructions += self.tell(self._looked())
        seen = self.rollout
        again = self.tell(self._looked())
        changes = find_changes(seen, self.rollout)
        assert (again, changes) == ((), NO_CHANGES), f"{again}, {changes}"
        body, before = self.rollout.without_members(), seen.without_members()
        assert body == before, f"{body} is not {before}"
        return instructions

    def _looked(self) -> Looked:
        return Looked(sightings={name: device.sight(self.now) for name, device in self.devices.items()})

    def speak(self) -> None:
        """Every online device takes what it is given and says how it is, into the network."""
        for device in self.devices.values():
            device.take(self.now)
            if device.online:
                self.network.append(device.report(self.now))

    def deliver(self, position: int = 0, *, keep: bool = False) -> None:
        """One report arrives; kept, it will arrive again."""
        report = self.network[position] if keep else self.network.pop(position)
        if report.device in self.devices:
            self.devices[report.device].hear(report)

    def settle(self, *, steps: int = 400) -> None:
        """Let all go well between here and the devices, and time pass, until nothing changes any more.

        A device may wait for ever for windows to open that find others down; then the steps are over at last.
        """
        for _ in range(steps):
            self.speak()
            while self.network:
                self.deliver()
            before = self.rollout
            self.look()
            if self.rollout != before:
                continue
            wake = self.rollout.wake_at
            if not self._is_quiet():
                self.now += timedelta(seconds=MIN_READY)
            elif wake is None:
                return
            else:
                self.now = max(self.now, wake)

    def _is_quiet(self) -> bool:
        """Whether every device has been watched for long enough."""
        return all((self.now - device.since).total_seconds() > MIN_READY for device in self.devices.values())
