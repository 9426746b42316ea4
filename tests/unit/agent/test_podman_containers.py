"""Containers in Podman's words, both ways."""

import io
import tarfile
from dataclasses import replace
from typing import Any

import pytest

from polyfleet_agent.adapters.podman_containers import (
    describe_container,
    describe_pod,
    read_container,
    read_listed,
    read_repository_digests,
)
from polyfleet_agent.adapters.podman_volumes import fillings, shared_volumes
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.platforms import Platform
from polyfleet_shared.pods import (
    Capabilities,
    ConfigFile,
    ConfigMapVolume,
    EmptyDirVolume,
    HostPathVolume,
    Medium,
    SecurityContext,
    Volume,
    VolumeMount,
)
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    Protocol,
    ResourceLimits,
)

CONFIG, CHILD = "c" * 64, f"sha256:{'d' * 64}"
IMAGE = PinnedImage(
    repository="registry.example/hello",
    index=CHILD,
    child=CHILD,
    config=f"sha256:{CONFIG}",
    platform=Platform.parse("linux/riscv64"),
    size=1,
)


def wanted(container: ContainerSpec, *, host_network: bool = False) -> DesiredWorkload:
    return DesiredWorkload(
        uid="0123456789",
        namespace="default",
        name="web",
        release="r1",
        revision=1,
        termination_grace_seconds=7,
        host_network=host_network,
        containers=(container,),
    )


def describe(container: ContainerSpec, *, host_network: bool = False) -> dict[str, Any]:
    return describe_container("dev-1", wanted(container, host_network=host_network), container)


def test_a_plain_container_is_described_by_its_image_and_labels() -> None:
    container = ContainerSpec(name="main", image=IMAGE)
    spec_hash = wanted(container).spec_hash
    assert describe(container) == {
        "name": f"polyfleet-web-01234567-{spec_hash}",
        "image": CONFIG,
        "labels": {
            "polyfleet.io/device": "dev-1",
            "polyfleet.io/uid": "0123456789",
            "polyfleet.io/release": "r1",
            "polyfleet.io/container": "main",
            "polyfleet.io/spec-hash": spec_hash,
        },
        "env": {},
        "stop_timeout": 7,
        "restart_policy": "no",
        "portmappings": [],
    }


def test_what_the_workload_asks_for_is_described() -> None:
    container = ContainerSpec(
        name="main",
        image=IMAGE,
        command=("/bin/run",),
        args=("--fast",),
        working_dir="/srv",
        env=(EnvironmentVariable(name="A", value="1"), EnvironmentVariable(name="B")),
        ports=(
            ContainerPort(container_port=80, host_port=8080),
            ContainerPort(container_port=53, host_port=53, protocol=Protocol.UDP),
            ContainerPort(container_port=9000),
        ),
        limits=ResourceLimits(memory=1 << 20, cpu=250),
    )
    described = describe(container)
    assert {key: described[key] for key in described.keys() - {"name", "image", "labels"}} == {
        "entrypoint": ["/bin/run"],
        "command": ["--fast"],
        "work_dir": "/srv",
        "env": {"A": "1", "B": ""},
        "portmappings": [
            {"container_port": 80, "host_port": 8080, "protocol": "tcp"},
            {"container_port": 53, "host_port": 53, "protocol": "udp"},
        ],
        "resource_limits": {"memory": {"limit": 1 << 20}, "cpu": {"quota": 25_000, "period": 100_000}},
        "stop_timeout": 7,
        "restart_policy": "no",
    }


def test_on_the_hosts_network_nothing_is_published() -> None:
    container = ContainerSpec(
        name="main", image=IMAGE, ports=(ContainerPort(container_port=80, host_port=80),)
    )
    described = describe(container, host_network=True)
    assert described["netns"] == {"nsmode": "host"}
    assert "portmappings" not in described


def test_the_smallest_share_of_a_core_is_what_the_kernel_takes() -> None:
    described = describe(ContainerSpec(name="main", image=IMAGE, limits=ResourceLimits(cpu=1)))
    assert described["resource_limits"] == {"cpu": {"quota": 1000, "period": 100_000}}


def test_containers_of_a_pod_leave_the_network_to_it() -> None:
    port = ContainerPort(container_port=80, host_port=8080)
    main, side, first = (
        ContainerSpec(name=name, image=IMAGE, ports=()) for name in ("main", "side", "first")
    )
    pod = replace(
        wanted(replace(main, ports=(port,))),
        init_containers=(first,),
        containers=(replace(main, ports=(port,)), side),
    )
    name = f"polyfleet-web-01234567-{pod.spec_hash}"
    labels = {
        "polyfleet.io/device": "dev-1",
        "polyfleet.io/uid": "0123456789",
        "polyfleet.io/release": "r1",
        "polyfleet.io/spec-hash": pod.spec_hash,
    }
    assert describe_pod("dev-1", pod) == {
        "name": name,
        "labels": labels,
        "exit_policy": "continue",
        "portmappings": [{"container_port": 80, "host_port": 8080, "protocol": "tcp"}],
    }
    assert describe_pod("dev-1", replace(pod, host_network=True))["netns"] == {"nsmode": "host"}
    expected = {"image": CONFIG, "env": {}, "stop_timeout": 7, "restart_policy": "no", "pod": name}
    assert describe_container("dev-1", pod, side) == expected | {
        "name": f"{name}-side",
        "labels": labels | {"polyfleet.io/container": "side"},
    }
    assert describe_container("dev-1", pod, first) == expected | {
        "name": f"{name}-first",
        "labels": labels | {"polyfleet.io/container": "first", "polyfleet.io/kind": "init"},
    }


def test_what_a_security_context_says_is_described() -> None:
    context = SecurityContext(
        run_as_user=0,
        run_as_group=5,
        privileged=True,
        read_only_root_filesystem=True,
        capabilities=Capabilities(add=("NET_ADMIN",), drop=("ALL",)),
    )
    plain = ContainerSpec(name="main", image=IMAGE)
    described = describe(replace(plain, security_context=context))
    assert {key: described[key] for key in described.keys() - describe(plain).keys()} == {
        "user": "0:5",
        "privileged": True,
        "read_only_filesystem": True,
        "cap_add": ["NET_ADMIN"],
        "cap_drop": ["ALL"],
    }
    confined = SecurityContext(allow_privilege_escalation=False)
    assert describe(replace(plain, security_context=confined))["no_new_privileges"] is True


VOLUMES = (
    Volume(name="host", host_path=HostPathVolume(path="/srv")),
    Volume(name="data", empty_dir=EmptyDirVolume()),
    Volume(name="fast", empty_dir=EmptyDirVolume(medium=Medium.MEMORY, size_limit=4096)),
    Volume(name="conf", config_map=ConfigMapVolume(items=(ConfigFile(key="a", text="é", mode=0o400),))),
)
PLAIN = ContainerSpec(name="main", image=IMAGE)
MOUNTING = replace(
    PLAIN,
    volume_mounts=tuple(VolumeMount(name=volume.name, mount_path=f"/{volume.name}") for volume in VOLUMES),
)


def test_volumes_of_a_container_alone_go_with_it() -> None:
    alone = replace(wanted(PLAIN), volumes=VOLUMES, containers=(MOUNTING,))
    described = describe_container("dev-1", alone, MOUNTING)
    assert (described["mounts"], described["volumes"]) == (
        [
            {"type": "bind", "source": "/srv", "destination": "/host", "options": ["rbind", "rw"]},
            {
                "type": "tmpfs",
                "source": "tmpfs",
                "destination": "/fast",
                "options": ["rw", "mode=777", "size=4096"],
            },
        ],
        [
            {"Name": "", "IsAnonymous": True, "Dest": "/data", "Options": ["nocopy", "rw"]},
            {"Name": "", "IsAnonymous": True, "Dest": "/conf", "Options": ["nocopy", "ro"]},
        ],
    )
    assert shared_volumes(alone) == ()


def test_a_pod_shares_its_empty_directories_and_the_first_to_mount_one_opens_it() -> None:
    (data,) = (mount for mount in MOUNTING.volume_mounts if mount.name == "data")
    side = ContainerSpec(name="side", image=IMAGE, volume_mounts=(replace(data, read_only=True),))
    pod = replace(wanted(PLAIN), volumes=VOLUMES, containers=(MOUNTING, side))
    name = f"polyfleet-web-01234567-{pod.spec_hash}-data"
    assert [volume.name for volume in shared_volumes(pod)] == ["data"]
    assert describe_container("dev-1", pod, side)["volumes"] == [
        {"Name": name, "Dest": "/data", "Options": ["nocopy", "ro"]}
    ]
    assert [filling.path for filling in fillings(pod, MOUNTING)] == ["/data", "/conf"]
    assert list(fillings(pod, side)) == []


def test_a_volume_begins_with_the_files_of_its_config_map() -> None:
    alone = replace(wanted(PLAIN), volumes=VOLUMES, containers=(MOUNTING,))
    (archive,) = (filling.archive for filling in fillings(alone, MOUNTING) if filling.path == "/conf")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        (entry,) = tar.getmembers()
        content = tar.extractfile(entry)
        assert content is not None
        assert (entry.name, entry.mode, content.read()) == ("a", 0o400, "é".encode())


LABELS = {
    "polyfleet.io/device": "dev-1",
    "polyfleet.io/uid": "u1",
    "polyfleet.io/release": "r1",
    "polyfleet.io/container": "main",
    "polyfleet.io/spec-hash": "0123456789abcdef",
}
LISTED = {"Id": "1" * 64, "ImageID": CONFIG, "Labels": LABELS}
NEVER = "0001-01-01T00:00:00Z"
STARTED = "2026-11-24T21:09:23.008337386Z"


def seen(status: ContainerStatus, **rest: Any) -> ObservedContainer:  # noqa: ANN401 - any of the fields
    return ObservedContainer(
        container_id="1" * 64,
        uid="u1",
        release="r1",
        container="main",
        spec_hash="0123456789abcdef",
        status=status,
        image_id=f"sha256:{CONFIG}",
        **rest,
    )


def inspected(
    status: str, *, started_at: str = STARTED, exit_code: int = 0, oom: bool = False
) -> dict[str, Any]:
    return {"State": {"Status": status, "StartedAt": started_at, "ExitCode": exit_code, "OOMKilled": oom}}


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (LISTED, ContainerKind.MAIN),
        (LISTED | {"IsInfra": True}, ContainerKind.INFRA),
        (LISTED | {"Labels": LABELS | {"polyfleet.io/kind": "init"}}, ContainerKind.INIT),
    ],
)
def test_a_listed_container_says_what_it_is_to_its_workload(
    entry: dict[str, Any], kind: ContainerKind
) -> None:
    assert read_container(entry, inspected("running"), ()).kind is kind


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (inspected("created", started_at=NEVER), seen(ContainerStatus.CREATED)),
        (inspected("initialized", started_at=NEVER), seen(ContainerStatus.CREATED)),
        (inspected("running"), seen(ContainerStatus.RUNNING, started_at=STARTED)),
        (inspected("stopping"), seen(ContainerStatus.RUNNING, started_at=STARTED)),
        (
            inspected("exited", exit_code=3),
            seen(ContainerStatus.EXITED, started_at=STARTED, exit_code=3),
        ),
        (
            inspected("stopped", exit_code=137, oom=True),
            seen(ContainerStatus.EXITED, started_at=STARTED, exit_code=137, oom_killed=True),
        ),
        (inspected("exited", started_at=NEVER), seen(ContainerStatus.CREATED)),
        (inspected("paused"), seen(ContainerStatus.BROKEN, started_at=STARTED)),
        (inspected("removing"), seen(ContainerStatus.BROKEN, started_at=STARTED)),
        (inspected("a state of the future"), seen(ContainerStatus.BROKEN, started_at=STARTED)),
    ],
)
def test_every_state_of_podmans_is_one_of_ours(document: dict[str, Any], expected: ObservedContainer) -> None:
    assert read_container(LISTED, document, ()) == expected


def test_a_container_that_cannot_be_inspected_is_broken() -> None:
    assert read_listed(LISTED) == seen(ContainerStatus.BROKEN)


def test_missing_labels_read_as_nothing() -> None:
    assert read_listed({"Id": "1", "ImageID": CONFIG, "Labels": None}) == ObservedContainer(
        container_id="1",
        uid="",
        release="",
        container="",
        spec_hash="",
        status=ContainerStatus.BROKEN,
        image_id=f"sha256:{CONFIG}",
    )


@pytest.mark.parametrize(
    ("names", "digests"),
    [
        (None, ()),
        ([], ()),
        (["a.example/x@sha256:2", "b.example/x@sha256:1", "b.example/x@sha256:2"], ("sha256:1", "sha256:2")),
        (["a.example/x:latest"], ()),
    ],
)
def test_an_images_digests_are_those_of_all_its_repositories(
    names: list[str] | None, digests: tuple[str, ...]
) -> None:
    assert read_repository_digests({"RepoDigests": names}) == digests
