"""Messages that wait for the broker while a connection stands."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.topics import DELIVERY, Channel

MAX_MESSAGES: Final = 10_000
MAX_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingMessage:
    """A payload on its way up."""

    channel: Channel
    payload: bytes


class Outbox:
    """Bounded, in order. Of a retained channel only the newest waits: it is all that the broker would keep.

    Safe in threads.
    """

    def __init__(self, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Channel | int, OutgoingMessage] = OrderedDict()
        self._bytes = 0
        self._put = 0

    def put(self, message: OutgoingMessage) -> bool:
        """Append; False if it was dropped because the outbox is full."""
        with self._lock:
            self._put += 1
            key: Channel | int = message.channel if DELIVERY[message.channel].retain else self._put
            replaced = self._waiting.get(key)
            size = self._bytes + len(message.payload) - (len(replaced.payload) if replaced else 0)
            if replaced is None and (len(self._waiting) >= self._max_messages or size > self._max_bytes):
                return False
            self._waiting[key] = message
            self._bytes = size
            return True

    def take(self) -> OutgoingMessage | None:
        """Remove and give the oldest, None if there is none."""
        with self._lock:
            if not self._waiting:
                return None
            _, message = self._waiting.popitem(last=False)
            self._bytes -= len(message.payload)
            return message

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)
