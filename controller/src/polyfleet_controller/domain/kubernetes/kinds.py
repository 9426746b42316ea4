"""Which kinds of documents are taken, and why others are not."""

from typing import Final

from polyfleet_controller.domain.kubernetes.secrets import refuse_secret
from polyfleet_controller.domain.manifest import API_VERSION, KIND
from polyfleet_controller.domain.manifest_refusals import refuse_kind
from polyfleet_shared.json_text import JsonValue, Problem, describe

POD: Final = "Pod"
DEPLOYMENT: Final = "Deployment"
DAEMON_SET: Final = "DaemonSet"
CONFIG_MAP: Final = "ConfigMap"
LIST: Final = "List"
SECRET: Final = "Secret"  # noqa: S105 - a kind, and no password

# The version in which each is taken.
KINDS: Final = {KIND: API_VERSION, POD: "v1", DEPLOYMENT: "apps/v1", DAEMON_SET: "apps/v1"}
# What is taken in files only: it is there for the workloads beside it.
COMPANIONS: Final = {CONFIG_MAP: "v1", LIST: "v1"}

_NO_NETWORK: Final = "devices have no cluster network; use hostPort"
_RUNS_ONCE: Final = "write a Pod with restartPolicy: OnFailure or Never, which runs to its end on one device"
_NO_ACCOUNTS: Final = "there is no cluster around a device to have accounts in"
_NO_CLAIMS: Final = "devices have no storage to claim"

REFUSED_KINDS: Final = {
    "Service": _NO_NETWORK,
    "Ingress": _NO_NETWORK,
    "NetworkPolicy": _NO_NETWORK,
    "Job": _RUNS_ONCE,
    "CronJob": "nothing is started by the clock; " + _RUNS_ONCE,
    "StatefulSet": "replicas have no names and claims of their own; write a Deployment, or one Pod for each",
    "ReplicaSet": "write a Deployment",
    "ReplicationController": "write a Deployment",
    "PersistentVolume": _NO_CLAIMS,
    "PersistentVolumeClaim": _NO_CLAIMS,
    "StorageClass": _NO_CLAIMS,
    "ServiceAccount": _NO_ACCOUNTS,
    "Role": _NO_ACCOUNTS,
    "RoleBinding": _NO_ACCOUNTS,
    "ClusterRole": _NO_ACCOUNTS,
    "ClusterRoleBinding": _NO_ACCOUNTS,
    "Namespace": "a namespace is there as soon as a workload names it; leave the document out",
    "Node": "devices announce themselves; label them with `polyfleet device label`",
    "PriorityClass": "write the number as priority in the pod's spec",
    "HorizontalPodAutoscaler": "the number of replicas is what the Deployment says",
    "PodDisruptionBudget": "nothing evicts a workload from a device",
}


def refuse_document(document: JsonValue, kinds: dict[str, str]) -> tuple[Problem, ...]:
    """Why the document is of none of these kinds and versions; empty if it is."""
    if not isinstance(document, dict):
        return (Problem(path="", message=f"expected an object, got {describe(document)}"),)
    kind = document.get("kind")
    if kind == SECRET:
        return (Problem(path="kind", message=refuse_secret(document)),)
    if isinstance(kind, str) and kind in REFUSED_KINDS:
        return (Problem(path="kind", message=f"{kind} is not taken: {REFUSED_KINDS[kind]}"),)
    if isinstance(kind, str) and kind in kinds:
        return refuse_kind(document, api_version=kinds[kind], kind=kind)
    if isinstance(kind, str) and kind in COMPANIONS:
        message = f"{kind} is no workload: apply the file that has all documents with `polyfleet apply -f`"
        return (Problem(path="kind", message=message),)
    return refuse_kind(document, api_version=API_VERSION, kind=KIND)
