"""Why a field of Kubernetes is not taken: not in this version, or because it means nothing here."""

import re
from collections.abc import Mapping
from typing import Final

from polyfleet_controller.domain.pod_probes import PROBE_FIELDS
from polyfleet_shared.json_text import Problem

_POSITION: Final = re.compile(r"\[[0-9]+\]")
_UNKNOWN: Final = "unknown field"
_SHOWN: Final = 80

_LATER: Final = "not supported in this version; leave it out"
_BY_LABELS: Final = "has no meaning here: write nodeSelector, for example kubernetes.io/hostname: edge-7"
_PINNED: Final = "has no meaning here: every device pulls the digest that the release pins, if it lacks it"
_LINUX_ONLY: Final = "has no meaning here: devices run Linux"
_RECORDED: Final = "has no meaning here: Polyfleet keeps this itself; leave it out"

# By path, positions left out. A field that is in neither Kubernetes nor here stays "unknown field".
_METADATA: Final = {
    "annotations": _LATER,
    "generateName": "not supported: give the workload a name",
    **dict.fromkeys(
        (
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "finalizers",
            "generation",
            "managedFields",
            "ownerReferences",
            "selfLink",
            "uid",
        ),
        _RECORDED,
    ),
}
_SPEC: Final = {
    "selector": "has no meaning here: a workload knows its own containers",
    "paused": "has no meaning here: `polyfleet rollout pause` pauses a rollout, its manifest does not",
    **dict.fromkeys(
        ("strategy", "updateStrategy"), "has no meaning here: write rollout, with its maxUnavailable"
    ),
    **dict.fromkeys(("placement", "revisionHistoryLimit"), _LATER),
}
_POD: Final = {
    "ephemeralContainers": "has no meaning here: a device runs what its release names, nothing on the side",
    "nodeName": _BY_LABELS,
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.matchFields": (
        _BY_LABELS
    ),
    "affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution.preference.matchFields": (
        _BY_LABELS
    ),
    "affinity.podAffinity": _LATER,
    "affinity.podAntiAffinity": "has no meaning here: a device runs a workload once at most",
    **dict.fromkeys(
        (
            "topologySpreadConstraints.labelSelector.matchExpressions",
            "topologySpreadConstraints.matchLabelKeys",
            "topologySpreadConstraints.minDomains",
            "topologySpreadConstraints.nodeAffinityPolicy",
            "topologySpreadConstraints.nodeTaintsPolicy",
        ),
        _LATER,
    ),
    **dict.fromkeys(
        (
            "enableServiceLinks",
            "preemptionPolicy",
            "priorityClassName",
            "readinessGates",
            "resourceClaims",
            "schedulerName",
            "schedulingGates",
            "serviceAccount",
            "serviceAccountName",
            "automountServiceAccountToken",
            "setHostnameAsFQDN",
            "subdomain",
        ),
        "has no meaning here: there is no cluster around a device; leave it out",
    ),
    **dict.fromkeys(
        (
            "activeDeadlineSeconds",
            "dnsConfig",
            "dnsPolicy",
            "hostAliases",
            "hostIPC",
            "hostPID",
            "hostUsers",
            "hostname",
            "os",
            "overhead",
            "runtimeClassName",
            "shareProcessNamespace",
        ),
        _LATER,
    ),
}
_SECURITY: Final = dict.fromkeys(("appArmorProfile", "seccompProfile", "seLinuxOptions"), _LATER)
_CONTAINER_SECURITY: Final = {
    **_SECURITY,
    "procMount": _LATER,
    "windowsOptions": _LINUX_ONLY,
}
_POD_SECURITY: Final = {
    **_SECURITY,
    **dict.fromkeys(
        ("fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy", "sysctls"),
        _LATER,
    ),
    "windowsOptions": _LINUX_ONLY,
}
_MOUNT: Final = dict.fromkeys(("mountPropagation", "recursiveReadOnly", "subPath", "subPathExpr"), _LATER)
_PROBE: Final = {
    "grpc": "not supported: use httpGet, tcpSocket or exec",
    "terminationGracePeriodSeconds": "not supported in this version: that of the pod holds; leave it out",
}
_CONTAINER: Final = {
    "imagePullPolicy": _PINNED,
    **dict.fromkeys(
        (
            "lifecycle",
            "resizePolicy",
            "restartPolicy",
            "stdin",
            "stdinOnce",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            "volumeDevices",
        ),
        _LATER,
    ),
    **dict.fromkeys(
        ("env.valueFrom.configMapKeyRef", "envFrom.configMapRef"),
        "not supported in our own kind: write the value under env",
    ),
    **dict.fromkeys(
        ("env.valueFrom.fieldRef", "env.valueFrom.fileKeyRef", "env.valueFrom.resourceFieldRef"),
        "a device's own values are not known when the manifest is applied; write the value",
    ),
    "ports.hostIP": _LATER,
    "resources.claims": _LATER,
    "resources.limits.ephemeral-storage": _LATER,
    "resources.requests.ephemeral-storage": _LATER,
    **{f"securityContext.{name}": message for name, message in _CONTAINER_SECURITY.items()},
    **{f"volumeMounts.{name}": message for name, message in _MOUNT.items()},
    **{f"{probe}.{name}": message for probe in PROBE_FIELDS for name, message in _PROBE.items()},
}

_VOLUME: Final = {
    **dict.fromkeys(
        ("downwardAPI", "projected"),
        "not supported in this version: use hostPath, emptyDir, configMap or secret",
    ),
    **dict.fromkeys(
        (
            "awsElasticBlockStore",
            "azureDisk",
            "azureFile",
            "cephfs",
            "cinder",
            "csi",
            "ephemeral",
            "fc",
            "flexVolume",
            "flocker",
            "gcePersistentDisk",
            "gitRepo",
            "glusterfs",
            "image",
            "iscsi",
            "nfs",
            "persistentVolumeClaim",
            "photonPersistentDisk",
            "portworxVolume",
            "quobyte",
            "rbd",
            "scaleIO",
            "storageos",
            "vsphereVolume",
        ),
        "has no meaning here: a device has its own disk; mount it there and use hostPath",
    ),
    **dict.fromkeys(
        ("configMap.name", "configMap.optional", "configMap.defaultMode", "configMap.items.path"),
        "not supported in this version: write each file under items, with its key, text and mode",
    ),
}


def _under(prefix: str, messages: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}.{name}": message for name, message in messages.items()}


# By path, positions left out.
MESSAGES: Final = {
    "status": _RECORDED,
    **_under("metadata", _METADATA),
    **_under("spec", _SPEC),
    "spec.template.metadata": "has no meaning here: labels stand in the workload's own metadata",
    **_under("spec.template.spec", _POD),
    **_under("spec.template.spec.securityContext", _POD_SECURITY),
    **_under("spec.template.spec.volumes", _VOLUME),
    **_under("spec.template.spec.containers", _CONTAINER),
    **_under("spec.template.spec.initContainers", _CONTAINER),
}


def explain_refusals(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """The same problems, with what is known about each unknown field of Kubernetes in its message."""
    return tuple(
        Problem(path=problem.path, message=MESSAGES.get(_POSITION.sub("", problem.path), _UNKNOWN))
        if problem.message == _UNKNOWN
        else problem
        for problem in problems
    )


def refuse_kind(document: object, *, api_version: str, kind: str) -> tuple[Problem, ...]:
    """Why the document is not of this kind and version; empty if it is, or is no object at all."""
    if not isinstance(document, dict):
        return ()
    problems = []
    given_version, given_kind = document.get("apiVersion"), document.get("kind")
    if given_kind != kind:
        problems.append(Problem(path="kind", message=_kind_message(given_kind, kind)))
    if given_version != api_version and (given_kind == kind or given_version is None):
        shown = "missing" if given_version is None else f"{str(given_version)[:_SHOWN]!r} is not known"
        problems.append(Problem(path="apiVersion", message=f"{shown}; write {api_version}"))
    return tuple(problems)


def _kind_message(given: object, kind: str) -> str:
    if given is None:
        return f"missing; write kind: {kind}"
    if not isinstance(given, str):
        return f"expected a text; write kind: {kind}"
    return (
        f"{given[:_SHOWN]!r} is not known; {kind} is taken, and of Kubernetes' Pod, Deployment and DaemonSet"
    )
