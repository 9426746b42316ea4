"""The newest inventory, report and telemetry of each device, as they came."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from polyfleet_controller.store.bulk import bulk_upsert
from polyfleet_controller.store.marks import index_labels
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import DEVICE, INVENTORY, REPORT, TELEMETRY
from polyfleet_controller.store.values import write_conditions, write_labels
from polyfleet_shared.messages import Inventory, Reported
from polyfleet_shared.wire import decode_message

_UPSERT_REPORT = bulk_upsert(REPORT)
_UPSERT_TELEMETRY = bulk_upsert(TELEMETRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredInventory:
    """An inventory and the text that it was read from."""

    device: str
    inventory: Inventory
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A report and the text that it was read from."""

    device: str
    report: Reported
    body: str


def save_inventories(
    connection: Connection, inventories: Sequence[StoredInventory], labels: Mapping[str, Mapping[str, str]]
) -> None:
    """Write inventories, and by device the labels that count."""
    upsert(
        connection,
        INVENTORY,
        [
            {
                "device": item.device,
                "platform_source": item.inventory.platform_source.value,
                "agent_version": item.inventory.agent_version,
                "labels": write_labels(labels[item.device]),
                "cpu_count": item.inventory.host.cpu_count,
                "memory_total": item.inventory.host.memory_total,
                "time_zone": item.inventory.host.time_zone,
                "body": item.body,
            }
            for item in inventories
        ],
    )
    index_labels(connection, {item.device: labels[item.device] for item in inventories})


def save_reports(connection: Connection, reports: Sequence[StoredReport]) -> None:
    """Write reports."""
    _UPSERT_REPORT.execute(
        connection,
        [
            (
                item.device,
                item.report.stamp.incarnation,
                write_conditions(item.report.conditions) if item.report.conditions else "",
                item.body,
            )
            for item in reports
        ],
    )


def save_telemetry(connection: Connection, telemetry: Mapping[str, str]) -> None:
    """Write telemetry, by device."""
    _UPSERT_TELEMETRY.execute(connection, list(telemetry.items()))


def load_reports(connection: Connection, devices: Iterable[str]) -> dict[str, Reported]:
    """The reports of these devices that come from the life in force."""
    query = (
        select(REPORT.c.device, REPORT.c.body)
        .join(DEVICE, (DEVICE.c.name == REPORT.c.device) & (DEVICE.c.incarnation == REPORT.c.incarnation))
        .where(REPORT.c.device.in_(list(devices)))
    )
    return {row.device: decode_message(Reported, row.body.encode()) for row in connection.execute(query)}
