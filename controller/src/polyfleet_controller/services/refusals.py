"""Messages that could not be taken: kept for whoever looks at the device, and told once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.services.arrivals import Unreadable
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.refusals import (
    StoredRefusal,
    delete_refusals,
    load_refusals,
    save_refusals,
)

KEPT: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that could not be taken, for the log: `message` has the path and the reason."""

    device: str | None
    topic: str
    message: str


def note_refusals(
    connection: Connection, unreadable: Sequence[Unreadable], devices: Collection[str]
) -> tuple[Refusal, ...]:
    """Keep what was refused of these devices; give what was not refused alike before, and all of nobody's."""
    if not unreadable:
        return ()
    concerned = {item.device for item in unreadable if item.device is not None} & set(devices)
    before = load_refusals(connection, concerned)
    known = {(kept.device, kept.message) for kept in before}
    new = {
        (item.device, item.topic, item.message): Refusal(
            device=item.device, topic=item.topic, message=item.message
        )
        for item in unreadable
        if (item.device, item.message) not in known
    }
    after = {(kept.device, kept.message): kept for kept in before} | {
        (item.device, item.message): StoredRefusal(
            device=item.device, message=item.message, at=item.received_at
        )
        for item in unreadable
        if item.device is not None and item.device in concerned
    }
    surplus = _find_surplus(list(after.values()))
    save_refusals(connection, [kept for kept in after.values() if kept not in before and kept not in surplus])
    delete_refusals(connection, [kept for kept in before if (kept.device, kept.message) in _keys(surplus)])
    return tuple(new.values())


def _find_surplus(refusals: Sequence[StoredRefusal]) -> list[StoredRefusal]:
    """What each device has beyond its latest ones."""
    ranks: dict[str, int] = {}
    surplus: list[StoredRefusal] = []
    for kept in sorted(refusals, key=lambda item: item.at, reverse=True):
        ranks[kept.device] = ranks.get(kept.device, 0) + 1
        if ranks[kept.device] > KEPT:
            surplus.append(kept)
    return surplus


def _keys(refusals: Sequence[StoredRefusal]) -> set[tuple[str, str]]:
    return {(kept.device, kept.message) for kept in refusals}
