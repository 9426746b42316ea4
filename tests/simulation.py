"""A device in memory for the agent's core: a runtime, a registry and a disk that do what a test says.

Actions are answered when, in what order and with what outcome the test chooses; a restart loses all that
was not on disk or in the runtime.
"""

from dataclasses import dataclass, field, replace

from polyfleet_agent.core import invariants, machine
from polyfleet_agent.core.actions import (
    Action,
    CreateContainer,
    ListContainers,
    PublishReported,
    PullImage,
    RecordEvent,
    RemoveContainer,
    RunProbe,
    SaveDesired,
    SaveRecords,
    StartContainer,
    StopContainer,
)
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.events import (
    AgentEvent,
    ContainersListed,
    ContainersNotListed,
    DesiredNotSaved,
    DesiredSaved,
    ProbeAnswered,
    PullFailed,
    PullSucceeded,
    RecordsNotSaved,
    RecordsSaved,
    RuntimeChanged,
    StepFailed,
    StepSucceeded,
    Woken,
)
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.memory import read_memory
from polyfleet_agent.core.state import Settings, State
from polyfleet_shared.desired import DesiredDocument, read_desired, write_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.platforms import Platform
from polyfleet_shared.probes import HttpGetAction, Probe
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, RestartPolicy, UpdateMethod

Slow = (
    SaveDesired
    | SaveRecords
    | ListContainers
    | PullImage
    | CreateContainer
    | StartContainer
    | StopContainer
    | RemoveContainer
    | RunProbe
)


def digest(text: str) -> str:
    """A digest that is easy to tell from others."""
    return "sha256:" + text.encode().hex().rjust(64, "0")[-64:]


def image(version: str) -> PinnedImage:
    """The child for this device of version `version` of an image."""
    return PinnedImage(
        repository="localhost:5000/hello",
        index=digest(f"index-{version}"),
        child=digest(f"child-{version}"),
        config=digest(f"config-{version}"),
        platform=Platform.parse("linux/arm/v7"),
        size=1000,
    )


def workload(
    uid: str = "w1",
    version: str = "1",
    *,
    policy: RestartPolicy = RestartPolicy.ALWAYS,
    sides: int = 0,
    inits: int = 0,
    method: UpdateMethod = UpdateMethod.REPLACE,
) -> DesiredWorkload:
    """A workload of one container, and of as many more beside it and before it."""
    return DesiredWorkload(
        uid=uid,
        namespace="default",
        name=uid,
        release=f"release-{version}",
        revision=1,
        restart_policy=policy,
        update_method=method,
        init_containers=tuple(
            ContainerSpec(name=f"init-{number}", image=image(version)) for number in range(inits)
        ),
        containers=(
            ContainerSpec(name="main", image=image(version)),
            *(ContainerSpec(name=f"side-{number}", image=image(version)) for number in range(sides)),
        ),
    )


def asks(about: str) -> Probe:
    """A probe by which an answer is chosen."""
    return Probe(http_get=HttpGetAction(path=f"/{about}", port=8080))


def handler_of(probe: Probe) -> str:
    """What a probe of `asks` is about."""
    return "" if probe.http_get is None else probe.http_get.path.removeprefix("/")


def payload(generation: int, *workloads: DesiredWorkload, epoch: int = 1) -> bytes:
    """A desired document as it comes from the broker."""
    return write_desired(epoch=epoch, generation=generation, workloads=workloads, held=())


def document(generation: int, *workloads: DesiredWorkload, epoch: int = 1) -> DesiredDocument:
    """The same, read."""
    return read_desired(payload(generation, *workloads, epoch=epoch), features=frozenset())


@dataclass
class Device:
    """The core and its world. Every event goes through `tell`, which checks the invariants."""

    settings: Settings = field(default_factory=lambda: Settings(device="dev-1"))
    features: frozenset[str] = frozenset(Feature)  # of the wire, which the agent has
    now: float = 1000.0
    disk: bytes | None = None
    records: bytes | None = None
    containers: dict[str, ObservedContainer] = field(default_factory=dict)
    store: set[str] = field(default_factory=set)
    pending: list[Slow] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    reports: list[PublishReported] = field(default_factory=list)
    made: int = 0
    runtime_up: bool = True
    disk_full: bool = False
    unpullable: dict[str, Reason] = field(default_factory=dict)
    unstartable: set[str] = field(default_factory=set)
    refused: dict[str, Reason] = field(default_factory=dict)  # by config, why it cannot start now
    lying: set[str] = field(default_factory=set)
    ran: set[str] = field(default_factory=set)  # the configs of all that ever ran
    ending: dict[str, int] = field(
        default_factory=dict
    )  # the configs of what ends at once, with its exit code
    beside: set[str] = field(default_factory=set)  # the specs that may run beside another
    init_exit_code: int = 0  # init containers end at once
    prepared: set[tuple[str, str, str]] = field(default_factory=set)  # by uid, spec and init container
    begun: set[tuple[str, str]] = field(default_factory=set)  # by uid and spec
    unremovable: bool = False
    obedient: bool = False  # programs end with exit code 0 when they are stopped
    lists_late: bool = False  # a listing shows what was there when it began, not when it is answered
    answers: dict[str, Answer] = field(default_factory=dict)  # by the path or command asked for
    snapshots: dict[int, tuple[ObservedContainer, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = self._initial()

    def _initial(self) -> State:
        known = None if self.disk is None else read_desired(self.disk, features=self.features)
        recorded = {} if self.records is None else read_memory(self.records).records
        return machine.start(self.settings, known, recorded)

    def tell(self, event: AgentEvent) -> tuple[Action, ...]:
        """One event to the core."""
        transition = machine.react(self.state, event, self.now)
        broken = list(invariants.violations(self.state, transition, self.now))
        assert not broken, f"{broken} after {event}"
        if transition.state.document not in (None, self.state.document):
            self.beside |= _find_starting_first(transition.state.document)
        self.state = transition.state
        for action in transition.actions:
            if isinstance(action, ListContainers):
                self.snapshots[action.number] = tuple(self.containers.values())
            match action:
                case RecordEvent(happening=happening):
                    self.happenings.append(happening)
                case PublishReported():
                    self.reports.append(action)
                case (
                    SaveDesired()
                    | SaveRecords()
                    | ListContainers()
                    | PullImage()
                    | CreateContainer()
                    | StartContainer()
                    | StopContainer()
                    | RemoveContainer()
                    | RunProbe()
                ):
                    self.pending.append(action)
                case _:
                    pass
        return transition.actions

    def kill(self) -> None:
        """The agent gets a kill -9; what was under way is lost, unless it was answered before."""
        self.pending.clear()
        self.state = self._initial()
        self.tell(Woken())

    def reboot(self) -> None:
        """The machine's power was cut: containers have ended."""
        for key, item in self.containers.items():
            if item.status is ContainerStatus.RUNNING:
                self.containers[key] = replace(item, status=ContainerStatus.EXITED, exit_code=0)
        self.kill()

    def crash(self, container_id: str, exit_code: int = 1, output: bytes | None = None) -> None:
        """A container ends by itself. Whether the hint arrives is the test's business."""
        item = self.containers[container_id]
        self.containers[container_id] = replace(
            item, status=ContainerStatus.EXITED, exit_code=exit_code, output=output
        )

    def die_between_create_and_start(self, position: int) -> None:
        """The agent gets a kill -9 while it creates a container, and before it has looked into it."""
        action = self.pending.pop(position)
        assert isinstance(action, CreateContainer)
        if self.runtime_up and action.container.image.child in self.store:
            self._make(action)
        self.kill()

    def answer(self, position: int = 0) -> None:
        """The world does one of the pending actions and answers it."""
        action = self.pending.pop(position)
        self.tell(self._perform(action))

    def settle(self, *, steps: int = 500, seconds: float = 3600.0) -> None:
        """Let the world answer, and time pass, until nothing more changes or the time is over."""
        end = self.now + seconds
        for _ in range(steps):
            if self.pending:
                self.answer()
                continue
            wake = machine.next_wake(self.state)
            if wake > end:
                return
            self.now = max(self.now, wake)
            self.tell(Woken())

    def running(self) -> dict[str, str]:
        """The image config of what runs, by workload."""
        return {
            item.uid: item.image_id
            for item in self.containers.values()
            if item.status is ContainerStatus.RUNNING and item.kind is not ContainerKind.INFRA
        }

    def _perform(self, action: Slow) -> AgentEvent:
        match action:
            case SaveDesired():
                return self._save(action)
            case SaveRecords():
                return self._save_records(action)
            case ListContainers(number=number):
                return self._list(number)
            case PullImage():
                return self._pull(action)
            case RunProbe():
                return ProbeAnswered(number=action.number, answer=self._probe(action))
            case _:
                return self._step(action)

    def _probe(self, action: RunProbe) -> Answer:
        container = self.containers.get(action.container_id)
        if not self.runtime_up or container is None or container.status is not ContainerStatus.RUNNING:
            return Answer(succeeded=None, message="no such container")
        return self.answers.get(handler_of(action.probe), Answer(succeeded=True))

    def _list(self, number: int) -> AgentEvent:
        if not self.runtime_up:
            return ContainersNotListed(number=number, reason=Reason.PODMAN_UNAVAILABLE, message="no socket")
        began, now = self.snapshots[number], tuple(self.containers.values())
        return ContainersListed(number=number, containers=began if self.lists_late else now)

    def _save(self, action: SaveDesired) -> AgentEvent:
        if self.disk_full:
            return DesiredNotSaved(version=action.version, reason=Reason.DISK_FULL, message="no space")
        self.disk = action.payload
        return DesiredSaved(version=action.version)

    def _save_records(self, action: SaveRecords) -> AgentEvent:
        if self.disk_full:
            return RecordsNotSaved(number=action.number, reason=Reason.DISK_FULL, message="no space")
        self.records = action.payload
        return RecordsSaved(number=action.number)

    def _pull(self, action: PullImage) -> AgentEvent:
        child = action.image.child
        reason = self.unpullable.get(child)
        if not self.runtime_up:
            reason = Reason.PODMAN_UNAVAILABLE
        if reason is not None:
            return PullFailed(uid=action.uid, child=child, reason=reason, message=str(reason))
        self.store.add(child)
        return PullSucceeded(uid=action.uid, child=child, size=1000, seconds=1.0)

    def _step(self, action: CreateContainer | StartContainer | StopContainer | RemoveContainer) -> AgentEvent:
        if not self.runtime_up:
            return StepFailed(uid=action.uid, reason=Reason.PODMAN_UNAVAILABLE, message="no socket")
        match action:
            case CreateContainer():
                return self._create(action)
            case StartContainer(uid=uid, container_id=container_id, first=first):
                if first is not None:
                    self._check_prepared(first.workload, first.container)
                return self._start(uid, container_id, examined=first is not None)
            case StopContainer(container_id=container_id):
                if container_id in self.containers:
                    self.crash(container_id, 0 if self.obedient else 143)
            case RemoveContainer(uid=uid) if self.unremovable:
                return StepFailed(uid=uid, reason=Reason.START_FAILED, message="device or resource busy")
            case RemoveContainer(container_id=container_id):
                removed = self.containers.pop(container_id, None)
                if removed is not None and removed.kind is ContainerKind.INFRA:
                    assert not self._pod_of(removed), "a pod goes before its containers"
        return StepSucceeded(uid=action.uid)

    def _create(self, action: CreateContainer) -> AgentEvent:
        wanted = action.container.image
        if wanted.child not in self.store:
            return StepFailed(uid=action.uid, reason=Reason.IMAGE_NOT_FOUND, message="no such image")
        container_id = self._make(action)
        if not action.start:
            return self._examine(action.uid, container_id) or StepSucceeded(uid=action.uid)
        self._check_prepared(action.workload, action.container)
        return self._start(action.uid, container_id, examined=True)

    def _make(self, action: CreateContainer) -> str:
        wanted, pod = action.container.image, action.workload
        container_id = self._number()
        for key, item in list(self.containers.items()):  # ours, and not finished
            if (item.uid, item.spec_hash, item.container) == (pod.uid, pod.spec_hash, action.container.name):
                assert item.status is not ContainerStatus.RUNNING
                del self.containers[key]
        is_init = action.container in pod.init_containers
        self.containers[container_id] = ObservedContainer(
            container_id=container_id,
            uid=action.uid,
            release=action.workload.release,
            container=action.container.name,
            spec_hash=action.workload.spec_hash,
            status=ContainerStatus.CREATED,
            image_id=wanted.config,
            kind=ContainerKind.INIT if is_init else ContainerKind.MAIN,
            repository_digests=(wanted.child,),
        )
        if pod.is_pod and self._infra_of(self.containers[container_id]) is None:
            self._make_infra(pod)
        return container_id

    def _check_prepared(self, pod: DesiredWorkload, container: ContainerSpec) -> None:
        """No container starts before the init containers that come before it have ended well."""
        position = pod.all_containers.index(container)
        missing = [
            item.name
            for item in pod.init_containers[:position]
            if (pod.uid, pod.spec_hash, item.name) not in self.prepared
        ]
        assert not missing or (pod.uid, pod.spec_hash) in self.begun, f"{container.name} before {missing}"

    def _number(self) -> str:
        self.made += 1
        return f"c{self.made}"

    def _make_infra(self, pod: DesiredWorkload) -> None:
        container_id = self._number()
        self.containers[container_id] = ObservedContainer(
            container_id=container_id,
            uid=pod.uid,
            release=pod.release,
            container="",
            spec_hash=pod.spec_hash,
            status=ContainerStatus.CREATED,
            image_id=digest("pause"),
            kind=ContainerKind.INFRA,
        )

    def _pod_of(self, infra: ObservedContainer) -> list[ObservedContainer]:
        return [
            item
            for item in self.containers.values()
            if (item.uid, item.spec_hash) == (infra.uid, infra.spec_hash) and item is not infra
        ]

    def _infra_of(self, container: ObservedContainer) -> ObservedContainer | None:
        found = (item for item in self._pod_of(container) if item.kind is ContainerKind.INFRA)
        return next(found, None)

    def _start(self, uid: str, container_id: str, *, examined: bool) -> AgentEvent:
        item = self.containers.get(container_id)
        if item is None:
            return StepFailed(uid=uid, reason=Reason.START_FAILED, message="no such container")
        if examined and (lie := self._examine(uid, container_id)) is not None:
            return lie
        if item.image_id in self.refused:
            return StepFailed(uid=uid, reason=self.refused[item.image_id], message="not now")
        if item.image_id in self.unstartable:
            return StepFailed(uid=uid, reason=Reason.EXEC_FORMAT, message="exec format error")
        if item.status is not ContainerStatus.RUNNING:
            infra = self._infra_of(item)
            if infra is not None:
                self._run(infra)
            self.ran.add(item.image_id)
            self._run(item)
            if item.image_id in self.ending:
                self.crash(container_id, self.ending[item.image_id])
            elif item.kind is ContainerKind.INIT:
                self.crash(container_id, self.init_exit_code)
                if self.init_exit_code == 0:
                    self.prepared.add((uid, item.spec_hash, item.container))
            else:
                self.begun.add((uid, item.spec_hash))
        return StepSucceeded(uid=uid)

    def _examine(self, uid: str, container_id: str) -> StepFailed | None:
        if self.containers[container_id].image_id not in self.lying:
            return None
        if not self.unremovable:
            del self.containers[container_id]
        return StepFailed(uid=uid, reason=Reason.PLATFORM_MISMATCH, message="/server is built for …")

    def _run(self, item: ObservedContainer) -> None:
        rivals = [
            other
            for other in self.containers.values()
            if other.uid == item.uid
            and other.spec_hash != item.spec_hash
            and other.status is ContainerStatus.RUNNING
        ]
        assert not rivals or item.spec_hash in self.beside, f"two specs of {item.uid} run at once"
        self.made += 1
        self.containers[item.container_id] = replace(
            item, status=ContainerStatus.RUNNING, started_at=f"t{self.made}", exit_code=None, output=None
        )


def _find_starting_first(document: DesiredDocument | None) -> set[str]:
    """The specs that a document allows to run beside another; how they are updated is no part of them."""
    workloads = () if document is None else document.workloads
    return {item.spec_hash for item in workloads if item.update_method is UpdateMethod.START_FIRST}


def hint(device: Device) -> None:
    """The runtime tells that something happened."""
    device.tell(RuntimeChanged())
