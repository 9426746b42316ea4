"""A workload as Kubernetes has it, which `documents.py` reads back as the same workload.

It is a DaemonSet where it runs everywhere, else a Deployment, and a Pod where it is one that runs to its end.
"""

from collections.abc import Mapping
from typing import Final

from polyfleet_controller.domain.kubernetes.expansion import escape
from polyfleet_controller.domain.kubernetes.fields import CONTAINER_LISTS
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, list_at, object_at, objects_in
from polyfleet_controller.domain.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, KINDS, POD
from polyfleet_controller.domain.kubernetes.probes import write_ports
from polyfleet_controller.domain.kubernetes.update_strategies import write_update_strategy
from polyfleet_controller.domain.manifest import Metadata, Name, WorkloadManifest
from polyfleet_controller.domain.pod_placement import TopologySpreadConstraint
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.workloads import RestartPolicy

# What a Deployment or DaemonSet finds its pods by.
SELECTED_LABEL: Final = "app.kubernetes.io/name"

_POD_SPEC: Final = "spec.template.spec"
_SAID: Final = {
    POD: frozenset({"template", "replicas", "rollout"}),
    DAEMON_SET: frozenset({"template", "replicas", "minReadySeconds", "rollout"}),
    DEPLOYMENT: frozenset({"template", "replicas", "minReadySeconds", "progressDeadlineSeconds", "rollout"}),
}


def export_kubernetes(manifest: WorkloadManifest) -> tuple[JsonObject, tuple[Problem, ...]]:
    """The document, and what of the manifest Kubernetes cannot say, by its path there."""
    return _Export(manifest).write()


class _Export:
    def __init__(self, manifest: WorkloadManifest) -> None:
        self._manifest = manifest
        self._pod = object_at(encode(manifest.spec.template.spec, omit_defaults=True))
        self._kind = self._choose_kind()
        self._updates = write_update_strategy(manifest.spec.rollout, self._kind)
        self._unsaid: list[Problem] = []
        metadata = manifest.metadata
        self._own = {SELECTED_LABEL: str(metadata.name)} if self._kind != POD else dict(metadata.labels)
        self._labels = dict(self._own)

    def write(self) -> tuple[JsonObject, tuple[Problem, ...]]:
        spec = encode(self._manifest.spec, omit_defaults=True)
        self._unsaid += [
            Problem(path=f"spec.{name}", message="there is no such field in Kubernetes")
            for name in spec
            if name not in _SAID[self._kind]
        ]
        self._unsaid += self._updates.unsaid
        self._settle_restart()
        self._settle_spreads()
        if not object_at(self._pod, "nodeSelector"):
            self._pod.pop("nodeSelector", None)
        self._settle_volumes()
        for name in CONTAINER_LISTS:
            for position, container in objects_in(self._pod.get(name)):
                self._settle_container(container, f"{_POD_SPEC}.{name}[{position}]")
        document: JsonObject = {
            "apiVersion": KINDS[self._kind],
            "kind": self._kind,
            "metadata": self._write_metadata(),
            "spec": self._pod if self._kind == POD else self._write_spec(),
        }
        return document, tuple(self._unsaid)

    def _choose_kind(self) -> str:
        spec = self._manifest.spec
        if spec.replicas is None:
            return DAEMON_SET
        ends = spec.template.spec.restart_policy is not RestartPolicy.ALWAYS
        return POD if spec.replicas == 1 and ends else DEPLOYMENT

    def _write_metadata(self) -> JsonObject:
        metadata = self._manifest.metadata
        written: JsonObject = {"name": str(metadata.name), "namespace": str(metadata.namespace)}
        if metadata.labels:
            written["labels"] = dict[str, JsonValue](metadata.labels)
        return written

    def _write_spec(self) -> JsonObject:
        labels = {**self._manifest.metadata.labels, **self._labels}
        spec: JsonObject = {
            "selector": {"matchLabels": dict[str, JsonValue](self._own)},
            "template": {"metadata": {"labels": dict[str, JsonValue](labels)}, "spec": self._pod},
        }
        wanted = self._manifest.spec
        if wanted.replicas is not None:
            spec["replicas"] = wanted.replicas
        # Written out, as Kubernetes has another default.
        spec["minReadySeconds"] = wanted.min_ready_seconds
        if "progressDeadlineSeconds" in encode(wanted, omit_defaults=True) and self._kind == DEPLOYMENT:
            spec["progressDeadlineSeconds"] = wanted.progress_deadline_seconds
        return {**spec, **self._updates.fields}

    def _settle_restart(self) -> None:
        policy = self._pod.get("restartPolicy")
        if policy is not None and self._kind != POD:
            del self._pod["restartPolicy"]
            message = f"{policy}: pods of a {self._kind} are always started again"
            self._unsaid.append(Problem(path=f"{_POD_SPEC}.restartPolicy", message=message))

    def _settle_spreads(self) -> None:
        """Written out, as Kubernetes has no defaults here; without a selector there, nothing is counted."""
        constraints = self._manifest.spec.template.spec.topology_spread_constraints
        if constraints:
            self._pod["topologySpreadConstraints"] = [
                self._write_spread(each, f"{_POD_SPEC}.topologySpreadConstraints[{position}]")
                for position, each in enumerate(constraints)
            ]

    def _settle_volumes(self) -> None:
        """Kubernetes has the files of a volume in an object of its own."""
        for position, volume in objects_in(self._pod.get("volumes")):
            if "configMap" in volume:
                name = f"{self._manifest.metadata.name}-{volume['name']}"
                volume["configMap"] = {"name": name}
                message = f"a volume has no files of its own there: put them into a ConfigMap {name}"
                self._unsaid.append(
                    Problem(path=f"{_POD_SPEC}.volumes[{position}].configMap.items", message=message)
                )

    def _write_spread(self, constraint: TopologySpreadConstraint, path: str) -> JsonObject:
        chosen = None if constraint.label_selector is None else constraint.label_selector.match_labels
        if chosen is not None and not self._can_have(chosen):
            message = "these labels cannot be the pod's beside the others"
            self._unsaid.append(Problem(path=f"{path}.labelSelector", message=message))
            chosen = None
        selected = self._own if chosen is None else chosen
        self._labels |= selected
        return {
            "maxSkew": constraint.max_skew,
            "topologyKey": constraint.topology_key,
            "whenUnsatisfiable": str(constraint.when_unsatisfiable),
            "labelSelector": {"matchLabels": dict[str, JsonValue](selected)},
        }

    def _can_have(self, labels: Mapping[str, str]) -> bool:
        if self._kind == POD:
            return labels.items() <= self._own.items()
        try:
            Metadata(name=Name("labels"), labels=labels)
        except DecodeError:
            return False
        return all(self._labels.get(key, value) == value for key, value in labels.items())

    def _settle_container(self, container: JsonObject, path: str) -> None:
        write_ports(container)
        for _, variable in objects_in(container.get("env")):
            if isinstance(variable.get("value"), str):
                variable["value"] = escape(str(variable["value"]))
        for field in ("command", "args"):
            if container.get(field) == []:
                del container[field]
                message = "an empty list is as good as left out in Kubernetes"
                self._unsaid.append(Problem(path=f"{path}.{field}", message=message))
            elif field in container:
                container[field] = [escape(str(item)) for item in list_at(container, field)]
