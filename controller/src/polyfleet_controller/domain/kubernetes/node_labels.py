"""Names that labels of nodes had in earlier versions of Kubernetes: they mean what the names of today do."""

from collections.abc import Iterator
from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import (
    JsonObject,
    object_at,
    objects_in,
)
from polyfleet_shared.json_text import JsonValue, Problem

RENAMED: Final = {
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
}

_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def rename_labels(pod: JsonObject, path: str) -> Iterator[Problem]:
    """Put today's names into a pod's spec; yields what the names of both times contradict in."""
    selector = object_at(pod, "nodeSelector")
    for old, new in RENAMED.items():
        if old in selector:
            value = selector.pop(old)
            if selector.setdefault(new, value) != value:
                message = f"it contradicts {new}, which is its name of today"
                yield Problem(path=f'{path}.nodeSelector["{old}"]', message=message)
    for terms in _find_terms(pod):
        for _, expression in objects_in(terms.get("matchExpressions")):
            _rename(expression, "key")
    for _, constraint in objects_in(pod.get("topologySpreadConstraints")):
        _rename(constraint, "topologyKey")


def _find_terms(pod: JsonObject) -> Iterator[JsonObject]:
    affinity = object_at(pod, "affinity", "nodeAffinity")
    for _, term in objects_in(object_at(affinity, _REQUIRED).get("nodeSelectorTerms")):
        yield term
    for _, preferred in objects_in(affinity.get(_PREFERRED)):
        yield object_at(preferred, "preference")


def _rename(holder: JsonObject, field: str) -> None:
    name: JsonValue = holder.get(field)
    if isinstance(name, str):
        holder[field] = RENAMED.get(name, name)
