"""What only a real Podman does for a pod: one network, volumes, and as whom its containers run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.lab import ImageShelf
from fixtures.pinning import pin
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_controller.lab.binfmt import native_platform
from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import ImageRecipe
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.pods import (
    Capabilities,
    ConfigFile,
    ConfigMapVolume,
    EmptyDirVolume,
    HostPathType,
    HostPathVolume,
    Medium,
    SecurityContext,
    Volume,
    VolumeMount,
)
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload, ResourceLimits
from waiting import wait_until

RECIPE = ImageRecipe(platforms=(native_platform(),), program="podmate")
GREETING = "good morning\n"
NOBODY = SecurityContext(run_as_user=1000, run_as_group=1000, read_only_root_filesystem=True)

SHARED = Volume(name="shared", empty_dir=EmptyDirVolume())
CONFIG = Volume(
    name="config",
    config_map=ConfigMapVolume(items=(ConfigFile(key="greeting", text=GREETING, mode=0o444),)),
)
AT_SHARED = VolumeMount(name="shared", mount_path="/shared")
AT_CONFIG = VolumeMount(name="config", mount_path="/config")


@pytest.fixture(scope="session")
def podmate(images: ImageShelf) -> PinnedImage:
    return pin(RECIPE, images.push(RECIPE, name="podmate"))


@pytest.fixture
def runtime(device: Device, podmate: PinnedImage) -> PodmanRuntime:
    runtime = PodmanRuntime(f"unix://{device.podman.store.socket}", "dev-1")
    runtime.pull(podmate, ignore)
    return runtime


def ignore(_: PullProgress) -> None:
    """For pulls whose progress does not matter."""


def workload(*containers: ContainerSpec, **rest: Any) -> DesiredWorkload:  # noqa: ANN401 - any of its fields
    return DesiredWorkload(
        uid="uid-1",
        namespace="default",
        name="greeter",
        release="release-1",
        revision=1,
        termination_grace_seconds=1,
        containers=containers,
        **rest,
    )


def start(runtime: PodmanRuntime, wanted: DesiredWorkload, container: ContainerSpec) -> str:
    """Create, fill and start it, as the executor does."""
    container_id = runtime.create(wanted, container)
    runtime.fill(container_id, wanted, container)
    runtime.start(container_id)
    return container_id


def status_of(runtime: PodmanRuntime, container_id: str) -> tuple[ContainerStatus, int | None]:
    found = (item for item in runtime.list_containers() if item.container_id == container_id)
    return next((item.status, item.exit_code) for item in found)


def answer(device: Device, port: int) -> str:
    try:
        return device.get(port).decode()
    except LabError as error:
        return str(error)


def wait_for_answer(device: Device, port: int, text: str) -> None:
    wait_until(lambda: answer(device, port) == text, describe=lambda: answer(device, port))


def volumes_of(device: Device) -> list[str]:
    return device.podman.run("volume", "ls", "--quiet").split()


def inspect(device: Device, container_id: str) -> dict[str, Any]:
    (document,) = json.loads(device.podman.run("inspect", container_id))
    assert isinstance(document, dict)
    return document


def failure_of(act: Callable[[], object]) -> RuntimeFailure:
    with pytest.raises(RuntimeFailure) as caught:
        act()
    return caught.value


def greeter(podmate: PinnedImage) -> DesiredWorkload:
    """An init container writes from a configMap what one serves, and another relays on a published port."""
    limits = ResourceLimits(memory=64 << 20, cpu=500)
    common = ContainerSpec(name="any", image=podmate, security_context=NOBODY, limits=limits)
    return workload(
        replace(common, name="main", args=("serve", "8080", "/shared/greeting"), volume_mounts=(AT_SHARED,)),
        replace(
            common,
            name="side",
            args=("relay", "9090", "8080"),
            ports=(ContainerPort(container_port=9090, host_port=18090),),
        ),
        init_containers=(
            replace(
                common,
                name="first",
                args=("copy", "/config/greeting", "/shared/greeting"),
                volume_mounts=(AT_CONFIG, AT_SHARED),
            ),
        ),
        volumes=(SHARED, CONFIG),
    )


@pytest.fixture
def made(runtime: PodmanRuntime, podmate: PinnedImage) -> dict[str, str]:
    """The greeter's containers, all started, by name."""
    wanted = greeter(podmate)
    first = start(runtime, wanted, wanted.init_containers[0])
    done = (ContainerStatus.EXITED, 0)
    wait_until(lambda: status_of(runtime, first) == done, describe=lambda: str(runtime.list_containers()))
    return {"first": first} | {item.name: start(runtime, wanted, item) for item in wanted.containers}


def test_the_containers_of_a_pod_share_their_files_and_their_network(
    device: Device, made: dict[str, str]
) -> None:
    wait_for_answer(device, 18090, GREETING)
    limits = inspect(device, made["side"])["HostConfig"]
    assert (limits["Memory"], limits["CpuQuota"]) == (64 << 20, 50_000)


def test_a_pod_on_the_hosts_network_answers_where_its_containers_listen(
    device: Device, runtime: PodmanRuntime, podmate: PinnedImage
) -> None:
    main, side = (
        ContainerSpec(name=name, image=podmate, args=args)
        for name, args in (("main", ("serve", "18091", "/version")), ("side", ("relay", "18092", "18091")))
    )
    wanted = workload(main, side, host_network=True)
    for container in wanted.containers:
        start(runtime, wanted, container)
    wait_for_answer(device, 18092, "1\n")


def test_a_group_alone_changes_only_the_group(
    device: Device, runtime: PodmanRuntime, podmate: PinnedImage
) -> None:
    group = SecurityContext(run_as_group=1000)
    main = ContainerSpec(
        name="main", image=podmate, args=("serve", "8080", "/version"), security_context=group
    )
    container_id = start(runtime, workload(main), main)
    process = Path(f"/proc/{inspect(device, container_id)['State']['Pid']}")
    assert (process.stat().st_uid, process.stat().st_gid) == (0, 1000)


def test_a_container_that_ends_leaves_the_pods_network_and_files_as_they_are(
    device: Device, runtime: PodmanRuntime, made: dict[str, str]
) -> None:
    wait_for_answer(device, 18090, GREETING)
    before = inspect(device, made["side"])["State"]["Pid"]
    device.podman.run("kill", "--signal=KILL", made["main"])
    killed = (ContainerStatus.EXITED, 137)
    wait_until(lambda: status_of(runtime, made["main"]) == killed)
    runtime.start(made["main"])
    wait_for_answer(device, 18090, GREETING)
    assert inspect(device, made["side"])["State"]["Pid"] == before


def test_a_pod_goes_with_all_of_its_volumes(
    device: Device, runtime: PodmanRuntime, made: dict[str, str]
) -> None:
    assert len(volumes_of(device)) == 2
    for container_id in made.values():
        runtime.remove(container_id)
    assert len(volumes_of(device)) == 1
    (infra,) = runtime.list_containers()
    assert infra.kind is ContainerKind.INFRA
    runtime.remove(infra.container_id)
    assert (runtime.list_containers(), volumes_of(device), device.podman.run("pod", "ls", "--quiet")) == (
        (),
        [],
        "",
    )


def test_a_container_alone_has_volumes_that_go_with_it(
    device: Device, runtime: PodmanRuntime, podmate: PinnedImage
) -> None:
    main = ContainerSpec(
        name="main",
        image=podmate,
        args=("serve", "8080", "/config/greeting"),
        ports=(ContainerPort(container_port=8080, host_port=18080),),
        volume_mounts=(AT_CONFIG, AT_SHARED),
        security_context=NOBODY,
    )
    container_id = start(runtime, workload(main, volumes=(SHARED, CONFIG)), main)
    wait_for_answer(device, 18080, GREETING)
    places = {item["Destination"]: item for item in inspect(device, container_id)["Mounts"]}
    assert {place: (item["RW"], item["Type"]) for place, item in places.items()} == {
        "/config": (False, "volume"),
        "/shared": (True, "volume"),
    }
    modes = {place: Path(item["Source"]).stat().st_mode & 0o777 for place, item in places.items()}
    assert modes["/shared"] == 0o777
    assert (Path(places["/config"]["Source"]) / "greeting").stat().st_mode & 0o777 == 0o444
    runtime.remove(container_id)
    assert volumes_of(device) == []


def test_a_path_of_the_device_is_what_the_workload_asks_for_or_refused(
    device: Device, runtime: PodmanRuntime, podmate: PinnedImage, tmp_path: Path
) -> None:
    (tmp_path / "greeting").write_text(GREETING, encoding="utf-8")
    main = ContainerSpec(
        name="main",
        image=podmate,
        args=("serve", "8080", "/host/greeting"),
        ports=(ContainerPort(container_port=8080, host_port=18080),),
        volume_mounts=(VolumeMount(name="host", mount_path="/host", read_only=True),),
    )

    def wanted(path: Path, kind: HostPathType | None) -> DesiredWorkload:
        host = HostPathVolume(path=str(path), type=kind)
        return workload(main, volumes=(Volume(name="host", host_path=host),))

    missing = failure_of(lambda: runtime.create(wanted(tmp_path / "absent", None), main))
    assert (missing.reason, missing.message) == (
        Reason.START_FAILED,
        f"hostPath {tmp_path / 'absent'} is not on this device; make it there",
    )
    wrong = failure_of(lambda: runtime.create(wanted(tmp_path, HostPathType.FILE), main))
    assert wrong.message == f"hostPath {tmp_path} is on this device, but is no File"
    container_id = start(runtime, wanted(tmp_path, HostPathType.DIRECTORY), main)
    wait_for_answer(device, 18080, GREETING)
    (mount,) = inspect(device, container_id)["Mounts"]
    assert (mount["Type"], mount["RW"]) == ("bind", False)


def test_a_container_runs_as_whom_and_with_what_its_security_context_says(
    device: Device, runtime: PodmanRuntime, podmate: PinnedImage
) -> None:
    main = ContainerSpec(
        name="main",
        image=podmate,
        args=("serve", "8080", "/version"),
        volume_mounts=(VolumeMount(name="fast", mount_path="/fast"),),
        security_context=replace(
            NOBODY,
            allow_privilege_escalation=False,
            capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",)),
        ),
    )
    memory = EmptyDirVolume(medium=Medium.MEMORY, size_limit=1 << 20)
    container_id = start(runtime, workload(main, volumes=(Volume(name="fast", empty_dir=memory),)), main)
    seen = inspect(device, container_id)
    process = Path(f"/proc/{seen['State']['Pid']}")
    status = dict(
        line.split(":\t", 1) for line in (process / "status").read_text(encoding="utf-8").splitlines()
    )
    assert (status["Uid"].split()[0], status["Gid"].split()[0]) == ("1000", "1000")
    assert (status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("1", 1 << 12)
    mounts = [line.split() for line in (process / "mountinfo").read_text(encoding="utf-8").splitlines()]
    by_place = {fields[4]: fields for fields in mounts}
    assert "ro" in by_place["/"][5].split(",")
    assert "size=1024k" in by_place["/fast"][-1]


def test_an_image_whose_user_is_root_does_not_run_where_root_is_forbidden(
    runtime: PodmanRuntime, podmate: PinnedImage
) -> None:
    main = ContainerSpec(name="main", image=podmate, security_context=SecurityContext(run_as_non_root=True))
    failure = failure_of(lambda: runtime.create(workload(main), main))
    assert (failure.reason, failure.message) == (
        Reason.START_FAILED,
        "runAsNonRoot: the image's user is root; set runAsUser",
    )
    assert runtime.list_containers() == ()
