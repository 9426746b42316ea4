"""The history of devices, bounded per device, and how far it is acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from polyfleet_controller.store.bulk import Values, bulk_insert
from polyfleet_controller.store.tables import DEVICE, EVENT
from polyfleet_shared.reasons import Reason

_INSERT = bulk_insert(EVENT, [column.name for column in EVENT.columns])


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKey:
    """An event for ever: `seq` counts within the incarnation."""

    device: str
    incarnation: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """A line of a device's history. `number` counts them as they came."""

    key: EventKey
    number: int
    kind: str
    at: datetime
    received_at: datetime
    workload: str | None = None
    release: str | None = None
    reason: Reason | None = None
    message: str = ""
    size: int | None = None
    seconds: float | None = None


def add_events(connection: Connection, events: Sequence[StoredEvent]) -> None:
    """Keep events that are not kept yet."""
    _INSERT.execute(connection, [_row(event) for event in events])


def forget_events(connection: Connection, bounds: Sequence[tuple[str, int]]) -> None:
    """Forget the events of each device up to a number."""
    if bounds:
        statement = delete(EVENT).where(
            EVENT.c.device == bindparam("of"), EVENT.c.number <= bindparam("last")
        )
        connection.execute(statement, [{"of": device, "last": last} for device, last in bounds])


def list_events(
    connection: Connection, device: str, *, limit: int, before: int | None = None
) -> tuple[StoredEvent, ...]:
    """A device's history, newest first, from before a number."""
    query = select(EVENT).where(EVENT.c.device == device)
    if before is not None:
        query = query.where(EVENT.c.number < before)
    rows = connection.execute(query.order_by(EVENT.c.number.desc()).limit(limit))
    return tuple(
        StoredEvent(
            key=EventKey(device=row.device, incarnation=row.incarnation, seq=row.seq),
            number=row.number,
            kind=row.kind,
            at=row.at,
            received_at=row.received_at,
            workload=row.workload,
            release=row.release,
            reason=None if row.reason is None else Reason(row.reason),
            message=row.message,
            size=row.size,
            seconds=row.seconds,
        )
        for row in rows
    )


def has_device(connection: Connection, name: str) -> bool:
    """Whether the device is known."""
    return connection.execute(select(DEVICE.c.name).where(DEVICE.c.name == name)).first() is not None


def _row(event: StoredEvent) -> Values:
    """The values of all of EVENT's columns."""
    return (
        event.key.device,
        event.key.incarnation,
        event.key.seq,
        event.number,
        event.kind,
        event.at,
        event.received_at,
        event.workload,
        event.release,
        None if event.reason is None else event.reason.value,
        event.message,
        event.size,
        event.seconds,
    )
