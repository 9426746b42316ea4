"""The steps: before anything first starts, its program was looked at and its volumes are filled."""

from collections import Counter
from dataclasses import replace

import pytest

from elf_files import elf
from polyfleet_agent.core import machine
from polyfleet_agent.core.actions import (
    Action,
    CreateContainer,
    FirstStart,
    ListContainers,
    PullImage,
    RemoveContainer,
    RunProbe,
    SaveRecords,
    StartContainer,
    StopContainer,
)
from polyfleet_agent.core.events import AgentEvent, ProbeAnswered, StepFailed, StepSucceeded, Woken
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.memory import read_memory
from polyfleet_agent.core.programs import Examination
from polyfleet_agent.core.state import Settings, State
from polyfleet_agent.executor import list_containers, pull_image, run_probe, save_records, take_step
from polyfleet_agent.ports import RuntimeFailure, World
from polyfleet_agent.testing import (
    FakeBroker,
    FakeClock,
    FakeHost,
    FakeRegistry,
    FakeRuntime,
    FakeSupervisor,
    FakeTransport,
    MemoryDisk,
    MemorySpool,
    MemoryState,
)
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload
from simulation import asks, document, image, workload

IMAGE = image("1")
LIE = "/server is built for linux/amd64 (ELF 64-bit x86-64), the image claims linux/arm/v7"


class KilledError(Exception):
    """The agent's process is gone."""


class MortalRuntime(FakeRuntime):
    """Before its call number `dies_at` the agent gets a kill -9; `stuck` containers cannot be removed."""

    dies_at: int | None = None
    calls: int = 0
    stuck: bool = False

    def __init__(self, device: str, registry: FakeRegistry) -> None:
        super().__init__(device, registry)
        self.disk = MemoryDisk()

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise KilledError

    def create(self, *arguments: object) -> str:
        self._count()
        return super().create(*arguments)  # type: ignore[arg-type]  # passed on as they are

    def examine(self, container_id: str) -> Examination:
        self._count()
        return super().examine(container_id)

    def fill(self, *arguments: object) -> None:
        self._count()
        super().fill(*arguments)  # type: ignore[arg-type]  # passed on as they are

    def start(self, container_id: str) -> None:
        self._count()
        assert container_id in self.machine.filled
        super().start(container_id)

    def stop(self, container_id: str, *, grace: int) -> None:
        self._count()
        super().stop(container_id, grace=grace)

    def remove(self, container_id: str) -> None:
        self._count()
        if self.stuck:
            raise RuntimeFailure(Reason.START_FAILED, "device or resource busy")
        super().remove(container_id)


def make_runtime(program: bytes) -> MortalRuntime:
    runtime = MortalRuntime("dev-1", FakeRegistry(IMAGE))
    runtime.machine.fill(IMAGE, {"/server": program})
    runtime.pull(IMAGE, ignore)
    return runtime


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def world_of(runtime: FakeRuntime, disk: MemoryDisk | None = None) -> World:
    disk = disk or MemoryDisk()
    return World(
        runtime=runtime,
        transport=FakeTransport(FakeBroker(), "dev-1"),
        state=MemoryState(disk),
        spool=MemorySpool(disk, "one", 1),
        host=FakeHost(),
        supervisor=FakeSupervisor(),
        clock=FakeClock(),
    )


def create(runtime: FakeRuntime) -> AgentEvent:
    wanted = workload()
    return take_step(world_of(runtime), CreateContainer(workload=wanted, container=wanted.containers[0]))


def start(runtime: FakeRuntime, container_id: str, *, first: bool) -> AgentEvent:
    wanted = workload()
    made_for = FirstStart(workload=wanted, container=wanted.containers[0]) if first else None
    return take_step(world_of(runtime), StartContainer(uid="w1", container_id=container_id, first=made_for))


def test_a_program_that_is_what_the_image_claims_starts() -> None:
    runtime = make_runtime(elf("arm"))
    assert create(runtime) == StepSucceeded(uid="w1")
    assert runtime.machine.started == [IMAGE.config]


def test_a_lie_is_refused_before_it_starts_and_its_container_removed() -> None:
    runtime = make_runtime(elf("amd64"))
    assert create(runtime) == StepFailed(uid="w1", reason=Reason.PLATFORM_MISMATCH, message=LIE)
    assert (runtime.machine.started, runtime.list_containers()) == ([], ())


def test_what_cannot_be_found_is_started_all_the_same() -> None:
    runtime = MortalRuntime("dev-1", FakeRegistry(IMAGE))
    runtime.pull(IMAGE, ignore)
    assert create(runtime) == StepSucceeded(uid="w1")


def test_a_container_that_was_created_and_never_ran_is_examined_before_it_starts() -> None:
    runtime = make_runtime(elf("amd64"))
    wanted = workload()
    container_id = runtime.create(wanted, wanted.containers[0])
    told = start(runtime, container_id, first=True)
    assert told == StepFailed(uid="w1", reason=Reason.PLATFORM_MISMATCH, message=LIE)
    assert (runtime.machine.started, runtime.list_containers()) == ([], ())


def test_a_restart_costs_no_examination() -> None:
    runtime = make_runtime(elf("arm"))
    create(runtime)
    (container,) = runtime.list_containers()
    runtime.crash(container.container_id)
    before = runtime.calls
    assert start(runtime, container.container_id, first=False) == StepSucceeded(uid="w1")
    assert runtime.calls == before + 1


def test_a_lie_that_cannot_be_removed_is_told_as_the_lie_that_it_is() -> None:
    runtime = make_runtime(elf("amd64"))
    runtime.stuck = True
    told = create(runtime)
    assert told == StepFailed(
        uid="w1",
        reason=Reason.PLATFORM_MISMATCH,
        message=f"{LIE}; its container could not be removed: device or resource busy",
    )
    assert runtime.machine.started == []


# -- probes


def test_what_a_program_answers_is_made_fit_for_a_report() -> None:
    runtime = make_runtime(elf("arm"))
    create(runtime)
    (container,) = runtime.list_containers()
    words = "\x1b[31mno\0" + "x" * 2000
    runtime.machine.probes.let_answer(IMAGE, {"/ready": Answer(succeeded=False, message=words)})
    action = RunProbe(number=7, container_id=container.container_id, probe=asks("ready"))
    told = run_probe(world_of(runtime), action)
    assert isinstance(told, ProbeAnswered)
    assert (told.number, told.answer.succeeded) == (7, False)
    assert told.answer.message.startswith("\\x1b[31mno\\x00xxx")
    assert len(told.answer.message) <= 500


def test_that_podman_is_away_is_no_answer_of_the_container() -> None:
    runtime = make_runtime(elf("arm"))
    runtime.machine.up = False
    told = run_probe(world_of(runtime), RunProbe(number=7, container_id="c1", probe=asks("ready")))
    answer = Answer(succeeded=None, message="Podman's API does not answer: no such socket")
    assert told == ProbeAnswered(number=7, answer=answer)


# -- killed at any point


class Driver:
    """The core on the real executor. What the core asks for is done at once, one after the other."""

    def __init__(self, runtime: FakeRuntime, disk: MemoryDisk, *wanted: DesiredWorkload) -> None:
        self._world = world_of(runtime, disk)
        self._now = 0.0
        self._pending: list[Action] = []
        self.state: State = machine.start(
            Settings(device="dev-1"),
            document(1, *wanted),
            {} if disk.records is None else read_memory(disk.records).records,
        )

    def run(self, seconds: float) -> None:
        self._tell(Woken())
        while True:
            if self._pending:
                self._do(self._pending.pop(0))
                continue
            wake = machine.next_wake(self.state)
            if wake > seconds:
                return
            self._now = wake
            self._tell(Woken())

    def _tell(self, event: AgentEvent) -> None:
        transition = machine.react(self.state, event, self._now)
        self.state = transition.state
        self._pending += transition.actions

    def _do(self, action: Action) -> None:
        match action:
            case ListContainers():
                self._tell(list_containers(self._world, action))
            case PullImage():
                self._tell(pull_image(self._world, action, self._tell))
            case SaveRecords():
                self._tell(save_records(self._world, action))
            case CreateContainer() | StartContainer() | StopContainer() | RemoveContainer():
                self._tell(take_step(self._world, action))
            case RunProbe():
                self._tell(run_probe(self._world, action))
            case _:
                pass


def run_and_die(runtime: MortalRuntime, at: int | None, seconds: float, *wanted: DesiredWorkload) -> Driver:
    """An agent's life; it ends before the runtime's call of this number, or after so many seconds."""
    runtime.calls, runtime.dies_at = 0, at
    driver = Driver(runtime, runtime.disk, *(wanted or (workload(),)))
    try:
        driver.run(seconds)
    except KilledError:
        assert at is not None
    return driver


@pytest.mark.parametrize("stuck", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("again_at", [None, 1, 2, 3])
def test_no_lie_ever_runs_wherever_the_agent_is_killed(at: int, again_at: int | None, *, stuck: bool) -> None:
    runtime = make_runtime(elf("amd64"))
    runtime.stuck = stuck
    run_and_die(runtime, at, 1000)
    run_and_die(runtime, again_at, 1000)
    runtime.stuck = False
    driver = run_and_die(runtime, None, 1000)
    setback = driver.state.workloads["w1"].part("main").trouble.setback
    assert setback is not None
    assert (setback.reason, setback.message) == (Reason.PLATFORM_MISMATCH, LIE)
    assert (runtime.machine.started, runtime.list_containers()) == ([], ())


@pytest.mark.parametrize("at", range(1, 5))
def test_the_truth_runs_wherever_the_agent_was_killed(at: int) -> None:
    runtime = make_runtime(elf("arm"))
    run_and_die(runtime, at, 1000)
    run_and_die(runtime, None, 1000)
    assert runtime.machine.started == [IMAGE.config]


def test_a_lie_is_tried_again_only_rarely() -> None:
    runtime = make_runtime(elf("amd64"))
    tried = []
    for seconds in (200, 700):
        run_and_die(runtime, None, seconds)
        tried.append(runtime.calls // len(("create", "examine", "remove")))
    assert tried == [1, 3]


PREPARER = image("2")
POD = replace(workload(sides=1), init_containers=(ContainerSpec(name="first", image=PREPARER),))


def make_runtime_of_pods() -> MortalRuntime:
    """One on which the init container ends well at once."""
    runtime = MortalRuntime("dev-1", FakeRegistry(IMAGE, PREPARER))
    runtime.machine.exit_at_once(PREPARER, 0)
    return runtime


def what_is_there(runtime: FakeRuntime) -> dict[tuple[str, str], int]:
    return Counter((item.container, item.status.value) for item in runtime.list_containers())


@pytest.mark.parametrize("at", range(1, 13))
@pytest.mark.parametrize("again_at", [None, 1, 2, 3, 4])
def test_a_pod_comes_up_whole_wherever_the_agent_was_killed(at: int, again_at: int | None) -> None:
    runtime = make_runtime_of_pods()
    for died_at in (at, again_at, None):
        run_and_die(runtime, died_at, 1000, POD)
    assert what_is_there(runtime) == {
        ("", "running"): 1,
        ("first", "exited"): 1,
        ("main", "running"): 1,
        ("side-0", "running"): 1,
    }
    assert runtime.machine.started == [PREPARER.config, IMAGE.config, IMAGE.config]


@pytest.mark.parametrize("at", range(1, 13))
def test_a_pod_gives_way_whole_wherever_the_agent_was_killed(at: int) -> None:
    runtime = make_runtime_of_pods()
    run_and_die(runtime, None, 1000, POD)
    for died_at in (at, None):
        run_and_die(runtime, died_at, 1000, workload())
    assert what_is_there(runtime) == {("main", "running"): 1}
