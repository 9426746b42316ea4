"""Containers in Podman's words: what to create, and what an inspected one is. Pure."""

from dataclasses import replace
from typing import Any, Final

from polyfleet_agent.core.containers import ContainerStatus, ObservedContainer
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload, ResourceLimits

LABEL_DEVICE: Final = "polyfleet.io/device"
LABEL_UID: Final = "polyfleet.io/uid"
LABEL_RELEASE: Final = "polyfleet.io/release"
LABEL_CONTAINER: Final = "polyfleet.io/container"
LABEL_SPEC_HASH: Final = "polyfleet.io/spec-hash"

_DIGEST_PREFIX: Final = "sha256:"
_NEVER: Final = "0001-01-01"  # Go's zero time: not yet
_CPU_PERIOD: Final = 100_000  # microseconds, the kernel's default
_MILLICORE: Final = 1000

_STATUS: Final = {
    "configured": ContainerStatus.CREATED,
    "created": ContainerStatus.CREATED,
    "initialized": ContainerStatus.CREATED,
    "running": ContainerStatus.RUNNING,
    "stopping": ContainerStatus.RUNNING,
    "stopped": ContainerStatus.EXITED,
    "exited": ContainerStatus.EXITED,
}


def name_container(workload: DesiredWorkload, container: ContainerSpec) -> str:
    """For people: containers are known by their labels."""
    name = f"polyfleet-{workload.name}-{workload.uid[:8]}-{workload.spec_hash}"
    return f"{name}-{container.name}" if workload.is_pod else name


def describe_container(device: str, workload: DesiredWorkload, container: ContainerSpec) -> dict[str, Any]:
    """The body of libpod's create request (a SpecGenerator).

    The image is named by its ID, which is the config's digest: what was proven is what runs.
    """
    spec: dict[str, Any] = {
        "name": name_container(workload, container),
        "image": container.image.config.removeprefix(_DIGEST_PREFIX),
        "labels": {
            LABEL_DEVICE: device,
            LABEL_UID: workload.uid,
            LABEL_RELEASE: workload.release,
            LABEL_CONTAINER: container.name,
            LABEL_SPEC_HASH: workload.spec_hash,
        },
        "env": {variable.name: variable.value for variable in container.env},
        "stop_timeout": workload.termination_grace_seconds,
        "restart_policy": "no",  # restarts are the agent's, with its back-off
    }
    # As in Kubernetes, a command without args drops the image's own; libpod does so too.
    if container.command:
        spec["entrypoint"] = list(container.command)
    if container.args:
        spec["command"] = list(container.args)
    if container.working_dir is not None:
        spec["work_dir"] = container.working_dir
    if workload.host_network:
        spec["netns"] = {"nsmode": "host"}
    else:
        spec["portmappings"] = [
            _describe_port(port) for port in container.ports if port.host_port is not None
        ]
    limits = _describe_limits(container.limits)
    if limits:
        spec["resource_limits"] = limits
    return spec


def _describe_port(port: ContainerPort) -> dict[str, Any]:
    return {
        "container_port": port.container_port,
        "host_port": port.host_port,
        "protocol": port.protocol.lower(),
    }


def _describe_limits(limits: ResourceLimits) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if limits.memory is not None:
        described["memory"] = {"limit": limits.memory}
    if limits.cpu is not None:
        # The kernel refuses a quota below a millisecond.
        quota = max(1000, limits.cpu * _CPU_PERIOD // _MILLICORE)
        described["cpu"] = {"quota": quota, "period": _CPU_PERIOD}
    return described


def read_listed(entry: dict[str, Any]) -> ObservedContainer:
    """An entry of libpod's list of which nothing more can be had: good for nothing but removal."""
    labels = entry.get("Labels") or {}
    return ObservedContainer(
        container_id=entry["Id"],
        uid=labels.get(LABEL_UID, ""),
        release=labels.get(LABEL_RELEASE, ""),
        container=labels.get(LABEL_CONTAINER, ""),
        spec_hash=labels.get(LABEL_SPEC_HASH, ""),
        status=ContainerStatus.BROKEN,
        image_id=image_id(entry["ImageID"]),
    )


def read_container(
    entry: dict[str, Any], inspected: dict[str, Any], repository_digests: tuple[str, ...]
) -> ObservedContainer:
    """A container that was listed and then inspected. What it logged is read elsewhere."""
    state = inspected["State"]
    started_at = _read_started(state)
    status = _read_status(str(state["Status"]), started_at)
    return replace(
        read_listed(entry),
        status=status,
        repository_digests=repository_digests,
        started_at=started_at,
        exit_code=int(state["ExitCode"]) if status is ContainerStatus.EXITED else None,
        oom_killed=bool(state.get("OOMKilled", False)),
    )


def image_id(text: str) -> str:
    """An image's ID as the digest that it is; Podman leaves the algorithm away."""
    return text if text.startswith(_DIGEST_PREFIX) else _DIGEST_PREFIX + text


def read_repository_digests(inspected: dict[str, Any]) -> tuple[str, ...]:
    """The manifest digests under which an inspected image is known, of all its repositories."""
    names = inspected.get("RepoDigests") or []
    return tuple(sorted({name.rpartition("@")[2] for name in names if "@" in name}))


def _read_started(state: dict[str, Any]) -> str:
    started_at = str(state.get("StartedAt") or "")
    return "" if started_at.startswith(_NEVER) else started_at


def _read_status(text: str, started_at: str) -> ContainerStatus:
    status = _STATUS.get(text, ContainerStatus.BROKEN)
    if status is ContainerStatus.EXITED and not started_at:
        return ContainerStatus.CREATED  # it was stopped before it ever ran
    return status
