"""What a container runtime does, the one in memory and Podman alike."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from contract.agent.runtime_worlds import DEVICE, EXIT_CODE, FakeWorld, PodmanWorld, RuntimeWorld
from fixtures.lab import ImageShelf
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.health import Answer
from polyfleet_agent.core.programs import Examination, find_lie
from polyfleet_agent.ports import PullResult, RuntimeFailure
from polyfleet_controller.lab.registry import Registry
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.pods import Volume, VolumeMount
from polyfleet_shared.probes import ExecAction, HttpGetAction, Probe, TcpSocketAction
from polyfleet_shared.reasons import Reason
from polyfleet_shared.secrets import (
    EnvFromSource,
    EnvVarSource,
    SecretEnvSource,
    SecretFile,
    SecretKeySelector,
    SecretVolume,
)
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload, EnvironmentVariable
from waiting import wait_until

NOWHERE = "sha256:" + "0" * 64


@pytest.fixture(scope="module")
def podman_world(registry: Registry, images: ImageShelf) -> Iterator[PodmanWorld]:
    with Workspace() as workspace:
        device = workspace.create_device(DEVICE, registry=registry.address, ports=(registry.port,))
        yield PodmanWorld(device, registry, images)


@pytest.fixture(params=["memory", "podman"])
def world(request: pytest.FixtureRequest) -> Iterator[RuntimeWorld]:
    if request.param == "memory":
        yield FakeWorld()
    else:
        podman_world: PodmanWorld = request.getfixturevalue("podman_world")
        with podman_world.lent() as lent:
            yield lent


def workload(
    image: PinnedImage, *, uid: str = "0123456789abcdef", port: int | None = None
) -> DesiredWorkload:
    """A workload of one container, published on a port of the device or not."""
    ports = () if port is None else (ContainerPort(container_port=8080, host_port=port),)
    return DesiredWorkload(
        uid=uid,
        namespace="default",
        name="hello",
        release="release-1",
        revision=1,
        containers=(ContainerSpec(name="main", image=image, ports=ports),),
    )


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def bring_up(world: RuntimeWorld, wanted: DesiredWorkload) -> str:
    """Pull, create and start its container; give the ID."""
    (container,) = wanted.containers
    world.runtime.pull(container.image, ignore)
    container_id = world.runtime.create(wanted, container)
    world.runtime.start(container_id)
    return container_id


def only(world: RuntimeWorld) -> ObservedContainer:
    (container,) = world.runtime.list_containers()
    return container


def wait_for(world: RuntimeWorld, status: ContainerStatus) -> ObservedContainer:
    """Wait until the only container is in this state."""
    wait_until(lambda: only(world).status is status, describe=lambda: str(only(world)))
    return only(world)


def refusal(act: Callable[[], object]) -> Reason:
    """The reason for which something is refused; the message is never empty."""
    with pytest.raises(RuntimeFailure) as caught:
        act()
    assert caught.value.message
    return caught.value.reason


# -- images


def test_an_image_is_there_once_it_was_pulled(world: RuntimeWorld) -> None:
    told: list[PullProgress] = []
    assert not world.runtime.has_image(world.serving)
    result = world.runtime.pull(world.serving, told.append)
    assert result == PullResult(size=world.serving.size)
    assert world.runtime.has_image(world.serving)
    assert told == sorted(told, key=lambda progress: progress.done)
    assert told[-1] == PullProgress(done=world.serving.size, total=world.serving.size)


def test_a_pull_of_what_is_there_moves_nothing(world: RuntimeWorld) -> None:
    world.runtime.pull(world.serving, ignore)
    assert world.runtime.pull(world.serving, ignore) == PullResult(size=0)


def test_a_child_that_the_registry_lacks_is_not_found(world: RuntimeWorld) -> None:
    missing = replace(world.serving, child=NOWHERE)
    assert refusal(lambda: world.runtime.pull(missing, ignore)) is Reason.IMAGE_NOT_FOUND
    assert not world.runtime.has_image(missing)


def test_a_registry_that_is_away_is_unreachable_and_heals(world: RuntimeWorld) -> None:
    world.unplug_registry()
    try:
        reason = refusal(lambda: world.runtime.pull(world.serving, ignore))
    finally:
        world.plug_registry()
    assert reason is Reason.REGISTRY_UNREACHABLE
    world.runtime.pull(world.serving, ignore)
    assert world.runtime.has_image(world.serving)


def test_a_child_with_another_config_is_not_what_the_release_names(world: RuntimeWorld) -> None:
    wrong = replace(world.serving, config=NOWHERE)
    assert refusal(lambda: world.runtime.pull(wrong, ignore)) is Reason.DIGEST_MISMATCH
    assert not world.runtime.has_image(wrong)


def test_the_same_config_under_another_child_is_not_the_image(world: RuntimeWorld) -> None:
    world.runtime.pull(world.serving, ignore)
    assert not world.runtime.has_image(replace(world.serving, child=NOWHERE))


# -- containers


def test_a_created_container_carries_what_it_is(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    (container,) = wanted.containers
    world.runtime.pull(world.serving, ignore)
    assert world.runtime.list_containers() == ()
    container_id = world.runtime.create(wanted, container)
    assert only(world) == ObservedContainer(
        container_id=container_id,
        uid=wanted.uid,
        release="release-1",
        container="main",
        spec_hash=wanted.spec_hash,
        status=ContainerStatus.CREATED,
        image_id=world.serving.config,
        repository_digests=(world.serving.child,),
    )
    assert only(world).proves(world.serving)


def test_a_started_container_runs_and_stays_as_it_is_when_started_again(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.serving))
    running = wait_for(world, ContainerStatus.RUNNING)
    assert (running.container_id, running.exit_code) == (container_id, None)
    assert running.started_at
    world.runtime.start(container_id)
    assert only(world) == running


def test_a_stopped_container_has_ended_and_stays_so(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.serving))
    world.runtime.stop(container_id, grace=5)
    stopped = wait_for(world, ContainerStatus.EXITED)
    assert stopped.exit_code is not None
    world.runtime.stop(container_id, grace=5)
    assert only(world) == stopped


def test_a_container_that_never_ran_is_still_created_after_a_stop(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    world.runtime.pull(world.serving, ignore)
    container_id = world.runtime.create(wanted, wanted.containers[0])
    world.runtime.stop(container_id, grace=5)
    assert only(world).status is ContainerStatus.CREATED


def test_a_removed_container_is_gone_whether_it_ran_or_not(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.serving))
    world.runtime.remove(container_id)
    assert world.runtime.list_containers() == ()
    world.runtime.remove(container_id)
    world.runtime.stop(container_id, grace=1)
    assert refusal(lambda: world.runtime.start(container_id)) is Reason.START_FAILED


def test_a_program_that_ends_leaves_its_exit_code(world: RuntimeWorld) -> None:
    bring_up(world, workload(world.ending))
    ended = wait_for(world, ContainerStatus.EXITED)
    assert (ended.exit_code, ended.oom_killed, ended.missing) == (EXIT_CODE, False, None)


def test_a_program_that_ends_in_failure_leaves_the_end_of_its_log(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.ending))
    told = f"{world.ending.platform} version 1\n".encode()
    assert wait_for(world, ContainerStatus.EXITED).output == told
    world.runtime.start(container_id)
    assert wait_for(world, ContainerStatus.EXITED).output == told


def test_what_runs_has_no_last_words(world: RuntimeWorld) -> None:
    bring_up(world, workload(world.serving))
    assert wait_for(world, ContainerStatus.RUNNING).output is None


def create_of(world: RuntimeWorld, image: PinnedImage) -> str:
    wanted = workload(image)
    world.runtime.pull(image, ignore)
    return world.runtime.create(wanted, wanted.containers[0])


def test_an_examination_tells_the_truth_from_a_lie_before_anything_starts(world: RuntimeWorld) -> None:
    honest = world.runtime.examine(create_of(world, world.serving))
    assert ([program.path for program in honest.programs], honest.missing) == (["/server"], None)
    assert find_lie(honest, world.serving.platform) is None
    world.runtime.remove(only(world).container_id)
    lying = world.runtime.examine(create_of(world, world.lying))
    assert (find_lie(lying, world.lying.platform) or "").startswith("/server is built for linux/")
    assert only(world).status is ContainerStatus.CREATED


def test_a_program_that_is_not_there_is_left_out_of_an_examination(world: RuntimeWorld) -> None:
    (container,) = workload(world.serving).containers
    wanted = replace(workload(world.serving), containers=(replace(container, command=("/missing",)),))
    world.runtime.pull(world.serving, ignore)
    container_id = world.runtime.create(wanted, wanted.containers[0])
    assert world.runtime.examine(container_id) == Examination()


def test_a_container_that_is_gone_cannot_be_examined(world: RuntimeWorld) -> None:
    container_id = create_of(world, world.serving)
    world.runtime.remove(container_id)
    assert refusal(lambda: world.runtime.examine(container_id)) is Reason.START_FAILED


def test_a_program_whose_loader_the_image_lacks_ends_with_its_name(world: RuntimeWorld) -> None:
    bring_up(world, workload(world.incomplete))
    ended = wait_for(world, ContainerStatus.EXITED)
    assert ended.exit_code != 0
    assert ended.missing is not None
    assert (ended.missing.needed_by, ended.missing.is_loader) == ("/server", True)
    assert ended.missing.path.startswith("/lib")


def test_two_ends_of_one_container_can_be_told_apart_however_close(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.ending))
    seen = []
    for _ in range(4):
        seen.append(wait_for(world, ContainerStatus.EXITED).started_at)
        world.runtime.start(container_id)
    assert len(set(seen)) == len(seen)


def test_a_container_of_an_image_that_is_gone_cannot_be_created(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    assert refusal(lambda: world.runtime.create(wanted, wanted.containers[0])) is Reason.IMAGE_NOT_FOUND


def test_a_port_that_is_taken_is_a_conflict_that_ends_with_its_cause(world: RuntimeWorld) -> None:
    first = bring_up(world, workload(world.serving, port=18080))
    second = workload(world.serving, uid="another", port=18080)
    container_id = world.runtime.create(second, second.containers[0])
    assert refusal(lambda: world.runtime.start(container_id)) is Reason.PORT_CONFLICT
    world.runtime.remove(first)
    world.runtime.start(container_id)
    wait_for(world, ContainerStatus.RUNNING)


# -- pods


def pod(image: PinnedImage, *, uid: str = "0123456789abcdef", port: int | None = None) -> DesiredWorkload:
    """A workload of two containers and an init container; the second listens elsewhere."""
    alone = workload(image, uid=uid, port=port)
    (main,) = alone.containers
    side = replace(main, name="side", ports=(), env=(EnvironmentVariable(name="PORT", value="9090"),))
    return replace(alone, init_containers=(replace(side, name="first"),), containers=(main, side))


def bring_up_pod(world: RuntimeWorld, wanted: DesiredWorkload) -> dict[str, str]:
    """Pull, create and start its containers; give their IDs by name."""
    made: dict[str, str] = {}
    for container in wanted.containers:
        world.runtime.pull(container.image, ignore)
        made[container.name] = world.runtime.create(wanted, container)
        world.runtime.start(made[container.name])
    return made


def by_kind(world: RuntimeWorld) -> dict[tuple[ContainerKind, str], ContainerStatus]:
    return {(item.kind, item.container): item.status for item in world.runtime.list_containers()}


def infra_of(world: RuntimeWorld) -> ObservedContainer:
    (infra,) = (item for item in world.runtime.list_containers() if item.kind is ContainerKind.INFRA)
    return infra


def test_the_first_container_of_a_pod_brings_the_pod_into_being(world: RuntimeWorld) -> None:
    wanted = pod(world.serving)
    world.runtime.pull(world.serving, ignore)
    world.runtime.create(wanted, wanted.init_containers[0])
    world.runtime.create(wanted, wanted.containers[0])
    created = ContainerStatus.CREATED
    assert by_kind(world) == {
        (ContainerKind.INFRA, ""): created,
        (ContainerKind.INIT, "first"): created,
        (ContainerKind.MAIN, "main"): created,
    }
    infra = infra_of(world)
    assert (infra.uid, infra.spec_hash) == (wanted.uid, wanted.spec_hash)


def test_a_pod_runs_with_its_first_container_and_until_it_is_stopped(world: RuntimeWorld) -> None:
    made = bring_up_pod(world, pod(world.serving))
    running, exited = ContainerStatus.RUNNING, ContainerStatus.EXITED
    assert set(by_kind(world).values()) == {running}
    world.runtime.stop(made["main"], grace=5)
    world.runtime.stop(made["side"], grace=5)
    wait_until(
        lambda: (
            by_kind(world)
            == {
                (ContainerKind.INFRA, ""): running,
                (ContainerKind.MAIN, "main"): exited,
                (ContainerKind.MAIN, "side"): exited,
            }
        ),
        describe=lambda: str(by_kind(world)),
    )
    world.runtime.stop(infra_of(world).container_id, grace=5)
    wait_until(lambda: infra_of(world).status is exited, describe=lambda: str(infra_of(world)))
    world.runtime.start(made["side"])
    assert infra_of(world).status is running


def test_a_pods_infra_container_is_removed_with_the_pod(world: RuntimeWorld) -> None:
    made = bring_up_pod(world, pod(world.serving))
    for container_id in made.values():
        world.runtime.remove(container_id)
    infra = infra_of(world)
    assert by_kind(world) == {(ContainerKind.INFRA, ""): ContainerStatus.RUNNING}
    world.runtime.remove(infra.container_id)
    assert world.runtime.list_containers() == ()
    world.runtime.remove(infra.container_id)


def test_a_pods_port_that_is_taken_is_a_conflict(world: RuntimeWorld) -> None:
    first = bring_up(world, workload(world.serving, uid="another", port=18080))
    wanted = pod(world.serving, port=18080)
    container_id = world.runtime.create(wanted, wanted.containers[0])
    assert refusal(lambda: world.runtime.start(container_id)) is Reason.PORT_CONFLICT
    world.runtime.remove(first)
    world.runtime.start(container_id)


# -- ours and others'


def test_a_container_with_our_name_that_we_did_not_make_is_never_taken(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    (container,) = wanted.containers
    world.runtime.pull(world.serving, ignore)
    world.add_foreign_container(f"polyfleet-hello-01234567-{wanted.spec_hash}")
    assert refusal(lambda: world.runtime.create(wanted, container)) is Reason.NAME_CONFLICT
    assert world.runtime.list_containers() == ()
    assert world.foreign_containers() == 1


def test_a_container_of_ours_that_was_left_half_made_is_made_again(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    world.runtime.pull(world.serving, ignore)
    first = world.runtime.create(wanted, wanted.containers[0])
    second = world.runtime.create(wanted, wanted.containers[0])
    assert only(world).container_id == second != first


def test_another_device_on_the_same_machine_sees_none_of_ours(world: RuntimeWorld) -> None:
    bring_up(world, workload(world.serving))
    other = world.runtime_of("dev-2")
    assert other.list_containers() == ()
    assert other.has_image(world.serving)


# -- watching


class Watch:
    """A watch that runs in a thread, as in the agent."""

    def __init__(self, world: RuntimeWorld) -> None:
        self.hints: queue.SimpleQueue[RuntimeFailure | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(world,))
        self._thread.start()

    def _run(self, world: RuntimeWorld) -> None:
        try:
            for _ in world.runtime.watch(self._stop.is_set):
                self.hints.put(None)
        except RuntimeFailure as failure:
            self.hints.put(failure)

    def await_hint(self) -> None:
        assert self.hints.get(timeout=20) is None

    def await_failure(self) -> Reason:
        while (item := self.hints.get(timeout=20)) is None:
            pass
        return item.reason

    def end(self) -> None:
        self._stop.set()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


def test_a_watch_tells_when_it_stands_and_when_something_happened(world: RuntimeWorld) -> None:
    watch = Watch(world)
    try:
        watch.await_hint()
        bring_up(world, workload(world.ending))
        watch.await_hint()
        wait_for(world, ContainerStatus.EXITED)
    finally:
        watch.end()


def test_a_watch_breaks_when_podman_goes_away(world: RuntimeWorld) -> None:
    watch = Watch(world)
    try:
        watch.await_hint()
        world.stop_podman()
        try:
            assert watch.await_failure() is Reason.PODMAN_UNAVAILABLE
        finally:
            world.start_podman()
    finally:
        watch.end()


# -- the runtime itself


def test_without_podman_every_call_says_so_and_works_again_afterwards(world: RuntimeWorld) -> None:
    wanted = workload(world.serving)
    container_id = bring_up(world, wanted)
    runtime = world.runtime
    world.stop_podman()
    try:
        reasons = [
            refusal(act)
            for act in (
                runtime.list_containers,
                runtime.version,
                lambda: runtime.has_image(world.serving),
                lambda: runtime.pull(world.serving, ignore),
                lambda: runtime.create(wanted, wanted.containers[0]),
                lambda: runtime.examine(container_id),
                lambda: runtime.start(container_id),
                lambda: runtime.stop(container_id, grace=1),
                lambda: runtime.remove(container_id),
                lambda: next(runtime.watch(lambda: False)),
            )
        ]
    finally:
        world.start_podman()
    assert set(reasons) == {Reason.PODMAN_UNAVAILABLE}
    assert wait_for(world, ContainerStatus.RUNNING).container_id == container_id
    assert runtime.version()


def test_several_threads_use_it_at_once(world: RuntimeWorld) -> None:
    world.runtime.pull(world.serving, ignore)
    created: queue.SimpleQueue[str] = queue.SimpleQueue()

    def create(uid: str) -> None:
        wanted = workload(world.serving, uid=uid)
        created.put(world.runtime.create(wanted, wanted.containers[0]))
        world.runtime.list_containers()

    threads = [threading.Thread(target=create, args=(f"uid-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    ids = {created.get(timeout=60) for _ in threads}
    for thread in threads:
        thread.join(timeout=60)
    assert {container.container_id for container in world.runtime.list_containers()} == ids
    assert {container.uid for container in world.runtime.list_containers()} == {
        f"uid-{number}" for number in range(6)
    }


# -- probes

WELL = Probe(http_get=HttpGetAction(path="/well", port=8080), timeout_seconds=20)
SICK = replace(WELL, http_get=HttpGetAction(path="/sick", port=8080))
LISTENING = Probe(tcp_socket=TcpSocketAction(port=8080), timeout_seconds=20)
DEAF = replace(LISTENING, tcp_socket=TcpSocketAction(port=8081))
CHECKS_WELL = Probe(exec=ExecAction(command=("/server", "check", "well")), timeout_seconds=20)
CHECKS_SICK = replace(CHECKS_WELL, exec=ExecAction(command=("/server", "check", "sick")))


def probed(world: RuntimeWorld) -> str:
    """Bring up what answers probes; give its ID."""
    plain = workload(world.probed)
    (container,) = plain.containers
    sick = EnvironmentVariable(name="sick", value="503")
    container_id = bring_up(world, replace(plain, containers=(replace(container, env=(sick,)),)))
    wait_until(lambda: bool(world.runtime.probe(container_id, LISTENING).succeeded))
    return container_id


@pytest.mark.parametrize("probe", [WELL, LISTENING, CHECKS_WELL], ids=["httpGet", "tcpSocket", "exec"])
def test_a_probe_that_gets_a_good_answer_succeeds(world: RuntimeWorld, probe: Probe) -> None:
    assert world.runtime.probe(probed(world), probe) == Answer(succeeded=True)


@pytest.mark.parametrize(
    ("probe", "words"),
    [(SICK, "/sick: answered 503"), (DEAF, "8081: "), (CHECKS_SICK, "/server: exit code 1: sick is 503")],
    ids=["httpGet", "tcpSocket", "exec"],
)
def test_a_probe_that_gets_a_bad_answer_fails_and_says_which(
    world: RuntimeWorld, probe: Probe, words: str
) -> None:
    answer = world.runtime.probe(probed(world), probe)
    assert answer.succeeded is False
    assert words in answer.message


@pytest.mark.parametrize("probe", [LISTENING, CHECKS_WELL], ids=["tcpSocket", "exec"])
def test_a_container_that_is_gone_cannot_be_asked(world: RuntimeWorld, probe: Probe) -> None:
    container_id = bring_up(world, workload(world.probed))
    world.runtime.remove(container_id)
    assert refusal(lambda: world.runtime.probe(container_id, probe))


def test_without_podman_no_command_can_be_asked_for(world: RuntimeWorld) -> None:
    container_id = bring_up(world, workload(world.probed))
    world.stop_podman()
    try:
        reason = refusal(lambda: world.runtime.probe(container_id, CHECKS_WELL))
    finally:
        world.start_podman()
    assert reason is Reason.PODMAN_UNAVAILABLE


# -- secrets


def secretive(image: PinnedImage, *, optional: bool = False) -> DesiredWorkload:
    """A workload that wants a secret as a variable, all of another, and the first as a file."""
    container = ContainerSpec(
        name="main",
        image=image,
        env=(
            EnvironmentVariable(
                name="PASSWORD",
                value_from=EnvVarSource(
                    secret_key_ref=SecretKeySelector(name="db", key="password", optional=optional)
                ),
            ),
        ),
        env_from=(EnvFromSource(secret_ref=SecretEnvSource(name="more", optional=optional)),),
        volume_mounts=(VolumeMount(name="files", mount_path="/run/db"),),
    )
    items = (SecretFile(key="password", path="file"),)
    secret = SecretVolume(secret_name="db", items=items, optional=optional)  # noqa: S106 - a name
    volume = Volume(name="files", secret=secret)
    return replace(workload(image), containers=(container,), volumes=(volume,))


def test_a_container_is_not_made_before_its_secrets_are_there(world: RuntimeWorld) -> None:
    wanted = secretive(world.serving)
    (container,) = wanted.containers
    world.runtime.pull(world.serving, ignore)
    lacking: list[str] = []
    for name in ("default.db_password", "default.more_A"):
        with pytest.raises(RuntimeFailure) as caught:
            world.runtime.create(wanted, container)
        assert caught.value.reason is Reason.SECRET_MISSING
        lacking.append(caught.value.message)
        world.add_secret(name, "swordfish")
    assert lacking == [
        (
            "Podman on this device lacks 2 secrets: podman secret create default.more_KEY FILE; "
            "podman secret create default.db_password FILE"
        ),
        "Podman on this device lacks a secret: podman secret create default.more_KEY FILE",
    ]
    assert world.runtime.list_containers() == ()
    world.runtime.start(world.runtime.create(wanted, container))
    assert only(world).status is ContainerStatus.RUNNING


def test_what_is_optional_is_left_out(world: RuntimeWorld) -> None:
    bring_up(world, secretive(world.serving, optional=True))
    assert only(world).status is ContainerStatus.RUNNING
