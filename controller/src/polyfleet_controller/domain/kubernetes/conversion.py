"""One Pod, Deployment or DaemonSet as our Workload.

The document is rewritten into one of our own kind, which the codec then reads: what that takes is taken
here, what it refuses is refused here, at the path where it stands in the document as it was written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.images import qualify_image
from polyfleet_controller.domain.kubernetes.config_maps import ConfigMaps
from polyfleet_controller.domain.kubernetes.environment import Environment
from polyfleet_controller.domain.kubernetes.fields import CONTAINER_LISTS, sift
from polyfleet_controller.domain.kubernetes.json_objects import (
    JsonObject,
    copy_without_nulls,
    object_at,
    objects_in,
    texts_in,
)
from polyfleet_controller.domain.kubernetes.kinds import DEPLOYMENT, POD
from polyfleet_controller.domain.kubernetes.node_labels import rename_labels
from polyfleet_controller.domain.kubernetes.probes import settle_probes
from polyfleet_controller.domain.kubernetes.selectors import check_selector
from polyfleet_controller.domain.kubernetes.update_strategies import (
    OURS,
    find_path,
    settle_update_strategy,
)
from polyfleet_controller.domain.kubernetes.volumes import settle_volumes
from polyfleet_controller.domain.manifest import (
    API_VERSION,
    DEFAULT_NAMESPACE,
    KIND,
    Metadata,
    WorkloadManifest,
    read_manifest,
)
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.workloads import RestartPolicy

_POD_SPEC: Final = "spec.template.spec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a workload was read from: `prefix` leads to it in a List, `pod` to its PodSpec from there.

    `unavailable` leads to what says how many of its devices may be down at a time.
    """

    prefix: str = ""
    pod: str = _POD_SPEC
    unavailable: str = OURS

    def locate(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Problems of the workload, with their paths in the document that it was read from."""
        return tuple(
            Problem(path=self._locate(problem.path), message=problem.message) for problem in problems
        )

    def _locate(self, path: str) -> str:
        if path == _POD_SPEC or path.startswith((f"{_POD_SPEC}.", f"{_POD_SPEC}[")):
            path = self.pod + path.removeprefix(_POD_SPEC)
        if path == OURS:
            path = self.unavailable
        return f"{self.prefix}.{path}".strip(".")


def find_pod_spec(kind: str) -> str:
    """The path of the PodSpec in a document of this kind."""
    return "spec" if kind == POD else _POD_SPEC


def convert(document: JsonObject, config_maps: ConfigMaps) -> WorkloadManifest:
    """Read a Pod (v1), Deployment or DaemonSet (apps/v1).

    Raises:
        DecodeError: everything that is wrong in it, at its path in the document.
    """
    return _Conversion(document, config_maps).read()


class _Conversion:
    def __init__(self, document: JsonObject, config_maps: ConfigMaps) -> None:
        self._kind = str(document["kind"])
        self._origin = Origin(pod=find_pod_spec(self._kind), unavailable=find_path(self._kind))
        self._config_maps = config_maps
        sifted, problems = sift(object_at(copy_without_nulls(document)), self._kind)
        self._document = sifted
        self._problems = [*problems]
        self._metadata = object_at(sifted, "metadata")
        self._spec = object_at(sifted, "spec")
        # By container list and position, the positions of variables that are not set.
        self._unset: list[tuple[list[JsonValue], set[int]]] = []

    def read(self) -> WorkloadManifest:
        """The workload."""
        is_pod = self._kind == POD
        pod = self._spec if is_pod else object_at(self._spec, "template", "spec")
        labels = self._metadata.get("labels") if is_pod else self._take_template_labels()
        selector: JsonValue = {"matchLabels": labels or {}} if is_pod else self._spec.pop("selector", None)
        if not is_pod:
            self._problems += check_selector(selector, texts_in(labels), "spec.selector")
            self._problems += self._check_restart(pod)
            self._problems += settle_update_strategy(self._spec, self._kind)
        self._problems += rename_labels(pod, self._origin.pod)
        self._problems += self._settle_spreads(pod, selector, texts_in(labels))
        namespace = str(self._metadata.get("namespace", DEFAULT_NAMESPACE))
        self._problems += settle_volumes(pod, self._origin.pod, namespace, self._config_maps)
        for name in CONTAINER_LISTS:
            for position, container in objects_in(pod.get(name)):
                self._settle_container(container, f"{self._origin.pod}.{name}[{position}]")
        return self._decode(self._assemble())

    def _take_template_labels(self) -> JsonValue:
        """Labels of pods are there to be selected by, which nothing does here: they are checked, not kept."""
        template = object_at(self._spec, "template")
        metadata = template.pop("metadata", {})
        path = "spec.template.metadata"
        if not isinstance(metadata, dict):
            self._problems.append(Problem(path=path, message="expected an object"))
            return {}
        labels = metadata.get("labels", {})
        self._problems += [
            Problem(path=f"{path}.{key[:80]}", message="has no meaning here: pods have no names of their own")
            for key in metadata
            if key != "labels"
        ]
        try:
            decode(Metadata, {"name": "template", "labels": labels})
        except DecodeError as error:
            self._problems += error.under(path).problems
        return labels

    def _check_restart(self, pod: JsonObject) -> Iterator[Problem]:
        policy = pod.get("restartPolicy")
        if policy in (RestartPolicy.ON_FAILURE, RestartPolicy.NEVER):
            message = f"only {RestartPolicy.ALWAYS} is possible in a {self._kind}; write a Pod for {policy}"
            yield Problem(path=f"{self._origin.pod}.restartPolicy", message=message)

    def _settle_spreads(self, pod: JsonObject, own: JsonValue, labels: dict[str, str]) -> Iterator[Problem]:
        """A constraint counts the workload's own replicas: that it selects them is checked, not kept."""
        for position, constraint in objects_in(pod.get("topologySpreadConstraints")):
            path = f"{self._origin.pod}.topologySpreadConstraints[{position}].labelSelector"
            selector = constraint.get("labelSelector")
            problems = check_selector(selector, labels, path)
            yield from problems
            if problems or selector == own or "matchExpressions" in object_at(selector):
                constraint.pop("labelSelector", None)

    def _settle_container(self, container: JsonObject, path: str) -> None:
        image = container.get("image")
        if isinstance(image, str):
            container["image"] = qualify_image(image)
        namespace = str(self._metadata.get("namespace", DEFAULT_NAMESPACE))
        environment = Environment(container, path, namespace, self._config_maps)
        container.pop("envFrom", None)
        settle_probes(container)
        if environment.env_from:
            container["envFrom"] = environment.env_from
        if isinstance(container.get("env", []), list):
            container["env"] = environment.env
            self._unset.append((environment.env, environment.unset))
        for field in ("command", "args"):
            if container.get(field) == []:  # to Kubernetes, as good as left out
                del container[field]
            elif field in container:
                container[field] = environment.expand(container[field], f"{path}.{field}")
        self._problems += environment.problems

    def _assemble(self) -> JsonObject:
        spec: JsonValue = self._document.get("spec")
        if self._kind == POD:
            template: JsonObject = {"spec": spec} if "spec" in self._document else {}
            spec = {"template": template, "replicas": 1}
        elif self._kind == DEPLOYMENT and isinstance(spec, dict):
            spec = {"replicas": 1, **spec}
        assembled = {**self._document, "apiVersion": API_VERSION, "kind": KIND}
        if spec is not None:
            assembled["spec"] = spec
        return assembled

    def _decode(self, document: JsonObject) -> WorkloadManifest:
        try:
            manifest = read_manifest(document)
        except DecodeError as error:
            raise DecodeError((*self._problems, *self._origin.locate(error.problems))) from None
        if self._problems:
            raise DecodeError(tuple(self._problems))
        if not any(positions for _, positions in self._unset):
            return manifest
        for env, positions in self._unset:
            env[:] = [item for position, item in enumerate(env) if position not in positions]
        return read_manifest(document)
