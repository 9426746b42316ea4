"""What one device is to run of a workload: a release's spec, every image pinned to its child."""

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from polyfleet_shared.codec import encode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.json_text import dump_json
from polyfleet_shared.names import check_name
from polyfleet_shared.pods import (
    ANY_SECURITY_CONTEXT,
    SecurityContext,
    Volume,
    VolumeMount,
    find_volume_problems,
)
from polyfleet_shared.probes import Probe, find_probe_problems
from polyfleet_shared.reasons import Reason
from polyfleet_shared.secrets import EnvFromSource, EnvVarSource, check_secret_name, find_secret_problems

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_PORT: Final = 65535

DEFAULT_PROGRESS_DEADLINE: Final = 600  # seconds, as in a Kubernetes Deployment


class InvalidWorkloadError(PolyfleetError, ValueError):
    """A value that no container can be started with."""


class RestartPolicy(StrEnum):
    """As in a Kubernetes PodSpec, and written as there."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class UpdateMethod(StrEnum):
    """How a device brings new containers in the place of those that run."""

    REPLACE = "replace"  # what runs is stopped first
    START_FIRST = "start_first"  # what runs is stopped once the new is ready, where no port forbids it


class Protocol(StrEnum):
    """As in a Kubernetes ContainerPort."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVariable:
    """A Kubernetes EnvVar: with a literal value, or that of a secret."""

    name: str
    value: str = ""
    value_from: EnvVarSource | None = None

    def __post_init__(self) -> None:
        if not is_variable(self.name):
            raise InvalidWorkloadError(f"{self.name[:80]!r} is no name for an environment variable")
        if self.value and self.value_from is not None:
            raise InvalidWorkloadError("a variable has either value or valueFrom")


def is_variable(name: str) -> bool:
    """Whether an environment variable can have this name."""
    return _VARIABLE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A Kubernetes ContainerPort; without `host_port` the port is not published."""

    container_port: int
    host_port: int | None = None
    protocol: Protocol = Protocol.TCP
    name: str | None = None

    def __post_init__(self) -> None:
        for port in (self.container_port, self.host_port):
            if port is not None and not 1 <= port <= _MAX_PORT:
                raise InvalidWorkloadError(f"a port is between 1 and {_MAX_PORT}, not {port}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """`memory` in bytes, `cpu` in thousandths of a core; None sets no limit."""

    memory: int | None = None
    cpu: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("memory", self.memory), ("cpu", self.cpu)):
            if value is not None and value <= 0:
                raise InvalidWorkloadError(f"a limit of {name} is above 0, not {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container. `command` replaces the image's entrypoint, `args` its command (as in Kubernetes)."""

    name: str
    image: PinnedImage
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[EnvironmentVariable, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    limits: ResourceLimits = ResourceLimits()
    volume_mounts: tuple[VolumeMount, ...] = ()
    security_context: SecurityContext = ANY_SECURITY_CONTEXT
    startup_probe: Probe | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None

    def __post_init__(self) -> None:
        check_name("container name", self.name)

    @property
    def has_probes(self) -> bool:
        """Whether the agent has to ask it for anything."""
        return any((self.startup_probe, self.liveness_probe, self.readiness_probe))


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredWorkload:
    """A workload as one device shall run it.

    `uid` names the workload for ever, `release` the immutable release; `revision` is the workload's own
    counter. `attempt` grows when an operator retries a release, `restarted_at` when one restarts it: both
    make new containers of an unchanged spec. `requires` lists the wire features without which the
    document must not be acted on. The init containers run first, one after the other, each until it ends
    well; then all containers run together.
    The device itself judges new containers: they have to be ready for `min_ready_seconds` within
    `progress_deadline_seconds` of their start, else what ran before comes back. `prefetch` are images of a
    release that may come, which are pulled while this one runs. `image_pull_secrets` name files with
    credentials for registries, which the device has.
    """

    uid: str
    namespace: str
    name: str
    release: str
    revision: int
    attempt: int = 1
    restarted_at: datetime | None = None
    requires: tuple[str, ...] = ()
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    termination_grace_seconds: int = 10
    host_network: bool = False
    min_ready_seconds: int = 0
    progress_deadline_seconds: int = DEFAULT_PROGRESS_DEADLINE
    update_method: UpdateMethod = UpdateMethod.REPLACE
    prefetch: tuple[PinnedImage, ...] = ()
    image_pull_secrets: tuple[str, ...] = ()
    volumes: tuple[Volume, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    containers: tuple[ContainerSpec, ...]

    def __post_init__(self) -> None:
        check_name("workload uid", self.uid)
        check_name("namespace", self.namespace)
        check_name("workload name", self.name)
        if not self.containers:
            raise InvalidWorkloadError("a workload has at least one container")
        names = [container.name for container in self.all_containers]
        if len(set(names)) != len(names):
            raise InvalidWorkloadError("two containers of a workload have the same name")
        problems = [*find_volume_problems(self.volumes, [(item.name, item) for item in self.all_containers])]
        for container in self.all_containers:
            problems += find_probe_problems(container, is_init=container in self.init_containers)
        problems += find_secret_problems(
            self.namespace, self.volumes, [(item.name, item) for item in self.all_containers]
        )
        for name in self.image_pull_secrets:
            check_secret_name(name)
        if problems:
            raise InvalidWorkloadError("; ".join(str(problem) for problem in problems))
        if self.termination_grace_seconds < 0:
            raise InvalidWorkloadError("terminationGraceSeconds is at least 0")
        if not 0 <= self.min_ready_seconds < self.progress_deadline_seconds:
            raise InvalidWorkloadError(
                "minReadySeconds is at least 0, and less than progressDeadlineSeconds: "
                f"{self.min_ready_seconds} and {self.progress_deadline_seconds} are not"
            )

    @property
    def all_containers(self) -> tuple[ContainerSpec, ...]:
        """In the order in which they are started."""
        return (*self.init_containers, *self.containers)

    @property
    def is_pod(self) -> bool:
        """Whether its containers share a network, as the containers of a Kubernetes Pod do."""
        return len(self.all_containers) > 1

    @property
    def uses_secrets(self) -> bool:
        """Whether a container has variables or files that Podman on the device must have."""
        return any(volume.secret is not None for volume in self.volumes) or any(
            container.env_from or any(variable.value_from is not None for variable in container.env)
            for container in self.all_containers
        )

    def container(self, name: str) -> ContainerSpec | None:
        """Its container or init container of that name."""
        return next((item for item in self.all_containers if item.name == name), None)

    @property
    def spec_hash(self) -> str:
        """What makes running containers these: 16 hexadecimal digits over all that shapes their run.

        It covers all containers: what one of them needs changed, the others were started beside. The
        release and the index are left out on purpose: a release that changes only other platforms'
        children must not restart anything here. So are how an update is done and judged, and with whose
        credentials images are pulled, for they shape nothing that runs. So are fields that hold their
        default: an agent that knows more fields must not restart what uses none of them.
        """
        shape = replace(
            self,
            namespace="x",
            name="x",
            release="",
            revision=0,
            requires=(),
            min_ready_seconds=0,
            progress_deadline_seconds=DEFAULT_PROGRESS_DEADLINE,
            update_method=UpdateMethod.REPLACE,
            prefetch=(),
            image_pull_secrets=(),
            init_containers=tuple(_strip_index(item) for item in self.init_containers),
            containers=tuple(_strip_index(item) for item in self.containers),
        )
        return hashlib.sha256(dump_json(encode(shape, omit_defaults=True))).hexdigest()[:16]


def _strip_index(container: ContainerSpec) -> ContainerSpec:
    return replace(container, image=replace(container.image, index=container.image.child, size=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWorkload:
    """A workload that is meant for this device but cannot be given to it, and why.

    It is sent so that a technician at the device reads the same reason as the operator.
    """

    uid: str
    namespace: str
    name: str
    reason: Reason
    message: str

    def __post_init__(self) -> None:
        check_name("workload uid", self.uid)
        check_name("namespace", self.namespace)
        check_name("workload name", self.name)
