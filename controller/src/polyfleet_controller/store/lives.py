"""The lives of devices: their incarnations, and how far the events of each are here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, select

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.domain.incarnations import Lives
from polyfleet_controller.store.bulk import Values, bulk_upsert
from polyfleet_controller.store.tables import EVENT, INCARNATION

_UPSERT = bulk_upsert(INCARNATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One incarnation as it is kept.

    Its events up to `acknowledged` are here or will never come; of those after it, `waiting` are here, since
    one before them is missing.
    """

    incarnation: str
    first_seen: datetime
    superseded_at: datetime | None
    seen: tuple[int, int]
    acknowledged: int
    waiting: frozenset[int] = frozenset()


def load_lives(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, Life]]:
    """Every incarnation of these devices, by device and incarnation."""
    names = list(names)
    waiting = _load_waiting(connection, names)
    lives: dict[str, dict[str, Life]] = {}
    query = select(INCARNATION).where(INCARNATION.c.device.in_(names))
    for row in connection.execute(query.order_by(INCARNATION.c.first_seen)):
        lives.setdefault(row.device, {})[row.incarnation] = Life(
            incarnation=row.incarnation,
            first_seen=row.first_seen,
            superseded_at=row.superseded_at,
            seen=(row.boot, row.connection),
            acknowledged=row.acknowledged,
            waiting=frozenset(waiting.get((row.device, row.incarnation), ())),
        )
    return lives


def attach_lives(device: Device, lives: Mapping[str, Life]) -> Device:
    """The device with its former lives."""
    former = {key: life.seen for key, life in lives.items() if key != device.lives.current}
    if not former:
        return device
    return replace(device, lives=Lives(current=device.lives.current, former=former))


def save_lives(connection: Connection, lives: Mapping[str, Sequence[Life]]) -> None:
    """Write incarnations, by device."""
    _UPSERT.execute(connection, [_row(name, life) for name in lives for life in lives[name]])


def delete_lives(connection: Connection, lives: Sequence[tuple[str, str]]) -> None:
    """Forget these (device, incarnation)."""
    if lives:
        statement = delete(INCARNATION).where(
            INCARNATION.c.device == bindparam("key"), INCARNATION.c.incarnation == bindparam("life")
        )
        connection.execute(statement, [{"key": device, "life": life} for device, life in lives])


def _load_waiting(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], list[int]]:
    life = and_(
        INCARNATION.c.device == EVENT.c.device,
        INCARNATION.c.incarnation == EVENT.c.incarnation,
        INCARNATION.c.acknowledged < EVENT.c.seq,
    )
    query = (
        select(EVENT.c.device, EVENT.c.incarnation, EVENT.c.seq)
        .join(INCARNATION, life)
        .where(EVENT.c.device.in_(names))
    )
    waiting: dict[tuple[str, str], list[int]] = {}
    for row in connection.execute(query):
        waiting.setdefault((row.device, row.incarnation), []).append(row.seq)
    return waiting


def _row(device: str, life: Life) -> Values:
    """The values of all of INCARNATION's columns."""
    return (device, life.incarnation, life.first_seen, life.superseded_at, *life.seen, life.acknowledged)
