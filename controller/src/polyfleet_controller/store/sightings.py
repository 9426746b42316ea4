"""The devices that are to have a workload, as its rollout looks at them: one row each."""

from typing import Any

from sqlalchemy import Connection, Select, select
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.devices import Connectivity
from polyfleet_controller.domain.sightings import SeenDevice
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.store.tables import ASSIGNMENT, DEVICE, INVENTORY, PLATFORM_SET
from polyfleet_controller.store.values import read_labels, read_platforms


def list_seen_devices(
    connection: Connection, workload: str, *, topology_key: str | None = None
) -> tuple[SeenDevice, ...]:
    """By name, without their reports; of one place are those with the same value of the label."""
    query: Select[Any] = (
        select(
            ASSIGNMENT.c.device,
            ASSIGNMENT.c.standing,
            ASSIGNMENT.c.available,
            ASSIGNMENT.c.prefetched,
            DEVICE.c.platform_set,
            DEVICE.c.connectivity,
            DEVICE.c.document_digest,
            DEVICE.c.observed_digest,
            PLATFORM_SET.c.body,
            INVENTORY.c.time_zone,
            INVENTORY.c.labels,
        )
        .join(DEVICE, DEVICE.c.name == ASSIGNMENT.c.device)
        .join(PLATFORM_SET, PLATFORM_SET.c.digest == DEVICE.c.platform_set)
        .join(INVENTORY, INVENTORY.c.device == ASSIGNMENT.c.device)
        .where(ASSIGNMENT.c.workload == workload)
        .order_by(ASSIGNMENT.c.device)
    )
    return tuple(_read(row, topology_key) for row in connection.execute(query))


def _read(row: ResultRow[Any], topology_key: str | None) -> SeenDevice:
    return SeenDevice(
        name=row.device,
        platform_set=row.platform_set,
        platforms=read_platforms(row.body),
        online=row.connectivity != Connectivity.OFFLINE.value,
        is_current=row.observed_digest == row.document_digest,
        standing=Standing(row.standing),
        available=row.available,
        prefetched=row.prefetched,
        time_zone=row.time_zone,
        topology=None if topology_key is None else read_labels(row.labels).get(topology_key),
    )
