"""Devices as placement sees them, all at once: one row each, and what few of them have beside it."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, or_, select
from sqlalchemy.engine import Row as ResultRow
from sqlalchemy.sql.elements import ColumnElement

from polyfleet_controller.domain.devices import Admission, Connectivity
from polyfleet_controller.domain.scheduling.candidates import Resources
from polyfleet_controller.domain.scheduling.fleet import Member
from polyfleet_controller.domain.taints import Taint
from polyfleet_controller.store.marks import load_taints
from polyfleet_controller.store.tables import ASSIGNMENT, DEVICE, INVENTORY, PLATFORM_SET
from polyfleet_controller.store.values import read_labels, read_platforms

# Devices that are given work at all.
ELIGIBLE: Final[ColumnElement[bool]] = and_(
    DEVICE.c.admission == Admission.ADMITTED.value,
    DEVICE.c.duplicate_since.is_(None),
    DEVICE.c.platform_set.is_not(None),
)
_IN_STEP: Final = and_(ELIGIBLE, DEVICE.c.oversized.is_(None), DEVICE.c.document_digest.is_not(None))
_OUT_OF_STEP: Final = and_(ELIGIBLE, or_(DEVICE.c.oversized.is_not(None), DEVICE.c.document_digest.is_(None)))
_THOUSANDTHS: Final = 1000
# None for all others: to read a time costs more than the rest of a row.
_GONE_SINCE: Final = case((DEVICE.c.connectivity == Connectivity.OFFLINE.value, DEVICE.c.since))


def load_members(connection: Connection) -> tuple[Member, ...]:
    """Every device that is given work and is in step with its document, by name."""
    taints = load_taints(connection)
    return tuple(_read(row, taints) for row in connection.execute(_select().where(_IN_STEP)))


def load_devices_out_of_step(connection: Connection) -> tuple[str, ...]:
    """The devices that must be derived one by one: oversized ones, and those without a document."""
    return tuple(connection.execute(select(DEVICE.c.name).where(_OUT_OF_STEP)).scalars())


def list_gone(connection: Connection, workloads: Collection[str]) -> tuple[tuple[str, datetime], ...]:
    """(workload, since when) for each device out of reach that one of these workloads is on."""
    query = (
        select(ASSIGNMENT.c.workload, DEVICE.c.since)
        .join(DEVICE, DEVICE.c.name == ASSIGNMENT.c.device)
        .where(ASSIGNMENT.c.workload.in_(list(workloads)))
        .where(DEVICE.c.connectivity == Connectivity.OFFLINE.value, DEVICE.c.since.is_not(None))
        .distinct()
    )
    return tuple((row.workload, row.since) for row in connection.execute(query))


def _select() -> Select[Any]:
    return (
        select(
            DEVICE.c.name,
            DEVICE.c.platform_set,
            DEVICE.c.document_digest,
            _GONE_SINCE,
            PLATFORM_SET.c.body,
            INVENTORY.c.labels,
            INVENTORY.c.cpu_count,
            INVENTORY.c.memory_total,
        )
        .join(PLATFORM_SET, PLATFORM_SET.c.digest == DEVICE.c.platform_set)
        .join(INVENTORY, INVENTORY.c.device == DEVICE.c.name)
        .order_by(DEVICE.c.name)
    )


def _read(row: ResultRow[Any], taints: Mapping[str, tuple[Taint, ...]]) -> Member:
    values: tuple[Any, ...] = tuple(row)
    name, platform_set, digest, gone_since, platforms, labels, cpu_count, memory_total = values
    return Member(
        name=name,
        platform_set=platform_set,
        platforms=read_platforms(platforms),
        labels=read_labels(labels),
        taints=taints.get(name, ()),
        capacity=_make_capacity(cpu_count, memory_total),
        gone_since=gone_since,
        content=digest,
    )


@lru_cache(maxsize=1024)
def _make_capacity(cpu_count: int, memory_total: int) -> Resources:
    """Many devices have the same."""
    return Resources(cpu=cpu_count * _THOUSANDTHS, memory=memory_total)
