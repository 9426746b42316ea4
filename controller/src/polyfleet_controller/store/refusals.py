"""Messages that could not be taken: the latest of each device, each text once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import REFUSAL


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefusal:
    """What was wrong, and when last."""

    device: str
    message: str
    at: datetime


def load_refusals(connection: Connection, devices: Iterable[str]) -> tuple[StoredRefusal, ...]:
    """The refusals of these devices, newest first."""
    query = select(REFUSAL).where(REFUSAL.c.device.in_(list(devices)))
    rows = connection.execute(query.order_by(REFUSAL.c.device, REFUSAL.c.at.desc(), REFUSAL.c.message))
    return tuple(StoredRefusal(device=row.device, message=row.message, at=row.at) for row in rows)


def save_refusals(connection: Connection, refusals: Sequence[StoredRefusal]) -> None:
    """Keep refusals, new or repeated."""
    rows = [{"device": item.device, "message": item.message, "at": item.at} for item in refusals]
    upsert(connection, REFUSAL, rows)


def delete_refusals(connection: Connection, refusals: Sequence[StoredRefusal]) -> None:
    """Forget refusals."""
    if refusals:
        statement = delete(REFUSAL).where(
            REFUSAL.c.device == bindparam("of"), REFUSAL.c.message == bindparam("what")
        )
        connection.execute(statement, [{"of": item.device, "what": item.message} for item in refusals])
