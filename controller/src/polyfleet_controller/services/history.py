"""The events of devices: each kept once, the newest of each device, and acknowledged without a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.services.intake import ReceivedEvent
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.devices import Life
from polyfleet_controller.store.events import (
    EventKey,
    StoredEvent,
    add_events,
    find_stored,
    find_unacknowledged,
    forget_events,
)
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


def find_fresh(connection: Connection, received: Sequence[ReceivedEvent]) -> list[ReceivedEvent]:
    """The events that are not kept yet, each once."""
    fresh = {_key(item): item for item in reversed(received)}
    for key in find_stored(connection, fresh) if fresh else ():
        del fresh[key]
    return [item for item in received if fresh.get(_key(item)) is item]


def keep(
    connection: Connection,
    received: Sequence[ReceivedEvent],
    fresh: Sequence[StoredEvent],
    lives: Mapping[str, Mapping[str, Life]],
) -> History:
    """Write new events, forget the oldest, and see how far each life's are here without a gap."""
    if not received:
        return History(lives={}, acknowledgements=())
    add_events(connection, fresh)
    last = {event.key.device: event.number for event in fresh}
    full = [(device, number - KEPT) for device, number in last.items() if number > KEPT]
    forget_events(connection, full)
    waiting = find_unacknowledged(connection, {item.device for item in received})
    return _acknowledge(received, lives, waiting | {event.key for event in fresh})


def _acknowledge(
    received: Sequence[ReceivedEvent], lives: Mapping[str, Mapping[str, Life]], here: set[EventKey]
) -> History:
    dropped: dict[tuple[str, str], int] = {}
    for item in received:
        key = (item.device, item.incarnation)
        after = 0 if item.event is None else min(item.event.after, item.seq - 1)
        dropped[key] = max(dropped.get(key, 0), after)
    moved: dict[str, list[Life]] = {}
    acknowledgements: list[tuple[str, Acknowledgement]] = []
    for (device, incarnation), after in dropped.items():
        life = lives[device].get(incarnation)
        if life is None:
            continue
        seq = max(life.acknowledged, after)
        while EventKey(device=device, incarnation=incarnation, seq=seq + 1) in here:
            seq += 1
        if seq != life.acknowledged:
            moved.setdefault(device, []).append(replace(life, acknowledged=seq))
        if seq:
            acknowledgements.append((device, Acknowledgement(incarnation=incarnation, seq=seq)))
    return History(lives=moved, acknowledgements=tuple(acknowledgements))


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
