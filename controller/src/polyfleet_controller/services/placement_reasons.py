"""Why a workload runs on a device, or does not: decided anew, by the rules that place it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from polyfleet_controller.domain.scheduling.filters import FilterName
from polyfleet_controller.domain.scheduling.scorers import ScorerName, score_parts
from polyfleet_controller.domain.scheduling.selection import Selection
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.placements import Snapshot, take_snapshot
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.workloads import find_workload

# Of the devices that one filter refuses; their number says how many more there are.
MAX_NAMES: Final = 10


class Verdict(StrEnum):
    """What placement says to a device."""

    CHOSEN = "chosen"
    SPARE = "spare"  # it could have the workload; others have it already
    REFUSED = "refused"
    NOT_ELIGIBLE = "not_eligible"  # it is given no work at all: pending, a duplicate, or without inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one scorer adds for a device: more is better."""

    scorer: ScorerName
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReason:
    """`filter` and `message` say what refuses it first; `scores` compare it with the others that could."""

    device: str
    verdict: Verdict
    filter: FilterName | None = None
    message: str = ""
    scores: tuple[Score, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedDevices:
    """Devices that one filter refuses for the same reason; of their names, the first ones."""

    filter: FilterName
    message: str
    devices: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """A workload over all devices. `replicas` is None where it runs everywhere; `missing` found no device."""

    namespace: str
    name: str
    replicas: int | None
    missing: int
    chosen: int
    chosen_names: tuple[str, ...]
    spare: int
    refused: tuple[RefusedDevices, ...]


class PlacementReasons:
    """Answers from a snapshot of the fleet, and changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def explain(self, namespace: str, name: str, *, now: datetime) -> Why:
        """Why a workload is where it is.

        Raises:
            NotFoundError: there is no such workload.
            StoreError: the database does not answer.
        """
        uid, snapshot = self._look(namespace, name)
        workload = snapshot.workloads[uid]
        selection = snapshot.select(workload.request, now=now)
        return Why(
            namespace=namespace,
            name=name,
            replicas=workload.manifest.spec.replicas,
            missing=selection.missing,
            chosen=len(selection.chosen),
            chosen_names=tuple(sorted(selection.chosen)[:MAX_NAMES]),
            spare=len(selection.spare),
            refused=tuple(_group(selection)),
        )

    def explain_device(self, namespace: str, name: str, device: str, *, now: datetime) -> DeviceReason:
        """Why a workload is, or is not, on one device.

        Raises:
            NotFoundError: there is no such workload.
            StoreError: the database does not answer.
        """
        uid, snapshot = self._look(namespace, name)
        workload = snapshot.workloads[uid]
        member = next((item for item in snapshot.members if item.name == device), None)
        if member is None:
            return DeviceReason(
                device=device,
                verdict=Verdict.NOT_ELIGIBLE,
                message="it is given no work at all: `polyfleet device show` says why",
            )
        selection = snapshot.select(workload.request, now=now)
        refusal = selection.refused.get(device)
        candidate = snapshot.fleet.show(member, uid, now=now)
        parts = score_parts(workload.request, candidate, now=now)
        return DeviceReason(
            device=device,
            verdict=_judge(selection, device),
            filter=None if refusal is None else refusal.filter,
            message="" if refusal is None else refusal.message,
            scores=tuple(Score(scorer=scorer, points=points) for scorer, points in parts.items()),
        )

    def _look(self, namespace: str, name: str) -> tuple[str, Snapshot]:
        with self._database.read() as connection:
            stored = find_workload(connection, namespace, name)
            if stored is None:
                raise NotFoundError("workload", f"{namespace}/{name}")
            return stored.uid, take_snapshot(connection)


def _judge(selection: Selection, device: str) -> Verdict:
    if device in selection.chosen:
        return Verdict.CHOSEN
    return Verdict.SPARE if device in selection.spare else Verdict.REFUSED


def _group(selection: Selection) -> Iterable[RefusedDevices]:
    """By filter and words, the most devices first."""
    names: dict[tuple[FilterName, str], list[str]] = {}
    for device, refusal in selection.refused.items():
        if device not in selection.chosen:
            names.setdefault((refusal.filter, refusal.message), []).append(device)
    for (name, message), devices in sorted(names.items(), key=lambda item: (-len(item[1]), item[0])):
        yield RefusedDevices(
            filter=name, message=message, devices=len(devices), names=tuple(sorted(devices)[:MAX_NAMES])
        )
