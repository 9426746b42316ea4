"""Where a workload can run. Each filter is one function that gives its reason; FILTERS says in which order.

A new filter is a member of FilterName, a function, and a line in FILTERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from polyfleet_controller.domain.coverage import Coverage
from polyfleet_controller.domain.scheduling.candidates import Candidate
from polyfleet_controller.domain.scheduling.requests import Replicas, Request, WhenUnsatisfiable
from polyfleet_controller.domain.taints import Effect, find_untolerated

_MEBIBYTE: Final = 1024 * 1024
_KEEPS_OUT: Final = frozenset({Effect.NO_SCHEDULE, Effect.NO_EXECUTE})
_DRIVES_OUT: Final = frozenset({Effect.NO_EXECUTE})


class FilterName(StrEnum):
    """Which filter refused a device."""

    REACH = "reach"
    NODE_SELECTOR = "node_selector"
    AFFINITY = "affinity"
    TAINTS = "taints"
    PLATFORM = "platform"
    TOPOLOGY = "topology"
    PORTS = "ports"
    MEMORY = "memory"
    CPU = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a device cannot have a workload: the first filter that said no, and its figures."""

    filter: FilterName
    message: str


Filter: TypeAlias = Callable[[Request, Candidate, datetime], str | None]


def find_refusal(request: Request, candidate: Candidate, *, now: datetime) -> Refusal | None:
    """The first filter that refuses the device, None if it can have the workload."""
    for name, refuse in FILTERS.items():
        message = refuse(request, candidate, now)
        if message is not None:
            return Refusal(filter=name, message=message)
    return None


def _check_reach(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    """What runs everywhere waits for a device; a replica is worth nothing on one that is gone."""
    if candidate.gone_for is None or not isinstance(request.extent, Replicas):
        return None
    seconds = int(candidate.gone_for.total_seconds())
    if not candidate.placed:
        return f"the device has been out of reach for {seconds} s"
    patience = request.extent.patience
    if patience is None or candidate.gone_for < patience:
        return None
    return (
        f"the device has been out of reach for {seconds} s; "
        f"replicas are moved after {int(patience.total_seconds())} s"
    )


def _check_node_selector(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    for key, wanted in request.node_selector.items():
        found = candidate.labels.get(key)
        if found != wanted:
            has = "has no such label" if found is None else f"has {key}={found}"
            return f"nodeSelector wants {key}={wanted}; the device {has}"
    return None


def _check_affinity(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    if request.affinity is None or any(term.is_met(candidate.labels) for term in request.affinity):
        return None
    return f"nodeAffinity wants {' or '.join(map(str, request.affinity)) or 'nothing that can be met'}"


def _check_taints(request: Request, candidate: Candidate, now: datetime) -> str | None:
    effects = _DRIVES_OUT if candidate.placed else _KEEPS_OUT
    taint = find_untolerated(candidate.taints, request.tolerations, effects, now=now)
    return None if taint is None else f"the device has the taint {taint}, which is not tolerated"


def _check_platform(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    """What runs everywhere is held on a device that it does not cover, and goes on by itself later."""
    decides = request.excludes or isinstance(request.extent, Replicas)
    if not request.images or not decides:
        return None
    found = request.cover(candidate.platforms)
    return None if isinstance(found, Coverage) else str(found)


def _check_topology(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    """A device without the label belongs nowhere (Kubernetes, "Pod Topology Spread Constraints")."""
    for spread in request.spreads:
        hard = spread.when_unsatisfiable is WhenUnsatisfiable.DO_NOT_SCHEDULE
        if hard and spread.topology_key not in candidate.labels:
            return f"replicas are spread by {spread.topology_key}, which the device has no label of"
    return None


def _check_ports(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    taken = sorted(request.ports & candidate.ports, key=lambda item: (item.port, item.protocol))
    return f"another workload on the device has its port {taken[0]}" if taken else None


def _check_memory(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    needed = request.resources.memory
    if not needed or needed <= (free := candidate.free.memory):
        return None
    return f"needs {_show_memory(needed)} of memory, {_show_memory(free)} free"


def _check_cpu(request: Request, candidate: Candidate, _now: datetime) -> str | None:
    needed = request.resources.cpu
    if not needed or needed <= (free := candidate.free.cpu):
        return None
    return f"needs {_show_cpu(needed)}, {_show_cpu(free)} free"


def _show_memory(size: int) -> str:
    """In MiB; what is needed never looks like less than what is free."""
    return f"{size} B" if size < _MEBIBYTE else f"{size / _MEBIBYTE:.10g} MiB"


def _show_cpu(thousandths: int) -> str:
    return f"{thousandths / 1000:g} CPU"


FILTERS: Final[dict[FilterName, Filter]] = {
    FilterName.NODE_SELECTOR: _check_node_selector,
    FilterName.AFFINITY: _check_affinity,
    FilterName.TAINTS: _check_taints,
    FilterName.PLATFORM: _check_platform,
    FilterName.TOPOLOGY: _check_topology,
    FilterName.PORTS: _check_ports,
    FilterName.MEMORY: _check_memory,
    FilterName.CPU: _check_cpu,
    FilterName.REACH: _check_reach,
}
