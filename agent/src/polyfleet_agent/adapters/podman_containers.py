"""Containers in Podman's words: what to create, and what an inspected one is. Pure."""

from dataclasses import replace
from typing import Any, Final

from polyfleet_agent.adapters.podman_volumes import describe_mounts
from polyfleet_agent.core.containers import ContainerKind, ContainerStatus, ObservedContainer
from polyfleet_agent.core.secrets import NO_SECRETS, SecretUse
from polyfleet_shared.pods import SecurityContext
from polyfleet_shared.workloads import ContainerPort, ContainerSpec, DesiredWorkload, ResourceLimits

LABEL_DEVICE: Final = "polyfleet.io/device"
LABEL_UID: Final = "polyfleet.io/uid"
LABEL_RELEASE: Final = "polyfleet.io/release"
LABEL_CONTAINER: Final = "polyfleet.io/container"
LABEL_SPEC_HASH: Final = "polyfleet.io/spec-hash"
LABEL_KIND: Final = "polyfleet.io/kind"  # only where it is not "main"

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
    name = name_pod(workload)
    return f"{name}-{container.name}" if workload.is_pod else name


def name_pod(workload: DesiredWorkload) -> str:
    """For people, and to find the pod that a creation began."""
    return f"polyfleet-{workload.name}-{workload.uid[:8]}-{workload.spec_hash}"


def describe_container(
    device: str, workload: DesiredWorkload, container: ContainerSpec, secrets: SecretUse = NO_SECRETS
) -> dict[str, Any]:
    """The body of libpod's create request (a SpecGenerator), with these of the device's secrets.

    The image is named by its ID, which is the config's digest: what was proven is what runs.
    """
    spec: dict[str, Any] = {
        "name": name_container(workload, container),
        "image": container.image.config.removeprefix(_DIGEST_PREFIX),
        "labels": _label(device, workload) | _label_container(workload, container),
        "env": {variable.name: variable.value for variable in container.env if variable.value_from is None},
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
    if workload.is_pod:
        spec["pod"] = name_pod(workload)
    else:
        spec |= _describe_network(workload)
    limits = _describe_limits(container.limits)
    if limits:
        spec["resource_limits"] = limits
    spec |= describe_mounts(workload, container) | _describe_security(container.security_context)
    return spec | _describe_secrets(secrets)


def _describe_secrets(secrets: SecretUse) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if secrets.variables:
        described["secret_env"] = dict(secrets.variables)
    if secrets.files:
        described["secrets"] = [
            {"Source": each.secret, "Target": each.path, "UID": 0, "GID": 0, "Mode": each.mode}
            for each in secrets.files
        ]
    return described


def describe_pod(device: str, workload: DesiredWorkload) -> dict[str, Any]:
    """The body of libpod's request to create a pod, whose network its containers share."""
    return {
        "name": name_pod(workload),
        "labels": _label(device, workload),
        "exit_policy": "continue",
        **_describe_network(workload),
    }


def _label(device: str, workload: DesiredWorkload) -> dict[str, str]:
    return {
        LABEL_DEVICE: device,
        LABEL_UID: workload.uid,
        LABEL_RELEASE: workload.release,
        LABEL_SPEC_HASH: workload.spec_hash,
    }


def _label_container(workload: DesiredWorkload, container: ContainerSpec) -> dict[str, str]:
    labels = {LABEL_CONTAINER: container.name}
    if container in workload.init_containers:
        labels[LABEL_KIND] = ContainerKind.INIT.value
    return labels


def _describe_network(workload: DesiredWorkload) -> dict[str, Any]:
    if workload.host_network:
        return {"netns": {"nsmode": "host"}}
    ports = [port for container in workload.all_containers for port in container.ports]
    return {"portmappings": [_describe_port(port) for port in ports if port.host_port is not None]}


def _describe_security(context: SecurityContext) -> dict[str, Any]:
    described: dict[str, Any] = {}
    user = "" if context.run_as_user is None else str(context.run_as_user)
    if context.run_as_group is not None:
        user += f":{context.run_as_group}"
    if user:
        described["user"] = user
    if context.privileged:
        described["privileged"] = True
    if context.read_only_root_filesystem:
        described["read_only_filesystem"] = True
    if context.allow_privilege_escalation is False:
        described["no_new_privileges"] = True
    if context.capabilities.add:
        described["cap_add"] = list(context.capabilities.add)
    if context.capabilities.drop:
        described["cap_drop"] = list(context.capabilities.drop)
    return described


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
        kind=_read_kind(entry, labels),
    )


def _read_kind(entry: dict[str, Any], labels: dict[str, str]) -> ContainerKind:
    if entry.get("IsInfra"):
        return ContainerKind.INFRA
    is_init = labels.get(LABEL_KIND) == ContainerKind.INIT.value
    return ContainerKind.INIT if is_init else ContainerKind.MAIN


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
