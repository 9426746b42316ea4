"""What is taken though nothing is made of it: defaults that Kubernetes writes out, and its own records.

A field that stands in no table here goes on to the codec, which takes or refuses it by name.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_shared.json_text import JsonValue, Problem

_POSITION: Final = re.compile(r"\[[0-9]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The values of a field that are taken, parts of objects too, and why; None takes any value.

    Other values are refused for the same reason, or go on to the codec.
    """

    values: tuple[JsonValue, ...] | None
    reason: str
    others_go_on: bool = False


# Whose values are containers. What is said of `containers` holds for all of them.
CONTAINER_LISTS: Final = ("initContainers", "containers")

_RECORD: Final = Rule(values=None, reason="a record that the cluster keeps, and no wish")
_NO_CLUSTER: Final = "there is no cluster around a device"
_NOT_BY_MANIFEST: Final = "`polyfleet rollout pause` pauses a rollout, its manifest does not; leave it out"
_ONCE: Final = (
    "a device runs a workload once at most, so nothing surges; in our own kind, rollout.method: startFirst"
)
_NOT_READ: Final = "nobody reads a termination message; the log is kept"
_NOTHING: Final = "asks for nothing"
_NO_ITEMS: Final = Rule(values=([],), reason=_NOTHING, others_go_on=True)
_NO_FIELDS: Final = Rule(values=({},), reason=_NOTHING, others_go_on=True)

METADATA: Final = {
    "creationTimestamp": _RECORD,
    "generation": _RECORD,
    "managedFields": _RECORD,
    "resourceVersion": _RECORD,
    "selfLink": _RECORD,
    "uid": _RECORD,
    "finalizers": _NO_ITEMS,
    "ownerReferences": _NO_ITEMS,
}
ANNOTATIONS: Final = {
    "deployment.kubernetes.io/revision": _RECORD,
    "deprecated.daemonset.template.generation": _RECORD,
    "kubectl.kubernetes.io/last-applied-configuration": _RECORD,
}
DEPLOYMENT: Final = {
    "paused": Rule(values=(False,), reason=_NOT_BY_MANIFEST),
    "revisionHistoryLimit": Rule(values=(10,), reason="every release is kept"),
    "strategy.rollingUpdate.maxSurge": Rule(values=("25%", 0, "0%"), reason=_ONCE),
    "strategy.type": Rule(
        values=("RollingUpdate", "Recreate"),
        reason="devices come to a release in waves, and each stops the old before it starts the new",
    ),
}
DAEMON_SET: Final = {
    "replicas": Rule(
        values=(), reason="a DaemonSet runs on every device; write a Deployment to say how many"
    ),
    "revisionHistoryLimit": Rule(values=(10,), reason="every release is kept"),
    "updateStrategy.rollingUpdate.maxSurge": Rule(values=(0, "0%"), reason=_ONCE),
    "updateStrategy.type": Rule(
        values=("RollingUpdate",),
        reason="nobody deletes a device's containers by hand; a wave with approval waits for an operator",
    ),
}
POD_SPEC: Final = {
    "automountServiceAccountToken": Rule(values=(False,), reason=_NO_CLUSTER),
    "dnsConfig": _NO_FIELDS,
    "dnsPolicy": Rule(
        values=("ClusterFirst", "ClusterFirstWithHostNet", "Default"),
        reason="names are resolved as the device resolves them",
    ),
    "enableServiceLinks": Rule(values=(True, False), reason="there are no Services to link to"),
    "ephemeralContainers": _NO_ITEMS,
    "hostAliases": _NO_ITEMS,
    "hostIPC": Rule(values=(False,), reason="every container has an IPC namespace of its own"),
    "hostPID": Rule(values=(False,), reason="every container has a PID namespace of its own"),
    "hostUsers": Rule(values=(True,), reason="no pod has a user namespace of its own"),
    "imagePullSecrets": _NO_ITEMS,
    "initContainers": _NO_ITEMS,
    "os": Rule(values=({"name": "linux"},), reason="every device runs Linux"),
    "overhead": _NO_FIELDS,
    "preemptionPolicy": Rule(
        values=("Never", "PreemptLowerPriority"), reason="priority evicts nothing from where it runs"
    ),
    "readinessGates": _NO_ITEMS,
    "resourceClaims": _NO_ITEMS,
    "schedulerName": Rule(values=("default-scheduler",), reason="there is one scheduler"),
    "schedulingGates": _NO_ITEMS,
    "securityContext": _NO_FIELDS,
    "serviceAccount": Rule(values=("default",), reason=_NO_CLUSTER),
    "serviceAccountName": Rule(values=("default",), reason=_NO_CLUSTER),
    "setHostnameAsFQDN": Rule(values=(False,), reason=_NO_CLUSTER),
    "shareProcessNamespace": Rule(values=(False,), reason="every container has a PID namespace of its own"),
    "volumes": _NO_ITEMS,
    "volumes.hostPath.type": Rule(values=("",), reason=_NOTHING, others_go_on=True),
}
CONTAINER: Final = {
    "imagePullPolicy": Rule(
        values=("IfNotPresent",), reason="a device pulls the digest that the release pins, if it lacks it"
    ),
    "lifecycle": _NO_FIELDS,
    "resizePolicy": _NO_ITEMS,
    "resources.claims": _NO_ITEMS,
    "securityContext": _NO_FIELDS,
    "stdin": Rule(values=(False,), reason="nobody types into a container"),
    "stdinOnce": Rule(values=(False,), reason="nobody types into a container"),
    "terminationMessagePath": Rule(values=("/dev/termination-log",), reason=_NOT_READ),
    "terminationMessagePolicy": Rule(values=("File",), reason=_NOT_READ),
    "tty": Rule(values=(False,), reason="nobody types into a container"),
    "volumeDevices": _NO_ITEMS,
    "volumeMounts": _NO_ITEMS,
}


def put_under(prefix: str, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The same rules, seen from the document around."""
    return {f"{prefix}.{name}": rule for name, rule in rules.items()}


_METADATA: Final = {"status": _RECORD, **put_under("metadata", METADATA)}


def _rules_of_pods(prefix: str) -> dict[str, Rule]:
    rules = put_under(prefix, POD_SPEC)
    for name in CONTAINER_LISTS:
        rules |= put_under(f"{prefix}.{name}", CONTAINER)
    return rules


_TEMPLATE: Final = {**_rules_of_pods("spec.template.spec"), **put_under("spec.template.metadata", METADATA)}

# By kind, each by its path without positions.
RULES: Final[Mapping[str, Mapping[str, Rule]]] = {
    "ConfigMap": _METADATA,
    "DaemonSet": {**_METADATA, **put_under("spec", DAEMON_SET), **_TEMPLATE},
    "Deployment": {**_METADATA, **put_under("spec", DEPLOYMENT), **_TEMPLATE},
    "Pod": {**_METADATA, **_rules_of_pods("spec")},
}


def sift(document: JsonObject, kind: str) -> tuple[JsonObject, tuple[Problem, ...]]:
    """The document without what carries nothing, and what is wrong with the values of that."""
    problems: list[Problem] = []
    sifted = _sift(document, "", RULES[kind], problems)
    for path in (("metadata",), ("spec", "template", "metadata")):
        metadata = object_at(sifted, *path)
        problems += _refuse_annotations(metadata.pop("annotations", {}), f"{'.'.join(path)}.annotations")
    return object_at(sifted), tuple(problems)


def _sift(value: JsonValue, path: str, rules: Mapping[str, Rule], problems: list[Problem]) -> JsonValue:
    if isinstance(value, list):
        return [_sift(item, f"{path}[{position}]", rules, problems) for position, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept: JsonObject = {}
    for key, item in value.items():
        place = f"{path}.{key}" if path else key
        rule = rules.get(_POSITION.sub("", place))
        if rule is None or (rule.others_go_on and not _is_taken(item, rule)):
            kept[key] = _sift(item, place, rules, problems)
        else:
            problems += refuse_value(item, place, rule)
    return kept


def refuse_value(value: JsonValue, path: str, rule: Rule) -> Iterator[Problem]:
    """What of a value is not taken, as deep within it as there is one value to compare with."""
    if rule.values is None or _is_taken(value, rule):
        return
    if len(rule.values) == 1 and isinstance(value, dict) and isinstance(rule.values[0], dict):
        for key, item in value.items():
            taken = rule.values[0]
            inner = Rule(values=(taken[key],) if key in taken else (), reason=rule.reason)
            yield from refuse_value(item, f"{path}.{key}", inner)
        return
    shown = " or ".join(json.dumps(taken) for taken in rule.values)
    yield Problem(path=path, message=f"only {shown} is taken: {rule.reason}" if shown else rule.reason)


def _is_taken(value: JsonValue, rule: Rule) -> bool:
    return any(_is_part(value, taken) for taken in rule.values or ())


def _is_part(value: JsonValue, whole: JsonValue) -> bool:
    if isinstance(value, dict) and isinstance(whole, dict):
        return all(key in whole and _is_part(item, whole[key]) for key, item in value.items())
    return json.dumps(value, sort_keys=True) == json.dumps(whole, sort_keys=True)  # to Python, 0 is False


def _refuse_annotations(annotations: JsonValue, path: str) -> Iterator[Problem]:
    if not isinstance(annotations, dict):
        yield Problem(path=path, message="expected an object")
        return
    for key in annotations:
        if key not in ANNOTATIONS:
            yield Problem(
                path=f"{path}[{json.dumps(key[:80])}]", message="not supported in this version; leave it out"
            )
