"""What operators put on devices, and the labels that count there, whoever says them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, delete, insert, select, update

from polyfleet_controller.domain.scheduling.candidates import Resources
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_controller.store.tables import DEVICE_LABEL, INVENTORY, OPERATOR_LABEL, TAINT
from polyfleet_controller.store.values import read_labels, write_labels

_THOUSANDTHS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementFacts:
    """What placement looks at in a device, beside its platforms and taints."""

    labels: Mapping[str, str]
    cpu_count: int
    memory_total: int

    @property
    def capacity(self) -> Resources:
        """All that the device has."""
        return Resources(cpu=self.cpu_count * _THOUSANDTHS, memory=self.memory_total)


def load_placement_facts(connection: Connection, devices: Iterable[str]) -> dict[str, PlacementFacts]:
    """As the newest inventories have it; nothing of a device without one."""
    columns = (INVENTORY.c.device, INVENTORY.c.labels, INVENTORY.c.cpu_count, INVENTORY.c.memory_total)
    query = select(*columns).where(INVENTORY.c.device.in_(list(devices)))
    return {
        row.device: PlacementFacts(
            labels=read_labels(row.labels), cpu_count=row.cpu_count, memory_total=row.memory_total
        )
        for row in connection.execute(query)
    }


def load_operator_labels(
    connection: Connection, devices: Iterable[str] | None = None
) -> dict[str, dict[str, str]]:
    """What operators have set, by device: of these, or of all. Without any, a device is not in it."""
    labels: dict[str, dict[str, str]] = {}
    for row in connection.execute(_select(OPERATOR_LABEL, devices)):
        labels.setdefault(row.device, {})[row.key] = row.value
    return labels


def save_operator_labels(connection: Connection, device: str, labels: Mapping[str, str]) -> None:
    """Write what operators have set on a device: these, and no others."""
    _replace(connection, OPERATOR_LABEL, {device: labels})


def load_taints(connection: Connection, devices: Iterable[str] | None = None) -> dict[str, tuple[Taint, ...]]:
    """By device, by key and effect: of these, or of all. Without any, a device is not in it."""
    query = _select(TAINT, devices).order_by(TAINT.c.device, TAINT.c.key, TAINT.c.effect)
    taints: dict[str, tuple[Taint, ...]] = {}
    for row in connection.execute(query):
        taint = Taint(key=row.key, value=row.value, effect=Effect(row.effect), since=row.since)
        taints[row.device] = (*taints.get(row.device, ()), taint)
    return taints


def save_taints(connection: Connection, device: str, taints: Iterable[Taint]) -> None:
    """Write the taints of a device: these, and no others."""
    connection.execute(delete(TAINT).where(TAINT.c.device == device))
    rows = [
        {
            "device": device,
            "key": taint.key,
            "effect": taint.effect.value,
            "value": taint.value,
            "since": taint.since,
        }
        for taint in taints
    ]
    if rows:
        connection.execute(insert(TAINT), rows)


def save_counting_labels(connection: Connection, device: str, labels: Mapping[str, str]) -> None:
    """Write the labels that count on a device: these, and no others."""
    values = {"labels": write_labels(labels)}
    connection.execute(update(INVENTORY).where(INVENTORY.c.device == device).values(values))
    index_labels(connection, {device: labels})


def index_labels(connection: Connection, labels: Mapping[str, Mapping[str, str]]) -> None:
    """Let lists filter by the labels that count, by device: these, and no others."""
    _replace(connection, DEVICE_LABEL, labels)


def _replace(connection: Connection, table: Table, labels: Mapping[str, Mapping[str, str]]) -> None:
    if not labels:
        return
    connection.execute(delete(table).where(table.c.device.in_(list(labels))))
    rows = [
        {"device": device, "key": key, "value": value}
        for device, found in labels.items()
        for key, value in found.items()
    ]
    if rows:
        connection.execute(insert(table), rows)


def _select(table: Table, devices: Iterable[str] | None) -> Select[Any]:
    query = select(table)
    return query if devices is None else query.where(table.c.device.in_(list(devices)))
