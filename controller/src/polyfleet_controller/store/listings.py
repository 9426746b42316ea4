"""Devices and placements as lists show them: a page at a time, filtered by what has an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, select
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.devices import Connectivity, Device
from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.domain.requirements import Requirement
from polyfleet_controller.domain.taints import Taint
from polyfleet_controller.store.assignments import read_assignment
from polyfleet_controller.store.devices import read_device
from polyfleet_controller.store.label_filters import meets
from polyfleet_controller.store.marks import load_operator_labels, load_taints
from polyfleet_controller.store.tables import (
    ASSIGNMENT,
    DEVICE,
    DEVICE_LABEL,
    INVENTORY,
    REPORT,
    TELEMETRY,
    WORKLOAD,
)
from polyfleet_controller.store.values import read_conditions, read_labels
from polyfleet_shared.messages import (
    Condition,
    Inventory,
    PlatformSource,
    Reported,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.wire import decode_message

# A report of a former life says nothing about the machine that is there now.
_REPORT_IN_FORCE = and_(REPORT.c.device == DEVICE.c.name, REPORT.c.incarnation == DEVICE.c.incarnation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDevice:
    """A device with what its newest inventory and report say for a list."""

    device: Device
    platform_source: PlatformSource | None
    agent_version: str | None
    labels: Mapping[str, str]
    conditions: tuple[Condition, ...]
    taints: tuple[Taint, ...]


def list_devices(
    connection: Connection,
    *,
    equal: Mapping[str, str],
    labels: Mapping[str, str],
    requirements: Sequence[Requirement],
    limit: int,
    after: str | None,
) -> tuple[ListedDevice, ...]:
    """Devices by name, after a name, whose columns equal these values and that have all of the labels.

    They meet all of the requirements, too.
    """
    query = _select_listed().order_by(DEVICE.c.name).limit(limit)
    for column, value in equal.items():
        query = query.where(DEVICE.c[column] == value)
    for key, value in labels.items():
        label = select(DEVICE_LABEL.c.device).where(DEVICE_LABEL.c.key == key, DEVICE_LABEL.c.value == value)
        query = query.where(DEVICE.c.name.in_(label))
    for requirement in requirements:
        query = query.where(meets(requirement))
    if after is not None:
        query = query.where(DEVICE.c.name > after)
    return _read_listed(connection, connection.execute(query).all())


def find_listed_device(connection: Connection, name: str) -> ListedDevice | None:
    """One device."""
    rows = connection.execute(_select_listed().where(DEVICE.c.name == name)).all()
    return next(iter(_read_listed(connection, rows)), None)


def load_inventory(connection: Connection, device: str) -> Inventory | None:
    """The newest inventory of a device."""
    body = connection.execute(select(INVENTORY.c.body).where(INVENTORY.c.device == device)).scalar()
    return None if body is None else decode_message(Inventory, body.encode())


def load_telemetry(connection: Connection, device: str) -> Telemetry | None:
    """The newest telemetry of a device."""
    body = connection.execute(select(TELEMETRY.c.body).where(TELEMETRY.c.device == device)).scalar()
    return None if body is None else decode_message(Telemetry, body.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAssignment:
    """An assignment with its workload's name."""

    namespace: str
    name: str
    assignment: Assignment


def list_assignments(connection: Connection, device: str) -> tuple[NamedAssignment, ...]:
    """All workloads of a device, by name."""
    query = (
        select(ASSIGNMENT, WORKLOAD.c.namespace, WORKLOAD.c.name)
        .join(WORKLOAD, WORKLOAD.c.uid == ASSIGNMENT.c.workload)
        .where(ASSIGNMENT.c.device == device)
        .order_by(WORKLOAD.c.namespace, WORKLOAD.c.name)
    )
    return tuple(
        NamedAssignment(namespace=row.namespace, name=row.name, assignment=read_assignment(row))
        for row in connection.execute(query)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A workload on one device, and what the device reports of it."""

    device: str
    connectivity: Connectivity
    assignment: Assignment
    report: WorkloadReport | None


def list_placements(
    connection: Connection, workload: str, *, limit: int, after: str | None
) -> tuple[Placement, ...]:
    """The devices of a workload by name, after a name."""
    query = (
        select(ASSIGNMENT, DEVICE.c.connectivity, REPORT.c.body)
        .join(DEVICE, DEVICE.c.name == ASSIGNMENT.c.device)
        .outerjoin(REPORT, _REPORT_IN_FORCE)
        .where(ASSIGNMENT.c.workload == workload)
        .order_by(ASSIGNMENT.c.device)
        .limit(limit)
    )
    if after is not None:
        query = query.where(ASSIGNMENT.c.device > after)
    return tuple(
        Placement(
            device=row.device,
            connectivity=Connectivity(row.connectivity),
            assignment=read_assignment(row),
            report=find_report(row.body, workload),
        )
        for row in connection.execute(query)
    )


def find_report(body: str | None, workload: str) -> WorkloadReport | None:
    """What a report, as it came, says about a workload."""
    if body is None:
        return None
    report = decode_message(Reported, body.encode())
    return next((item for item in report.workloads if item.uid == workload), None)


def _select_listed() -> Select[Any]:
    return (
        select(
            DEVICE,
            INVENTORY.c.platform_source,
            INVENTORY.c.agent_version,
            INVENTORY.c.labels,
            REPORT.c.conditions,
        )
        .outerjoin(INVENTORY, INVENTORY.c.device == DEVICE.c.name)
        .outerjoin(REPORT, _REPORT_IN_FORCE)
    )


def _read_listed(connection: Connection, rows: Sequence[ResultRow[Any]]) -> tuple[ListedDevice, ...]:
    taints = load_taints(connection, [row.name for row in rows])
    # Without an inventory, there is nothing but what operators have set.
    bare = [row.name for row in rows if row.labels is None]
    operator = load_operator_labels(connection, bare) if bare else {}
    return tuple(
        ListedDevice(
            device=read_device(row),
            platform_source=None if row.platform_source is None else PlatformSource(row.platform_source),
            agent_version=row.agent_version,
            labels=operator.get(row.name, {}) if row.labels is None else read_labels(row.labels),
            conditions=read_conditions(row.conditions) if row.conditions else (),
            taints=taints.get(row.name, ()),
        )
        for row in rows
    )
