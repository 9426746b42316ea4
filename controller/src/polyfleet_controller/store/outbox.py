"""What is to be published: at most one message for each device and channel, the newest.

A row is never changed, only replaced under a new id: a confirmation names the id that was sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, insert, literal, select, update

from polyfleet_controller.store.statements import insert_missing
from polyfleet_controller.store.tables import DEVICE, OUTBOX
from polyfleet_shared.topics import Channel

_COLUMNS = ("device", "channel", "clears", "due_at")
_DESIRED = OUTBOX.c.channel == Channel.DESIRED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that is due. `generation` and `digest` are of the device's document, None if it has none."""

    id: int
    device: str
    channel: Channel
    clears: bool
    generation: int | None
    digest: str | None


def send_desired(connection: Connection, devices: Sequence[str], *, now: datetime) -> None:
    """Send these devices their newest documents."""
    if devices:
        statement = delete(OUTBOX).where(_DESIRED, OUTBOX.c.device == bindparam("to"))
        connection.execute(statement, [{"to": device} for device in devices])
        connection.execute(insert(OUTBOX), [_desired_row(device, now) for device in devices])


def send_all_desired(connection: Connection, *, now: datetime) -> None:
    """Send every device that has a document its newest one."""
    has_document = DEVICE.c.document_digest.is_not(None)
    devices = select(DEVICE.c.name).where(has_document)
    connection.execute(delete(OUTBOX).where(_DESIRED, OUTBOX.c.device.in_(devices)))
    connection.execute(insert(OUTBOX).from_select(_COLUMNS, _desired_rows(now).where(has_document)))


def send_desired_later(connection: Connection, due: Sequence[tuple[str, datetime]]) -> None:
    """Send (device, time) their newest documents at that time, unless it is to be sent anyway."""
    insert_missing(connection, OUTBOX, [_desired_row(device, moment) for device, moment in due])


def cancel_later(connection: Connection, devices: Sequence[str], *, now: datetime) -> None:
    """These devices have their newest documents: what was to be sent again later is not."""
    if devices:
        connection.execute(
            delete(OUTBOX).where(_DESIRED, OUTBOX.c.device.in_(devices), OUTBOX.c.due_at > now)
        )


def clear_channels(
    connection: Connection, device: str, channels: Iterable[Channel], *, now: datetime
) -> None:
    """Clear a device's retained topics, instead of all that was to be sent to it."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.device == device))
    rows = [{"device": device, "channel": item.value, "clears": True, "due_at": now} for item in channels]
    connection.execute(insert(OUTBOX), rows)


def load_due(connection: Connection, *, limit: int, now: datetime) -> tuple[Waiting, ...]:
    """What is due, oldest first."""
    query = (
        select(OUTBOX, DEVICE.c.generation, DEVICE.c.document_digest)
        .outerjoin(DEVICE, DEVICE.c.name == OUTBOX.c.device)
        .where(OUTBOX.c.due_at <= now)
        .order_by(OUTBOX.c.due_at, OUTBOX.c.id)
        .limit(limit)
    )
    return tuple(
        Waiting(
            id=row.id,
            device=row.device,
            channel=Channel(row.channel),
            clears=row.clears,
            generation=row.generation,
            digest=row.document_digest,
        )
        for row in connection.execute(query)
    )


def finish(connection: Connection, ids: Sequence[int], *, now: datetime) -> None:
    """The broker has these."""
    published = select(OUTBOX.c.device).where(_DESIRED, OUTBOX.c.id == bindparam("sent"))
    parameters = [{"sent": sent} for sent in ids]
    connection.execute(
        update(DEVICE).where(DEVICE.c.name.in_(published)).values(published_at=now), parameters
    )
    connection.execute(delete(OUTBOX).where(OUTBOX.c.id == bindparam("sent")), parameters)


def _desired_row(device: str, due_at: datetime) -> dict[str, object]:
    return {"device": device, "channel": Channel.DESIRED.value, "clears": False, "due_at": due_at}


def _desired_rows(due_at: datetime) -> Select[Any]:
    return select(
        DEVICE.c.name,
        literal(Channel.DESIRED.value),
        literal(False),  # noqa: FBT003 - SQLAlchemy's form
        literal(due_at, OUTBOX.c.due_at.type),
    )
