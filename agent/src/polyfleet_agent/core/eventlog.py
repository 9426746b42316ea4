"""The events that the controller does not have yet: their numbers, their bounds, and what was dropped."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from polyfleet_agent.core.happenings import Happening
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import dump_json
from polyfleet_shared.messages import Event, EventKind, Stamp

# Dropped down to this share of a bound, so that a full spool tells of many drops in one event.
_ROOM_LEFT: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How many events are kept at most, and how many bytes of them."""

    events: int = 2000
    bytes: int = 1024 * 1024


class EventLog:
    """Numbers events and keeps the newest in memory. Where they are kept besides is another's business."""

    def __init__(self, incarnation: str, boot: int, limits: SpoolLimits) -> None:
        self.incarnation = incarnation
        self.boot = boot
        self.last = 0
        """The seq given last."""
        self.forgotten = 0
        """No event up to this seq is kept any more."""
        self.dropped = 0
        """How many events were ever dropped, in this incarnation."""
        self.untold = 0
        """How many of these no `events_dropped` event has told of."""
        self._limits = limits
        self._events: deque[tuple[Event, int]] = deque()
        self._bytes = 0

    def draw(self, happening: Happening, at: datetime) -> Event:
        """The event that `keep` takes next."""
        return Event(
            stamp=Stamp(incarnation=self.incarnation, boot=self.boot, seq=self.last + 1),
            after=self.forgotten,
            kind=happening.kind,
            at=at,
            workload=happening.workload,
            release=happening.release,
            reason=happening.reason,
            message=happening.message,
            size=happening.size,
            seconds=happening.seconds,
        )

    def draw_drops(self, at: datetime) -> Event:
        """The event that tells of the drops."""
        message = f"{self.untold} events were dropped, {self.dropped} since this device's history began"
        return self.draw(Happening(kind=EventKind.EVENTS_DROPPED, message=message), at)

    def keep(self, event: Event) -> None:
        """Take an event that was drawn."""
        size = len(dump_json(encode(event)))
        self._events.append((event, size))
        self._bytes += size
        self.last = event.stamp.seq

    def count_drops(self, number: int) -> None:
        """Note that so many events are lost."""
        self.dropped += number
        self.untold += number

    def trim(self) -> bool:
        """Drop the oldest if there are too many; say whether there were."""
        if len(self._events) <= self._limits.events and self._bytes <= self._limits.bytes:
            return False
        room = int(self._limits.events * _ROOM_LEFT), int(self._limits.bytes * _ROOM_LEFT)
        number = 0
        while len(self._events) > 1 and (len(self._events) > room[0] or self._bytes > room[1]):
            self._drop_oldest()
            number += 1
        self.count_drops(number)
        return True

    def forget(self, seq: int) -> bool:
        """Forget events up to this seq; say whether that changed anything."""
        if not self.forgotten < seq <= self.last:
            return False
        while self._events and self._events[0][0].stamp.seq <= seq:
            self._drop_oldest()
        self.forgotten = seq
        return True

    def pending(self) -> tuple[Event, ...]:
        events = tuple(event for event, _ in self._events)
        if not events or events[0].after == self.forgotten:
            return events
        # The first one says how far the controller need not wait; that may have changed since it was drawn.
        return (replace(events[0], after=self.forgotten), *events[1:])

    @property
    def bytes(self) -> int:
        return self._bytes

    def _drop_oldest(self) -> None:
        event, size = self._events.popleft()
        self._bytes -= size
        self.forgotten = event.stamp.seq
