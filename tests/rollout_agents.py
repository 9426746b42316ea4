"""A fleet of real agent cores under the rollout machine, with a network between them that may do anything.

The controller's side is its domain: placement, documents, sync and sightings. What is stored is in memory.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from controlroom import index, manifest, named
from polyfleet_agent.core.containers import ContainerStatus
from polyfleet_agent.core.events import DesiredReceived, TransportConnected, TransportDisconnected, Woken
from polyfleet_agent.core.state import Settings
from polyfleet_controller.domain.documents import make_content, render
from polyfleet_controller.domain.manifest import read_manifest
from polyfleet_controller.domain.placement import Assignment, Release, Workload, make_assignment, place
from polyfleet_controller.domain.rollout.beginning import begin_rollout
from polyfleet_controller.domain.rollout.events import Looked
from polyfleet_controller.domain.rollout.invariants import find_violations
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import MemberState, Rollout
from polyfleet_controller.domain.rollout.strategy import Strategy
from polyfleet_controller.domain.sightings import SeenDevice, find_report, sight
from polyfleet_controller.domain.staging import Staging, describe_staging
from polyfleet_controller.domain.sync import has_prefetched, is_available, judge_workload
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import DocumentVersion, WorkloadReport
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from simulation import Device

UID: Final = "w1"
BASE: Final = 1
TARGET: Final = 2
MIN_READY: Final = 10
DEADLINE: Final = 600
ILLEGAL_INSTRUCTION: Final = 132  # 128 and SIGILL

_FEATURES: Final = frozenset(map(str, Feature))
_IMAGES: Final = {BASE: index("old"), TARGET: index("new")}


def _cut(revision: int) -> Release:
    return Release(
        release=f"hello-{revision}",
        revision=revision,
        manifest=read_manifest(manifest()),
        images=named(_IMAGES[revision]),
    )


def find_config(revision: int, platform: Platform) -> str:
    """The config digest that a release has for a platform."""
    children = _IMAGES[revision].children
    return next(child.config for child in children if child.platform == platform)


@dataclass
class Agent:
    """A device, and what the controller has for it and knows of it."""

    name: str
    platform: Platform
    device: Device
    online: bool = True
    connection: int = 0
    digest: str = ""
    generation: int = 0
    retained: bytes | None = None  # by the broker
    assignment: Assignment | None = None
    published: int = 0
    heard: int = -1
    known: WorkloadReport | None = None
    works_by: DocumentVersion | None = None

    @property
    def platforms(self) -> tuple[RunnablePlatform, ...]:
        """What it runs: its own."""
        return (RunnablePlatform(platform=self.platform, fit=Fit.NATIVE),)

    @property
    def running(self) -> set[str]:
        """The configs of what runs on it."""
        return {
            item.image_id
            for item in self.device.containers.values()
            if item.status is ContainerStatus.RUNNING
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A report on its way; `number` orders those of one device."""

    device: str
    number: int
    works_by: DocumentVersion | None
    report: WorkloadReport | None


@dataclass
class Fleet:
    """Everybody runs the base when it begins."""

    platforms: list[Platform]
    strategy: Strategy
    bad: frozenset[Platform] = frozenset()  # where the target's program ends at once
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    network: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agents = {
            f"dev-{number}": Agent(
                name=f"dev-{number}",
                platform=platform,
                device=Device(settings=Settings(device=f"dev-{number}"), features=_FEATURES),
            )
            for number, platform in enumerate(self.platforms)
        }
        for agent in self.agents.values():
            for platform in self.bad:
                agent.device.ending[find_config(TARGET, platform)] = ILLEGAL_INSTRUCTION
            self.connect(agent)
        self._staging = Staging(fallback=BASE)
        self.rollout: Rollout = begin_rollout(
            workload=UID,
            revision=TARGET,
            strategy=self.strategy,
            min_ready_seconds=MIN_READY,
            progress_deadline_seconds=DEADLINE,
            previous=None,
            base=BASE,
            at=self.now,
            by="ann",
        )
        self._derive()
        self.flow()
        self.pass_time(60)
        self.flow()

    @property
    def workload(self) -> Workload:
        """The workload as it is placed now."""
        releases = {revision: _cut(revision) for revision in _IMAGES}
        return Workload(
            uid=UID,
            namespace="default",
            name="hello",
            manifest=releases[TARGET].manifest,
            release=releases[TARGET],
            failure=None,
            staging=self._staging,
            earlier={BASE: releases[BASE]},
        )

    def connect(self, agent: Agent) -> None:
        """It comes online."""
        agent.online, agent.connection = True, agent.connection + 1
        agent.device.tell(TransportConnected(connection=agent.connection))

    def disconnect(self, agent: Agent) -> None:
        """It goes offline; what it publishes from now on is lost."""
        agent.online = False
        agent.device.tell(TransportDisconnected())

    def receive(self, agent: Agent) -> None:
        """The broker hands it the document that it retains."""
        if agent.online and agent.retained is not None:
            document = read_desired(agent.retained, features=_FEATURES)
            agent.device.tell(DesiredReceived(document=document, payload=agent.retained))

    def publish(self, agent: Agent) -> None:
        """What it had to say since goes into the network, or is lost while it is offline."""
        for number, published in enumerate(agent.device.reports[agent.published :], start=agent.published):
            if agent.online:
                report = find_report(published.workloads, UID)
                message = Message(
                    device=agent.name, number=number, works_by=published.observed, report=report
                )
                self.network.append(message)
        agent.published = len(agent.device.reports)

    def deliver(self, position: int = 0, *, keep: bool = False) -> None:
        """One report arrives; kept, it will arrive again. An older one than is known changes nothing."""
        message = self.network[position] if keep else self.network.pop(position)
        agent = self.agents[message.device]
        if message.number > agent.heard:
            agent.heard, agent.known = message.number, message.report
            agent.works_by = message.works_by

    def look(self) -> None:
        """The rollout looks at everybody, and what it comes to goes into the documents."""
        event = Looked(sightings=sight(self.workload, map(self._see, self.agents.values())))
        before = self.rollout
        transition = react(before, event, self.now)
        assert list(find_violations(before, event, transition)) == []
        self.rollout = transition.rollout
        self._staging = describe_staging(self.rollout, self.rollout.members)
        self._derive()

    def flow(self) -> None:
        """All that is on its way arrives, and every device works as long as it has something to do."""
        for agent in self.agents.values():
            self.receive(agent)
            agent.device.settle(seconds=0)
            self.publish(agent)
        while self.network:
            self.deliver()

    def pass_time(self, seconds: float) -> None:
        """Time passes everywhere, and devices work on meanwhile."""
        self.now += timedelta(seconds=seconds)
        for agent in self.agents.values():
            end = agent.device.now + seconds
            agent.device.settle(seconds=seconds)
            agent.device.now = end
            agent.device.tell(Woken())

    def finish(self, *, steps: int = 200) -> None:
        """Let all go well until the rollout has ended, and its devices have done what it came to.

        Those that were away when it ended come after that.
        """
        for _ in range(steps):
            self.flow()
            self.look()
            if not (self.rollout.status.is_open or any(map(self._is_behind, self.agents))):
                self.flow()
                self.pass_time(60)
                return
            self.pass_time(5)

    def _is_behind(self, device: str) -> bool:
        """Whether it is still to be brought to the target, which is proven on its platform."""
        member = self.rollout.members[device]
        default = self.rollout.find_default(member.platform)
        return default == TARGET and member.state is not MemberState.SUCCEEDED

    def _derive(self) -> None:
        workload = self.workload
        for agent in self.agents.values():
            share = workload.find_share(agent.name, agent.platforms)
            decision = place(workload, agent.platforms, share)
            assert decision is not None
            content = make_content([decision])
            if content.digest != agent.digest:
                agent.digest, agent.generation = content.digest, agent.generation + 1
                agent.retained = render(content, epoch=1, generation=agent.generation)
                agent.assignment = make_assignment(decision, agent.platform)

    def _see(self, agent: Agent) -> SeenDevice:
        assignment = agent.assignment
        assert assignment is not None
        standing = judge_workload(assignment.pin, agent.known)
        return SeenDevice(
            name=agent.name,
            platform_set=str(agent.platform),
            platforms=agent.platforms,
            online=agent.online,
            is_current=agent.works_by is not None and agent.works_by.digest == agent.digest,
            standing=standing,
            available=is_available(standing, agent.known, min_ready_seconds=assignment.min_ready_seconds),
            prefetched=has_prefetched(assignment.prefetch, agent.known),
            report=agent.known,
        )
