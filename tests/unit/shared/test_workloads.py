"""A container is kept while what shapes its run is the same, and replaced when it is not."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.platforms import Platform
from polyfleet_shared.workloads import (
    ContainerPort,
    ContainerSpec,
    DesiredWorkload,
    EnvironmentVariable,
    InvalidWorkloadError,
    ResourceLimits,
    RestartPolicy,
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
WORKLOAD: Final = DesiredWorkload(
    uid="w-1", namespace="default", name="hello", release="r-1", revision=1, containers=(CONTAINER,)
)


def hash_of(workload: DesiredWorkload) -> str:
    return workload.spec_hash(workload.containers[0])


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
}


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_shape_the_run_keeps_the_hash(change: str) -> None:
    assert hash_of(SAME[change]) == hash_of(WORKLOAD)


def test_what_shapes_the_run_changes_the_hash() -> None:
    hashes = {change: hash_of(workload) for change, workload in DIFFERENT.items()}
    assert len({hash_of(WORKLOAD), *hashes.values()}) == 1 + len(DIFFERENT), hashes


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
    ],
)
def test_a_workload_that_cannot_be_run_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(PolyfleetError, match=message):
        replace(WORKLOAD, **changes)  # type: ignore[arg-type] # the fields vary


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
