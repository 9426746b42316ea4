"""The events of devices: each kept once, the newest of each device, and acknowledged without a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.services.intake import ReceivedEvent
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.events import (
    EventKey,
    StoredEvent,
    add_events,
    forget_events,
)
from polyfleet_controller.store.lives import Life
from polyfleet_shared.messages import Acknowledgement, Event

KEPT: Final = 1000
# The kind of an event that could not be read: it has its place in the history, and its message says why.
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a batch of events comes to: lives whose acknowledgement moved, and what each device is told."""

    lives: dict[str, list[Life]]
    acknowledgements: tuple[tuple[str, Acknowledgement], ...]


def count_events(devices: dict[str, Device], fresh: Sequence[ReceivedEvent]) -> list[StoredEvent]:
    """Number events that are new, and count them on their devices."""
    stored: list[StoredEvent] = []
    for received in fresh:
        device = devices[received.device]
        number = device.events + 1
        devices[received.device] = replace(device, events=number)
        stored.append(_line(received, number))
    return stored


def find_fresh(
    received: Sequence[ReceivedEvent], lives: Mapping[str, Mapping[str, Life]]
) -> list[ReceivedEvent]:
    """The events that are not kept yet, each once; `lives` are those known before this batch."""
    none: Mapping[str, Life] = {}
    fresh: dict[tuple[str, str, int], ReceivedEvent] = {}
    for item in received:
        life = lives.get(item.device, none).get(item.incarnation)
        if life is None or (item.seq > life.acknowledged and item.seq not in life.waiting):
            fresh.setdefault((item.device, item.incarnation, item.seq), item)
    return list(fresh.values())


def keep(
    connection: Connection,
    received: Sequence[ReceivedEvent],
    fresh: Sequence[StoredEvent],
    lives: Mapping[str, Mapping[str, Life]],
) -> History:
    """Write new events, forget the oldest, and see how far each life's are here without a gap."""
    add_events(connection, fresh)
    last = {event.key.device: event.number for event in fresh}
    full = [(device, number - KEPT) for device, number in last.items() if number > KEPT]
    forget_events(connection, full)
    return _acknowledge(received, fresh, lives)


def _acknowledge(
    received: Sequence[ReceivedEvent],
    fresh: Sequence[StoredEvent],
    lives: Mapping[str, Mapping[str, Life]],
) -> History:
    new: dict[tuple[str, str], set[int]] = {}
    for event in fresh:
        new.setdefault((event.key.device, event.key.incarnation), set()).add(event.key.seq)
    moved: dict[str, list[Life]] = {}
    acknowledgements: list[tuple[str, Acknowledgement]] = []
    for (device, incarnation), after in _find_dropped(received).items():
        before = lives[device].get(incarnation)
        if before is None:
            continue
        life = _advance(before, new.get((device, incarnation), set()), after)
        if life != before:
            moved.setdefault(device, []).append(life)
        if life.acknowledged:
            acknowledgement = Acknowledgement(incarnation=incarnation, seq=life.acknowledged)
            acknowledgements.append((device, acknowledgement))
    return History(lives=moved, acknowledgements=tuple(acknowledgements))


def _find_dropped(received: Sequence[ReceivedEvent]) -> dict[tuple[str, str], int]:
    """Up to where no more events will come of each life that sent some: their devices no longer have them."""
    dropped: dict[tuple[str, str], int] = {}
    for item in received:
        key = (item.device, item.incarnation)
        after = 0 if item.event is None else min(item.event.after, item.seq - 1)
        dropped[key] = max(dropped.get(key, 0), after)
    return dropped


def _advance(life: Life, new: set[int], after: int) -> Life:
    here = life.waiting | new
    seq = max(life.acknowledged, after)
    while seq + 1 in here:
        seq += 1
    waiting = frozenset(number for number in here if number > seq)
    return replace(life, acknowledged=seq, waiting=waiting)


def _key(received: ReceivedEvent) -> EventKey:
    return EventKey(device=received.device, incarnation=received.incarnation, seq=received.seq)


def _line(received: ReceivedEvent, number: int) -> StoredEvent:
    event: Event | None = received.event
    if event is None:
        return StoredEvent(
            key=_key(received),
            number=number,
            kind=REFUSED,
            at=received.received_at,
            received_at=received.received_at,
            message=received.refusal,
        )
    return StoredEvent(
        key=_key(received),
        number=number,
        kind=event.kind.value,
        at=event.at,
        received_at=received.received_at,
        workload=event.workload,
        release=event.release,
        reason=event.reason,
        message=event.message,
        size=event.size,
        seconds=event.seconds,
    )
