"""Pods: what the containers of one workload share. Each call may have been cut off in its middle before."""

import json
from typing import Any, Final

from polyfleet_agent.adapters.podman_api import PodmanApi, PodmanRefusal, Reasons
from polyfleet_agent.adapters.podman_containers import (
    LABEL_DEVICE,
    LABEL_SPEC_HASH,
    LABEL_UID,
    describe_pod,
    name_pod,
)
from polyfleet_agent.adapters.podman_volumes import name_volume, shared_volumes
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import DesiredWorkload

_STEP_SECONDS: Final = 180.0
_REASONS: Final = Reasons(otherwise=Reason.START_FAILED, late=Reason.START_TIMEOUT)
_PAUSE_PROGRAM: Final = "catatonit"


def ensure_pod(api: PodmanApi, device: str, workload: DesiredWorkload) -> None:
    """Have the workload's pod there, and the volumes that its containers share.

    Raises:
        RuntimeFailure: name_conflict, if somebody else has a pod of that name.
    """
    name = name_pod(workload)
    known = api.get(f"/pods/{name}/json")
    if not known.missing and (known.body.get("Labels") or {}).get(LABEL_DEVICE) != device:
        raise RuntimeFailure(Reason.NAME_CONFLICT, f"{name}: a pod that is not ours has that name")
    whole = not known.missing and bool(known.body.get("InfraContainerID"))
    if not whole:
        _remove(api, f"/pods/{name}", {"force": "true"})
        _create_pod(api, device, workload)
    for volume in shared_volumes(workload):
        _ensure_volume(api, device, workload, name_volume(workload, volume), anew=not whole)


def start_infra(api: PodmanApi, pod: str) -> None:
    """Start a pod's infra container alone: why it cannot start, Podman tells of no other container.

    Raises:
        RuntimeFailure: with the true cause, port_conflict for example.
    """
    known = api.get(f"/pods/{pod}/json")
    infra = "" if known.missing else known.body.get("InfraContainerID")
    if infra:
        api.post(f"/containers/{infra}/start", seconds=_STEP_SECONDS, reasons=_REASONS)


def remove_pod(api: PodmanApi, infra: dict[str, Any]) -> None:
    """Remove the pod of an inspected infra container, with all that it holds, and its volumes."""
    labels = infra["Config"].get("Labels") or {}
    filters = {
        "label": [f"{key}={labels.get(key, '')}" for key in (LABEL_DEVICE, LABEL_UID, LABEL_SPEC_HASH)]
    }
    listed = api.get("/volumes/json", {"filters": json.dumps(filters)}).body or []
    in_use = [volume["Name"] for volume in listed if not _remove_unused(api, volume["Name"])]
    # Last, since it is by its infra container that the volumes are found again.
    _remove(api, f"/pods/{infra['Pod']}", {"force": "true"})
    for name in in_use:
        _remove(api, f"/volumes/{name}", {})


def _create_pod(api: PodmanApi, device: str, workload: DesiredWorkload) -> None:
    try:
        api.post("/pods/create", body=describe_pod(device, workload), seconds=_STEP_SECONDS, reasons=_REASONS)
    except PodmanRefusal as refusal:
        if _PAUSE_PROGRAM not in refusal.message:
            raise
        message = f"{refusal.message}; install the package {_PAUSE_PROGRAM}: pods need it"
        raise RuntimeFailure(Reason.START_FAILED, message) from refusal


def _ensure_volume(api: PodmanApi, device: str, workload: DesiredWorkload, name: str, *, anew: bool) -> None:
    if anew:
        _remove(api, f"/volumes/{name}", {})
    elif not api.get(f"/volumes/{name}/json").missing:
        return
    labels = {LABEL_DEVICE: device, LABEL_UID: workload.uid, LABEL_SPEC_HASH: workload.spec_hash}
    api.post("/volumes/create", body={"Name": name, "Label": labels}, reasons=_REASONS)


def _remove_unused(api: PodmanApi, name: str) -> bool:
    try:
        _remove(api, f"/volumes/{name}", {})
    except PodmanRefusal:
        return False
    return True


def _remove(api: PodmanApi, path: str, parameters: dict[str, str]) -> None:
    api.delete(path, parameters, seconds=_STEP_SECONDS, reasons=_REASONS)
