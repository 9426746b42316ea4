"""What only a real Podman does: the network, the limits, pulls that are slow, stuck or cut off."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.lab import DeviceYard, ImageShelf
from fixtures.pinning import pin
from polyfleet_agent.adapters.podman_pull import PullLimits
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_agent.core.diagnosis import Diagnosis, diagnose
from polyfleet_agent.core.programs import Examination, MissingFile
from polyfleet_agent.ports import PullResult, RuntimeFailure
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe, compile_program
from polyfleet_controller.lab.processes import run
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from polyfleet_shared.secrets import EnvVarSource, SecretKeySelector
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    ResourceLimits,
)
from waiting import wait_until


def recipe(**rest: Any) -> ImageRecipe:  # noqa: ANN401 - any of the recipe's fields
    return ImageRecipe(platforms=(native_platform(),), **rest)


@pytest.fixture(scope="session")
def hello(images: ImageShelf) -> PinnedImage:
    return pin(recipe(), images.push(recipe(), name="native-hello"))


def runtime_on(device: Device, limits: PullLimits | None = None) -> PodmanRuntime:
    return PodmanRuntime(f"unix://{device.podman.store.socket}", "dev-1", limits=limits)


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def workload(container: ContainerSpec, *, host_network: bool = False) -> DesiredWorkload:
    return DesiredWorkload(
        uid="uid-1",
        namespace="default",
        name="hello",
        release="release-1",
        revision=1,
        host_network=host_network,
        containers=(container,),
    )


def bring_up(device: Device, container: ContainerSpec, *, host_network: bool = False) -> str:
    runtime = runtime_on(device)
    runtime.pull(container.image, ignore)
    container_id = runtime.create(workload(container, host_network=host_network), container)
    runtime.start(container_id)
    return container_id


def answers(device: Device, port: int) -> bool:
    try:
        return bool(json.loads(device.get(port))["platform"] == native_platform())
    except LabError:
        return False


def inspect(device: Device, container_id: str) -> dict[str, Any]:
    (document,) = json.loads(device.podman.run("inspect", container_id))
    assert isinstance(document, dict)
    return document


def failure_of(act: Callable[[], object]) -> RuntimeFailure:
    with pytest.raises(RuntimeFailure) as caught:
        act()
    return caught.value


# -- containers


def test_a_published_port_answers_on_the_device(device: Device, hello: PinnedImage) -> None:
    ports = (ContainerPort(container_port=9000, host_port=8081), ContainerPort(container_port=9001))
    env = (EnvironmentVariable(name="PORT", value="9000"),)
    bring_up(device, ContainerSpec(name="main", image=hello, env=env, ports=ports))
    wait_until(lambda: answers(device, 8081))


def test_on_the_hosts_network_the_program_answers_where_it_listens(
    device: Device, hello: PinnedImage
) -> None:
    env = (EnvironmentVariable(name="PORT", value="8082"),)
    bring_up(device, ContainerSpec(name="main", image=hello, env=env), host_network=True)
    wait_until(lambda: answers(device, 8082))


def test_command_args_and_limits_reach_the_container(device: Device, hello: PinnedImage) -> None:
    container = ContainerSpec(
        name="main",
        image=hello,
        command=("/server",),
        args=("one", "two"),
        working_dir="/",
        limits=ResourceLimits(memory=64 << 20, cpu=250),
    )
    document = inspect(device, bring_up(device, container))
    host = document["HostConfig"]
    assert (document["Path"], document["Args"]) == ("/server", ["one", "two"])
    assert (host["Memory"], host["CpuQuota"], host["CpuPeriod"]) == (64 << 20, 25_000, 100_000)
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert document["Config"]["WorkingDir"] == "/"


def test_args_alone_keep_the_images_entrypoint(device: Device, hello: PinnedImage) -> None:
    document = inspect(device, bring_up(device, ContainerSpec(name="main", image=hello, args=("one",))))
    assert (document["Path"], document["Args"]) == ("/server", ["one"])


def test_a_program_that_the_image_lacks_is_not_found(device: Device, hello: PinnedImage) -> None:
    container = ContainerSpec(name="main", image=hello, command=("/missing",))
    failure = failure_of(lambda: bring_up(device, container))
    assert failure.reason is Reason.COMMAND_NOT_FOUND
    assert "/missing" in failure.message


# -- pulls


@pytest.fixture
def slow_device(device: Device) -> Iterator[Device]:
    """A device whose link carries 2 MB a second."""
    run(device.command("ip", "link", "set", "lo", "mtu", "1500"))  # larger packets than the bucket are lost
    run(
        device.command(
            "tc",
            "qdisc",
            "add",
            "dev",
            "lo",
            "root",
            "tbf",
            "rate",
            "16mbit",
            "burst",
            "128kb",
            "latency",
            "1s",
        )
    )
    yield device
    run(device.command("tc", "qdisc", "del", "dev", "lo", "root"))


def test_a_slow_pull_tells_of_bytes_on_the_way(slow_device: Device, images: ImageShelf) -> None:
    large = recipe(version="large", padding=6_000_000)
    image = pin(large, images.push(large, name="large"))
    told: list[PullProgress] = []
    assert runtime_on(slow_device).pull(image, told.append) == PullResult(size=image.size)
    assert [progress.done for progress in told] == sorted({progress.done for progress in told})
    assert any(0 < progress.done < image.size for progress in told)
    assert told[-1] == PullProgress(done=image.size, total=image.size)


def test_only_the_layers_that_were_missing_travel(
    slow_device: Device, images: ImageShelf, hello: PinnedImage
) -> None:
    runtime = runtime_on(slow_device)
    runtime.pull(hello, ignore)
    newer = recipe(version="newer", padding=4_000_000)
    image = pin(newer, images.push(newer, name="native-hello", tag="2"))
    size = runtime.pull(image, ignore).size
    assert 4_000_000 < size < image.size


@pytest.fixture
def silent_registry() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_pull_that_stops_moving_is_given_up(
    devices: DeviceYard, silent_registry: int, hello: PinnedImage
) -> None:
    runtime = runtime_on(devices.create(ports=(silent_registry,)), PullLimits(registry=1))
    stuck = replace(hello, repository=f"127.0.0.1:{silent_registry}/hello")
    failure = failure_of(lambda: runtime.pull(stuck, ignore))
    assert failure.reason is Reason.REGISTRY_UNREACHABLE
    assert failure.message == f"the pull of {stuck.reference} stopped moving for 1 s and was given up"


def test_a_pull_in_progress_delays_nothing_else_and_ends_with_podman(
    devices: DeviceYard, silent_registry: int, hello: PinnedImage
) -> None:
    device = devices.create(ports=(silent_registry,))
    runtime = runtime_on(device)
    stuck = replace(hello, repository=f"127.0.0.1:{silent_registry}/hello")
    failures: queue.SimpleQueue[RuntimeFailure] = queue.SimpleQueue()
    pulling = threading.Thread(target=lambda: failures.put(failure_of(lambda: runtime.pull(stuck, ignore))))
    pulling.start()
    try:
        wait_until(lambda: str(silent_registry) in run(device.command("ss", "-Htn", "state", "established")))
        bring_up(device, ContainerSpec(name="main", image=hello))
        assert [seen.container for seen in runtime.list_containers()] == ["main"]
        assert pulling.is_alive()
        device.podman.kill()
        assert failures.get(timeout=60).reason is Reason.PODMAN_UNAVAILABLE
    finally:
        pulling.join(timeout=60)


def test_a_full_store_says_so(device: Device, images: ImageShelf) -> None:
    large = recipe(version="large", padding=6_000_000)
    image = pin(large, images.push(large, name="large"))
    scratch = str(device.podman.store.scratch)
    run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", scratch])
    try:
        failure = failure_of(lambda: runtime_on(device).pull(image, ignore))
    finally:
        run(["umount", "--lazy", scratch])
    assert failure.reason is Reason.DISK_FULL
    assert "no space left on device" in failure.message


# -- programs that are not what they claim, and ends


FOREIGN = {"linux/amd64": "linux/arm64"}.get(native_platform(), "linux/amd64")


def pull_and_create(device: Device, images: ImageShelf, wanted: ImageRecipe, **container: Any) -> str:  # noqa: ANN401 - the fields of ContainerSpec
    """A container of this image that has not been started."""
    image = pin(wanted, images.push(wanted, name="examined"))
    spec = ContainerSpec(name="main", image=image, **container)
    runtime = runtime_on(device)
    runtime.pull(image, ignore)
    return runtime.create(workload(spec), spec)


def programs(device: Device, container_id: str) -> list[tuple[str, str | None, str | None]]:
    """Path, architecture and script of what a start would run."""
    found = runtime_on(device).examine(container_id).programs
    return [(program.path, program.header.architecture, program.script) for program in found]


def end_of(device: Device, container_id: str) -> ObservedContainer:
    """Start it, and wait until it has ended."""
    runtime = runtime_on(device)
    runtime.start(container_id)

    def has_ended() -> bool:
        (seen,) = runtime.list_containers()
        return seen.status is ContainerStatus.EXITED

    wait_until(has_ended)
    (ended,) = runtime.list_containers()
    return ended


def architecture(platform: str) -> str:
    return Platform.parse(platform).architecture


def test_a_program_is_found_by_its_path_and_read_as_built(device: Device, images: ImageShelf) -> None:
    lying = recipe(lies={native_platform(): FOREIGN})
    container_id = pull_and_create(device, images, lying)
    assert programs(device, container_id) == [("/server", architecture(FOREIGN), None)]


def test_a_script_is_followed_through_links_and_env_to_what_runs_it(
    device: Device, images: ImageShelf
) -> None:
    script = recipe(
        files={"opt/entry": b"#!/usr/bin/env -S tool --fast\n"},
        links={"bin": "usr/bin", "usr/bin/env": "../../server", "usr/bin/tool": "/usr/local/tool-1"}
        | {"usr/local/tool-1": "../../server"},
        entrypoint=["entry"],
    )
    env = (EnvironmentVariable(name="PATH", value="/nowhere:/opt:/bin"),)
    container_id = pull_and_create(device, images, script, env=env)
    native = architecture(native_platform())
    assert programs(device, container_id) == [
        ("/usr/bin/env", native, "/opt/entry"),
        ("/bin/tool", native, "/opt/entry"),
    ]


def test_a_relative_program_is_found_from_the_working_directory(device: Device, images: ImageShelf) -> None:
    nested = recipe(links={"srv/app": "../server"}, entrypoint=["./app"])
    container_id = pull_and_create(device, images, nested, working_dir="/srv")
    assert programs(device, container_id) == [("/srv/./app", architecture(native_platform()), None)]


@pytest.mark.parametrize("command", ["/missing", "missing", "/loop", "/version", "/"])
def test_what_is_no_program_is_no_failure(device: Device, images: ImageShelf, command: str) -> None:
    container_id = pull_and_create(device, images, recipe(links={"loop": "loop"}), command=(command,))
    assert programs(device, container_id) == []


def test_nothing_is_missed_where_a_volume_will_be(device: Device, images: ImageShelf) -> None:
    script = recipe(files={"entry": b"#!/opt/tool\n"}, entrypoint=["/entry"])
    image = pin(script, images.push(script, name="volume"))
    runtime_on(device).pull(image, ignore)
    config = image.config.removeprefix("sha256:")
    found = {
        volume: runtime_on(device).examine(device.podman.run("create", "--volume", volume, config).strip())
        for volume in ("/opt", "/opt/to")
    }
    lost = MissingFile(path="/opt/tool", needed_by="/entry", is_loader=False)
    assert found == {"/opt": Examination(), "/opt/to": Examination(missing=lost)}


def test_an_illegal_instruction_leaves_its_exit_code_and_an_empty_log(
    device: Device, images: ImageShelf
) -> None:
    ended = end_of(device, pull_and_create(device, images, recipe(program="illegal")))
    assert (ended.exit_code, ended.output, ended.missing) == (132, b"", None)
    assert diagnose(ended).reason is Reason.ILLEGAL_INSTRUCTION


def test_a_program_without_its_loader_is_told_from_one_that_is_not_there(
    device: Device, images: ImageShelf
) -> None:
    ended = end_of(device, pull_and_create(device, images, recipe(static=False)))
    assert ended.missing is not None
    assert (ended.missing.needed_by, ended.missing.is_loader) == ("/server", True)
    assert diagnose(ended).reason is Reason.LOADER_MISSING


def test_a_script_without_its_interpreter_says_which(device: Device, images: ImageShelf) -> None:
    script = recipe(files={"entry": b"#!/bin/sh\r\n"}, links={"bin/sh": "../server"}, entrypoint=["/entry"])
    ended = end_of(device, pull_and_create(device, images, script))
    assert ended.missing == MissingFile(path="/bin/sh\r", needed_by="/entry", is_loader=False)
    diagnosis = diagnose(ended)
    assert diagnosis.reason is Reason.COMMAND_NOT_FOUND
    assert diagnosis.evidence == r"/entry needs /bin/sh\r, which the image does not contain"


def test_a_foreign_program_behind_a_script_is_told_by_the_log(device: Device, images: ImageShelf) -> None:
    """Built for a machine that no emulator is registered for."""
    foreign = bytearray(compile_program("illegal", native_platform()))
    foreign[18:20] = (0xBEEF).to_bytes(2, "little")
    script = recipe(
        program="launcher",
        files={"entry": b"#!/server\n/foreign", "foreign": bytes(foreign)},
        entrypoint=["/entry"],
    )
    container_id = pull_and_create(device, images, script)
    assert programs(device, container_id) == [("/server", architecture(native_platform()), "/entry")]
    ended = end_of(device, container_id)
    assert (ended.exit_code, ended.output) == (126, b"/foreign: Exec format error\n")
    assert diagnose(ended).reason is Reason.EXEC_FORMAT


def test_a_foreign_program_that_is_started_all_the_same_is_told_by_the_log(
    device: Device, images: ImageShelf
) -> None:
    foreign = bytearray(compile_program("illegal", native_platform()))
    foreign[18:20] = (0xBEEF).to_bytes(2, "little")
    ended = end_of(
        device,
        pull_and_create(device, images, recipe(files={"foreign": bytes(foreign)}, entrypoint=["/foreign"])),
    )
    assert diagnose(ended) == Diagnosis(
        reason=Reason.EXEC_FORMAT, evidence="log: exec /foreign: exec format error"
    )


def test_the_log_of_an_end_is_of_the_last_start_alone(device: Device, images: ImageShelf) -> None:
    container_id = pull_and_create(device, images, recipe(exit_code=3))
    runtime = runtime_on(device)
    told = f"{native_platform()} version 1\n".encode()
    seen: list[tuple[str, bytes | None]] = []
    for _ in range(3):
        runtime.start(container_id)
        wait_until(lambda: runtime.list_containers()[0].status is ContainerStatus.EXITED)
        (ended,) = runtime.list_containers()
        seen.append((ended.started_at, ended.output))
    assert [output for _, output in seen] == [told] * 3
    assert len(set(seen)) == 3


CRUN = """#!/bin/sh
# Creates nothing, and says what crun says of a program whose loader is missing.
log=
for argument; do
    test "$previous" = --log && log=$argument
    case $argument in --log=*) log=${argument#--log=} ;; esac
    previous=$argument
done
case " $* " in
*" create "*)
    words='exec container process (missing dynamic library?) `/server`: No such file or directory'
    echo "{\\"level\\":\\"error\\",\\"msg\\":\\"$words\\"}" >"$log"
    exit 1 ;;
esac
exec runc "$@"
"""


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (recipe(static=False), (Reason.LOADER_MISSING, "/server needs the loader /lib")),
        (
            recipe(files={"entry": b"#!/bin/sh\n"}, entrypoint=["/entry"]),
            (
                Reason.COMMAND_NOT_FOUND,
                "/entry needs /bin/sh, which the image does not contain; Podman says: ",
            ),
        ),
        (recipe(), (Reason.LOADER_MISSING, "exec container process (missing dynamic library?)")),
    ],
)
def test_a_start_that_fails_for_a_missing_file_says_which(
    device: Device, images: ImageShelf, tmp_path: Path, wanted: ImageRecipe, told: tuple[Reason, str]
) -> None:
    crun = tmp_path / "crun"
    crun.write_text(CRUN, encoding="utf-8")
    crun.chmod(0o755)
    image = pin(wanted, images.push(wanted, name="crun"))
    runtime = runtime_on(device)
    runtime.pull(image, ignore)
    config = image.config.removeprefix("sha256:")
    container_id = device.podman.run("--runtime", str(crun), "create", config).strip()
    failure = failure_of(lambda: runtime.start(container_id))
    assert (failure.reason, failure.message.partition(told[1])[1] or failure.message) == told


def test_a_start_without_a_secret_that_was_there_says_how_it_is_made(
    device: Device, hello: PinnedImage, tmp_path: Path
) -> None:
    reference = SecretKeySelector(name="db", key="password")
    password = EnvironmentVariable(name="PASSWORD", value_from=EnvVarSource(secret_key_ref=reference))
    content = tmp_path / "content"
    content.write_text("swordfish", encoding="utf-8")
    device.podman.run("secret", "create", "default.db_password", str(content))
    container_id = bring_up(device, ContainerSpec(name="main", image=hello, env=(password,)))
    runtime = runtime_on(device)
    runtime.stop(container_id, grace=1)
    device.podman.run("secret", "rm", "default.db_password")
    failure = failure_of(lambda: runtime.start(container_id))
    assert (failure.reason, failure.message) == (
        Reason.SECRET_MISSING,
        "Podman on this device lacks a secret: podman secret create default.db_password FILE",
    )
