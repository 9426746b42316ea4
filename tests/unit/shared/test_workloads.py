"""A container is kept while what shapes its run is the same, and replaced when it is not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.features import find_features
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
from polyfleet_shared.probes import (
    ExecAction,
    HttpGetAction,
    HttpHeader,
    InvalidProbeError,
    Probe,
    TcpSocketAction,
)
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    InvalidWorkloadError,
    ResourceLimits,
    RestartPolicy,
    UpdateMethod,
)

IMAGE: Final = PinnedImage(
    repository="registry.example.com/hello",
    index=f"sha256:{'a' * 64}",
    child=f"sha256:{'b' * 64}",
    config=f"sha256:{'c' * 64}",
    platform=Platform.parse("linux/arm64"),
    size=1000,
)
CONTAINER: Final = ContainerSpec(
    name="hello",
    image=IMAGE,
    command=("/hello",),
    args=("--loud",),
    env=(EnvironmentVariable(name="GREETING", value="hi"),),
    ports=(ContainerPort(container_port=8080, host_port=80),),
    limits=ResourceLimits(memory=64_000_000, cpu=500),
)
READY: Final = Probe(http_get=HttpGetAction(path="/ready", port=8080))
WORKLOAD: Final = DesiredWorkload(
    uid="w-1", namespace="default", name="hello", release="r-1", revision=1, containers=(CONTAINER,)
)


def hash_of(workload: DesiredWorkload) -> str:
    return workload.spec_hash


def with_container(container: ContainerSpec) -> DesiredWorkload:
    return replace(WORKLOAD, containers=(container,))


SAME: Final = {
    "another release": replace(WORKLOAD, release="r-2"),
    "another revision": replace(WORKLOAD, revision=2),
    "a new name of the same workload": replace(WORKLOAD, name="hallo"),
    "an index with more platforms": with_container(
        replace(CONTAINER, image=replace(IMAGE, index=f"sha256:{'d' * 64}"))
    ),
    "a feature required": replace(WORKLOAD, requires=("gpu",)),
    "a longer gate": replace(WORKLOAD, min_ready_seconds=30),
    "another deadline": replace(WORKLOAD, progress_deadline_seconds=60),
    "another method": replace(WORKLOAD, update_method=UpdateMethod.START_FIRST),
    "something to prefetch": replace(WORKLOAD, prefetch=(IMAGE,)),
}

DIFFERENT: Final = {
    "another uid": replace(WORKLOAD, uid="w-2"),
    "another attempt": replace(WORKLOAD, attempt=2),
    "a restart": replace(WORKLOAD, restarted_at=datetime(2024, 1, 1, tzinfo=UTC)),
    "another restart policy": replace(WORKLOAD, restart_policy=RestartPolicy.NEVER),
    "more grace": replace(WORKLOAD, termination_grace_seconds=11),
    "the host's network": replace(WORKLOAD, host_network=True),
    "another child": with_container(replace(CONTAINER, image=replace(IMAGE, child=f"sha256:{'d' * 64}"))),
    "another config": with_container(replace(CONTAINER, image=replace(IMAGE, config=f"sha256:{'d' * 64}"))),
    "another repository": with_container(
        replace(CONTAINER, image=replace(IMAGE, repository="mirror.example.com/hello"))
    ),
    "another container name": with_container(replace(CONTAINER, name="hallo")),
    "another command": with_container(replace(CONTAINER, command=("/hallo",))),
    "the image's own command": with_container(replace(CONTAINER, command=None)),
    "no command at all": with_container(replace(CONTAINER, command=())),
    "another argument": with_container(replace(CONTAINER, args=("--quiet",))),
    "another working directory": with_container(replace(CONTAINER, working_dir="/srv")),
    "another value": with_container(
        replace(CONTAINER, env=(EnvironmentVariable(name="GREETING", value="hello"),))
    ),
    "one variable less": with_container(replace(CONTAINER, env=())),
    "another port": with_container(replace(CONTAINER, ports=(ContainerPort(container_port=8080),))),
    "another limit": with_container(replace(CONTAINER, limits=ResourceLimits(memory=64_000_000))),
    "a probe": with_container(replace(CONTAINER, readiness_probe=READY)),
    "the same probe for another purpose": with_container(replace(CONTAINER, liveness_probe=READY)),
    "a probe that is more patient": with_container(
        replace(CONTAINER, readiness_probe=replace(READY, failure_threshold=4))
    ),
}

SIDECAR: Final = replace(CONTAINER, name="side", ports=())
POD: Final = replace(
    WORKLOAD,
    volumes=(Volume(name="data", empty_dir=EmptyDirVolume()),),
    init_containers=(replace(SIDECAR, name="first"),),
    containers=(CONTAINER, SIDECAR),
)
DIFFERENT_PODS: Final = {
    "the same container alone": replace(POD, init_containers=(), containers=(CONTAINER,)),
    "no init container": replace(POD, init_containers=()),
    "the init container beside the others": replace(
        POD, init_containers=(), containers=(*POD.containers, *POD.init_containers)
    ),
    "another sidecar": replace(POD, containers=(CONTAINER, replace(SIDECAR, args=("--quiet",)))),
    "another order": replace(POD, containers=(SIDECAR, CONTAINER)),
    "another volume": replace(POD, volumes=(Volume(name="log", empty_dir=EmptyDirVolume()),)),
    "a mount": replace(
        POD,
        containers=(
            CONTAINER,
            replace(SIDECAR, volume_mounts=(VolumeMount(name="data", mount_path="/data"),)),
        ),
    ),
    "another user": replace(
        POD, containers=(CONTAINER, replace(SIDECAR, security_context=SecurityContext(run_as_user=1)))
    ),
}


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_shape_the_run_keeps_the_hash(change: str) -> None:
    assert hash_of(SAME[change]) == hash_of(WORKLOAD)


def test_what_shapes_the_run_changes_the_hash() -> None:
    hashes = {change: hash_of(workload) for change, workload in DIFFERENT.items()}
    assert len({hash_of(WORKLOAD), *hashes.values()}) == 1 + len(DIFFERENT), hashes


def test_a_container_is_made_anew_when_anything_changes_in_its_pod() -> None:
    hashes = {change: hash_of(workload) for change, workload in DIFFERENT_PODS.items()}
    assert len({hash_of(POD), *hashes.values()}) == 1 + len(DIFFERENT_PODS), hashes


def test_the_hash_is_the_same_for_every_version_of_polyfleet() -> None:
    """If this fails, the next upgrade of an agent restarts every container that it looks after."""
    assert hash_of(WORKLOAD) == "216a892628b92f7a"


def test_a_restart_has_one_hash_in_every_time_zone() -> None:
    here = replace(WORKLOAD, restarted_at=datetime.fromisoformat("2024-01-01T12:00:00+00:00"))
    there = replace(WORKLOAD, restarted_at=datetime.fromisoformat("2024-01-01T17:30:00+05:30"))
    assert hash_of(here) == hash_of(there)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"uid": "W"}, "no workload uid"),
        ({"namespace": "a/b"}, "no namespace"),
        ({"name": ""}, "no workload name"),
        ({"containers": ()}, "at least one container"),
        ({"containers": (CONTAINER, CONTAINER)}, "same name"),
        ({"init_containers": (CONTAINER,)}, "same name"),
        ({"termination_grace_seconds": -1}, "at least 0"),
        (
            {"init_containers": (replace(CONTAINER, name="first", startup_probe=READY),)},
            "startupProbe: an init container has no probes: that it ended well is its proof",
        ),
        (
            {"containers": (replace(CONTAINER, startup_probe=replace(READY, success_threshold=2)),)},
            "startupProbe.successThreshold: of this probe it is 1, not 2",
        ),
        (
            {"containers": (replace(CONTAINER, liveness_probe=replace(READY, success_threshold=3)),)},
            "livenessProbe.successThreshold: of this probe it is 1, not 3",
        ),
    ],
)
def test_a_workload_that_cannot_be_run_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PolyfleetError, match=message):
        replace(WORKLOAD, **changes)  # type: ignore[arg-type] # the fields vary


def mounting(*mounts: VolumeMount, name: str = "hello") -> ContainerSpec:
    return replace(CONTAINER, name=name, volume_mounts=mounts)


DATA: Final = Volume(name="data", empty_dir=EmptyDirVolume())
MEMORY: Final = Volume(name="data", empty_dir=EmptyDirVolume(medium=Medium.MEMORY))
AT_DATA: Final = VolumeMount(name="data", mount_path="/data")


@pytest.mark.parametrize(
    ("volumes", "containers", "message"),
    [
        ((), (mounting(AT_DATA),), "hello.volumeMounts[0].name: the workload has no volume data"),
        ((DATA, DATA), (CONTAINER,), "volumes[1].name: a volume data is there already"),
        (
            (DATA,),
            (mounting(AT_DATA, replace(AT_DATA, mount_path="/data/")),),
            "hello.volumeMounts[1].mountPath: a volume is mounted at /data already",
        ),
        (
            (MEMORY,),
            (mounting(AT_DATA), mounting(AT_DATA, name="side")),
            "side.volumeMounts[0].name: one container at most mounts a volume in memory",
        ),
        (
            (
                Volume(
                    name="data",
                    config_map=ConfigMapVolume(
                        items=(ConfigFile(key="a", text="é" * 8192), ConfigFile(key="b", text="x"))
                    ),
                ),
            ),
            (CONTAINER,),
            (
                "volumes[0].configMap.items[1].text: with this file a workload's files are 16385 bytes, "
                "above the 16384 that a document takes: put it into the image, or use a hostPath"
            ),
        ),
    ],
)
def test_volumes_and_mounts_that_contradict_each_other_are_refused(
    volumes: tuple[Volume, ...], containers: tuple[ContainerSpec, ...], message: str
) -> None:
    with pytest.raises(InvalidWorkloadError) as caught:
        replace(WORKLOAD, volumes=volumes, containers=containers)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Volume(name="data"), "exactly one of"),
        (lambda: replace(DATA, host_path=HostPathVolume(path="/srv")), "exactly one of"),
        (lambda: HostPathVolume(path="srv"), "absolute"),
        (lambda: HostPathVolume(path="/srv/../etc"), "absolute"),
        (lambda: VolumeMount(name="data", mount_path="/"), "whole root"),
        (lambda: VolumeMount(name="data", mount_path="/a:/b"), "without"),
        (lambda: EmptyDirVolume(size_limit=1), "medium: Memory"),
        (lambda: EmptyDirVolume(medium=Medium.MEMORY, size_limit=0), "above 0"),
        (lambda: ConfigFile(key="..", text=""), "no name for a file"),
        (lambda: ConfigFile(key="a/b", text=""), "no name for a file"),
        (lambda: ConfigFile(key="a", text="", mode=0o1000), "0777"),
        (
            lambda: ConfigMapVolume(items=(ConfigFile(key="a", text=""), ConfigFile(key="a", text="x"))),
            "same key",
        ),
        (lambda: Capabilities(add=("net_admin",)), "no capability"),
        (lambda: SecurityContext(run_as_user=-1), "runAsUser"),
        (lambda: SecurityContext(run_as_user=0, run_as_non_root=True), "is root"),
        (lambda: SecurityContext(privileged=True, allow_privilege_escalation=False), "contradicts"),
    ],
)
def test_a_value_with_which_no_container_can_be_started_is_refused(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(PolyfleetError, match=message):
        make()


def test_only_a_readiness_probe_may_ask_for_several_successes() -> None:
    ready = replace(READY, success_threshold=3)
    workload = with_container(replace(CONTAINER, readiness_probe=ready))
    assert workload.containers[0].readiness_probe == ready


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Probe, "exactly one of exec, httpGet and tcpSocket"),
        (lambda: replace(READY, tcp_socket=TcpSocketAction(port=1)), "exactly one of"),
        (lambda: replace(READY, initial_delay_seconds=-1), "initialDelaySeconds is between 0 and"),
        (lambda: replace(READY, period_seconds=0), "periodSeconds is between 1 and"),
        (lambda: replace(READY, timeout_seconds=0), "timeoutSeconds is between 1 and"),
        (lambda: replace(READY, success_threshold=0), "successThreshold is between 1 and"),
        (lambda: replace(READY, failure_threshold=2**31), "failureThreshold is between 1 and 2147483647"),
        (lambda: ExecAction(command=()), "at least one word"),
        (lambda: HttpGetAction(path="ready", port=80), "begins with '/'"),
        (lambda: HttpGetAction(path="/a b", port=80), "%XX"),
        (lambda: HttpGetAction(path="/a HTTP/1.1\r\nX: y", port=80), "is no path"),
        (lambda: HttpGetAction(port=0), "a port is between 1 and 65535, not 0"),
        (lambda: HttpGetAction(port=80, host="a/b"), "neither a name of a host nor an address"),
        (lambda: TcpSocketAction(port=65536), "a port is between"),
        (lambda: TcpSocketAction(port=1, host=""), "neither a name"),
        (lambda: HttpHeader(name="X Y"), "no name of an HTTP header"),
        (lambda: HttpHeader(name="X", value="a\r\nY: b"), "the value of X is not printable"),
    ],
)
def test_a_probe_that_asks_for_nothing_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidProbeError, match=message):
        make()


@pytest.mark.parametrize(
    ("workload", "features"),
    [
        (WORKLOAD, ()),
        (POD, ("init-containers", "pods", "volumes")),
        (replace(POD, containers=(CONTAINER,)), ("init-containers", "volumes")),
        (
            with_container(replace(CONTAINER, security_context=SecurityContext(privileged=True))),
            ("security-context",),
        ),
        (with_container(replace(CONTAINER, liveness_probe=READY)), ("probes",)),
        (replace(WORKLOAD, min_ready_seconds=1), ("updates",)),
        (replace(WORKLOAD, progress_deadline_seconds=601), ("updates",)),
        (replace(WORKLOAD, update_method=UpdateMethod.START_FIRST), ("updates",)),
        (replace(WORKLOAD, prefetch=(IMAGE,)), ("prefetch",)),
    ],
)
def test_a_workload_requires_what_it_uses(workload: DesiredWorkload, features: tuple[str, ...]) -> None:
    assert find_features(workload) == features


@pytest.mark.parametrize(("ready", "deadline"), [(-1, 600), (600, 600), (0, 0), (11, 10)])
def test_a_gate_that_nothing_can_pass_is_refused(ready: int, deadline: int) -> None:
    with pytest.raises(InvalidWorkloadError, match=f"minReadySeconds .* {ready} and {deadline} are not"):
        replace(WORKLOAD, min_ready_seconds=ready, progress_deadline_seconds=deadline)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_outside_the_range_is_refused(port: int) -> None:
    with pytest.raises(InvalidWorkloadError, match=f"not {port}"):
        ContainerPort(container_port=port)
    with pytest.raises(InvalidWorkloadError, match=f"not {port}"):
        ContainerPort(container_port=80, host_port=port)


@pytest.mark.parametrize("name", ["", "1A", "A=B", "A B", "Ä", "A\n"])
def test_a_name_that_no_environment_holds_is_refused(name: str) -> None:
    with pytest.raises(InvalidWorkloadError, match="environment variable"):
        EnvironmentVariable(name=name)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_limit_of_nothing_is_refused(amount: int) -> None:
    with pytest.raises(InvalidWorkloadError, match=f"limit of memory is above 0, not {amount}"):
        ResourceLimits(memory=amount)
    with pytest.raises(InvalidWorkloadError, match=f"limit of cpu is above 0, not {amount}"):
        ResourceLimits(cpu=amount)
