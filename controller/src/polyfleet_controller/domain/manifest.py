"""What operators write: `apiVersion: polyfleet.io/v1, kind: Workload`.

`spec.template` is a subset of Kubernetes' PodTemplateSpec, under its names and with its defaults. What is
outside of the subset is refused by name, with what to do instead (`manifest_refusals.py`), never dropped.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Self

from polyfleet_controller.domain.images import ImageReference, NamedImage
from polyfleet_controller.domain.labels import find_key_problems, find_value_problems
from polyfleet_controller.domain.manifest_refusals import explain_refusals, refuse_kind
from polyfleet_controller.domain.manifest_spelling import respell
from polyfleet_controller.domain.pod_placement import NO_AFFINITY, Affinity, TopologySpreadConstraint
from polyfleet_controller.domain.pod_probes import ProbeTemplate, find_port_problems
from polyfleet_controller.domain.pod_resources import ANY_RESOURCES, ResourceRequirements
from polyfleet_controller.domain.pod_volumes import (
    ANY_POD_SECURITY_CONTEXT,
    LocalObjectReference,
    PodSecurityContext,
    VolumeTemplate,
)
from polyfleet_controller.domain.rollout.strategy import (
    DEFAULT_MIN_READY_SECONDS,
    DEFAULT_PROGRESS_DEADLINE_SECONDS,
    DEFAULT_STRATEGY,
    Strategy,
    find_pace_problems,
)
from polyfleet_controller.domain.scheduling.candidates import HostPort, Resources
from polyfleet_controller.domain.scheduling.requests import (
    Everywhere,
    Extent,
    Replicas,
    Request,
    find_patience,
)
from polyfleet_controller.domain.taints import Toleration
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, Problem
from polyfleet_shared.names import check_name
from polyfleet_shared.pods import (
    ANY_SECURITY_CONTEXT,
    InvalidPodError,
    SecurityContext,
    VolumeMount,
    find_volume_problems,
)
from polyfleet_shared.probes import find_probe_problems
from polyfleet_shared.secrets import EnvFromSource, find_secret_problems
from polyfleet_shared.workloads import ContainerPort, EnvironmentVariable, ResourceLimits, RestartPolicy

API_VERSION: Final = "polyfleet.io/v1"
KIND: Final = "Workload"

_DEFAULT_GRACE_SECONDS: Final = 30
_MAX_GRACE_SECONDS: Final = 24 * 60 * 60
_MAX_REPLICAS: Final = 1_000_000


class Name(str):
    """A name by the one pattern of `polyfleet_shared.names`."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        return super().__new__(cls, check_name("name", text))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name; raises InvalidNameError."""
        return cls(text)


DEFAULT_NAMESPACE: Final = Name("default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A Kubernetes ObjectMeta: who the workload is. `labels` follow Kubernetes' rules for labels.

    `resource_version` is of the state that the manifest was read at; the stored one has none.
    """

    name: Name
    namespace: Name = DEFAULT_NAMESPACE
    labels: Mapping[str, str] = field(default_factory=dict)
    resource_version: str | None = None

    def __post_init__(self) -> None:
        problems = [
            Problem(path=f'labels["{key[:80]}"]', message=message)
            for key, value in self.labels.items()
            for message in (*find_key_problems(key), *find_value_problems(value))
        ]
        if problems:
            raise DecodeError(tuple(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerTemplate:
    """A Kubernetes Container, its image still a reference: which child a device gets, a release pins."""

    name: Name
    image: ImageReference
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    working_dir: str | None = None
    env: tuple[EnvironmentVariable, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: ResourceRequirements = ANY_RESOURCES
    volume_mounts: tuple[VolumeMount, ...] = ()
    security_context: SecurityContext = ANY_SECURITY_CONTEXT
    startup_probe: ProbeTemplate | None = None
    liveness_probe: ProbeTemplate | None = None
    readiness_probe: ProbeTemplate | None = None

    def __post_init__(self) -> None:
        problems = [
            *_repeated("env", [variable.name for variable in self.env], "the variable"),
            *_repeated("ports", [port.name for port in self.ports], "a port called"),
            *_repeated("ports", [_published(port) for port in self.ports], "the hostPort"),
            *find_port_problems((self.startup_probe, self.liveness_probe, self.readiness_probe), self.ports),
        ]
        if self.working_dir is not None and not self.working_dir.startswith("/"):
            problems.append(Problem(path="workingDir", message="expected an absolute path"))
        if problems:
            raise DecodeError(tuple(problems))

    @property
    def limits(self) -> ResourceLimits:
        """The limits in the units of the wire."""
        cpu, memory = self.resources.limits.cpu, self.resources.limits.memory
        return ResourceLimits(
            cpu=None if cpu is None else cpu.thousandths,
            memory=None if memory is None else memory.units,
        )

    @property
    def requested(self) -> Resources:
        """What a device must have free for it."""
        requests, limits = self.resources.requests, self.resources.limits
        cpu, memory = requests.cpu or limits.cpu, requests.memory or limits.memory
        return Resources(
            cpu=0 if cpu is None else cpu.thousandths, memory=0 if memory is None else memory.units
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSpec:
    """A Kubernetes PodSpec. `priority` orders workloads where not all find room."""

    init_containers: tuple[ContainerTemplate, ...] = ()
    containers: tuple[ContainerTemplate, ...]
    volumes: tuple[VolumeTemplate, ...] = ()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    security_context: PodSecurityContext = ANY_POD_SECURITY_CONTEXT
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    termination_grace_period_seconds: int = _DEFAULT_GRACE_SECONDS
    host_network: bool = False
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: Affinity = NO_AFFINITY
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    priority: int = 0

    def __post_init__(self) -> None:
        problems = [*self._find_container_problems()]
        problems += find_volume_problems([volume.pin() for volume in self.volumes], self.located)
        if not 0 <= self.termination_grace_period_seconds <= _MAX_GRACE_SECONDS:
            message = f"expected 0 to {_MAX_GRACE_SECONDS}, got {self.termination_grace_period_seconds}"
            problems.append(Problem(path="terminationGracePeriodSeconds", message=message))
        if problems:
            raise DecodeError(tuple(problems))

    @property
    def requested(self) -> Resources:
        """What a device must have free: for all together, and for each init container alone."""
        together = [container.requested for container in self.containers]
        alone = [container.requested for container in self.init_containers]
        return Resources(
            cpu=max(sum(item.cpu for item in together), *(item.cpu for item in alone), 0),
            memory=max(sum(item.memory for item in together), *(item.memory for item in alone), 0),
        )

    @property
    def located(self) -> list[tuple[str, ContainerTemplate]]:
        """Every container with its path."""
        return [
            *((f"initContainers[{place}]", item) for place, item in enumerate(self.init_containers)),
            *((f"containers[{place}]", item) for place, item in enumerate(self.containers)),
        ]

    def _find_container_problems(self) -> Iterator[Problem]:
        if not self.containers:
            yield Problem(path="containers", message="a workload has at least one container")
        names: set[str] = set()
        published: set[str] = set()
        for path, container in self.located:
            if container.name in names:
                yield Problem(path=f"{path}.name", message=f"a container {container.name} is there already")
            names.add(container.name)
            yield from _find_taken(path, container, published)
            for problem in find_probe_problems(container, is_init=path.startswith("init")):
                yield Problem(path=f"{path}.{problem.path}", message=problem.message)
            try:
                self.security_context.complete(container.security_context)
            except InvalidPodError as error:
                yield Problem(path=f"{path}.securityContext", message=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTemplate:
    """A Kubernetes PodTemplateSpec."""

    spec: PodSpec


class OnUncovered(StrEnum):
    """What is done where an image has nothing that a targeted device can run."""

    REFUSE = "refuse"  # the manifest is not taken; a device that joins later is held
    EXCLUDE = "exclude"  # such a device is not meant
    HOLD = "hold"  # it waits until the image's tag gains its platform


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadSpec:
    """What runs. Where: on so many devices as `replicas` says, without it on every device that can.

    `on_uncovered` decides about the devices meant for it that its images do not cover. A device is good with
    a release once it was ready for `min_ready_seconds`, and has `progress_deadline_seconds` to come to it.
    Without `rollout`, the first release goes to all devices at once, and later ones by the defaults.
    """

    template: PodTemplate
    replicas: int | None = None
    on_uncovered: OnUncovered = OnUncovered.REFUSE
    min_ready_seconds: int = DEFAULT_MIN_READY_SECONDS
    progress_deadline_seconds: int = DEFAULT_PROGRESS_DEADLINE_SECONDS
    rollout: Strategy | None = None

    def __post_init__(self) -> None:
        problems = [*find_pace_problems(self.min_ready_seconds, self.progress_deadline_seconds)]
        if self.replicas is not None and not 0 <= self.replicas <= _MAX_REPLICAS:
            message = f"expected 0 to {_MAX_REPLICAS}, got {self.replicas}"
            problems.append(Problem(path="replicas", message=message))
        if problems:
            raise DecodeError(tuple(problems))

    @property
    def strategy(self) -> Strategy:
        """How releases after the first are rolled out."""
        return DEFAULT_STRATEGY if self.rollout is None else self.rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadManifest:
    """A workload as its operator wants it. Two manifests that mean the same encode to the same document."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: Metadata
    spec: WorkloadSpec

    def __post_init__(self) -> None:
        pod = self.spec.template.spec
        problems = tuple(find_secret_problems(self.metadata.namespace, pod.volumes, pod.located))
        if problems:
            raise DecodeError(problems).under("spec.template.spec")

    def at_version(self, version: str | None) -> "WorkloadManifest":
        """The same, as it is shown or sent; without a version, as it is stored, compared and hashed."""
        return replace(self, metadata=replace(self.metadata, resource_version=version))

    @property
    def container(self) -> ContainerTemplate:
        """The first container."""
        return self.spec.template.spec.containers[0]

    @property
    def images(self) -> tuple[ImageReference, ...]:
        """The images that its containers name, each once; that of the first container first."""
        pod = self.spec.template.spec
        return tuple(dict.fromkeys(item.image for item in (*pod.containers, *pod.init_containers)))

    @property
    def extent(self) -> Extent:
        """On how many devices it runs."""
        if self.spec.replicas is None:
            return Everywhere()
        patience = find_patience(self.spec.template.spec.tolerations)
        return Replicas(count=self.spec.replicas, patience=patience)

    def request(self, uid: str, images: tuple[NamedImage, ...]) -> Request:
        """What it asks of devices, with what its images offer."""
        pod = self.spec.template.spec
        return Request(
            uid=uid,
            priority=pod.priority,
            extent=self.extent,
            node_selector=pod.node_selector,
            affinity=pod.affinity.node_affinity.required,
            preferences=pod.affinity.node_affinity.preferred,
            tolerations=pod.tolerations,
            resources=pod.requested,
            ports=frozenset(_find_ports(pod)),
            spreads=tuple(item.spread for item in pod.topology_spread_constraints),
            images=images,
            excludes=self.spec.on_uncovered is OnUncovered.EXCLUDE,
        )


def read_manifest(document: object) -> WorkloadManifest:
    """Read a manifest from parsed JSON or YAML.

    Raises:
        DecodeError: everything that is wrong in it; of another kind or version, only that.
    """
    refusals = refuse_kind(document, api_version=API_VERSION, kind=KIND)
    if refusals:
        raise DecodeError(refusals)
    try:
        return decode(WorkloadManifest, respell(document))
    except DecodeError as error:
        raise DecodeError(explain_refusals(error.problems)) from None


def _find_ports(pod: PodSpec) -> Iterable[HostPort]:
    """The ports of the device that it takes: on the host's network, all that it names."""
    for container in (*pod.init_containers, *pod.containers):
        for port in container.ports:
            number = port.host_port or (port.container_port if pod.host_network else None)
            if number is not None:
                yield HostPort(port=number, protocol=port.protocol)


def _find_taken(path: str, container: ContainerTemplate, published: set[str]) -> Iterator[Problem]:
    """Ports of the device that a container before it has; within one container they are found there."""
    own = {name for port in container.ports if (name := _published(port)) is not None}
    for position, port in enumerate(container.ports):
        name = _published(port)
        if name in published:
            yield Problem(path=f"{path}.ports[{position}]", message=f"the hostPort {name} is there already")
    published |= own


def _published(port: ContainerPort) -> str | None:
    return None if port.host_port is None else f"{port.host_port}/{port.protocol}"


def _repeated(path: str, names: list[str | None], what: str) -> list[Problem]:
    return [
        Problem(path=f"{path}[{position}]", message=f"{what} {name} is there already")
        for position, name in enumerate(names)
        if name is not None and name in names[:position]
    ]
