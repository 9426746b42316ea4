"""From the queue into the database, in batches; only what is committed is acknowledged.

While the database refuses, the batch is kept and tried again, the queue fills, and the broker, which may send
no more than the receive maximum ahead of our receipts, keeps the rest.
"""

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Final, NamedTuple, Protocol

from polyfleet_controller.services.health import IngestHealth
from polyfleet_controller.services.ingest import Arrival, Ingest, Outcome
from polyfleet_controller.store.errors import StoreError
from polyfleet_controller.transport.connection import RECEIVE_MAXIMUM
from polyfleet_controller.transport.messages import Outgoing, Receipt, Received
from polyfleet_controller.transport.refusals import RefusalLog
from polyfleet_controller.transport.stream import Publication
from polyfleet_shared.messages import Acknowledgement
from polyfleet_shared.topics import DELIVERY, Channel
from polyfleet_shared.wire import encode_message

_log = logging.getLogger(__name__)

BATCH: Final = 500
# Messages of a lost connection wait beside those that the broker sends again on the next one.
_CAPACITY: Final = 3 * RECEIVE_MAXIMUM
_CAPACITY_BYTES: Final = 64 * 1024 * 1024
# From here on what may be lost is: its room is for what may not.
_CAPACITY_LOSSY: Final = RECEIVE_MAXIMUM // 2
_SHORTEST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0
# What a mistake of ours in reading one message raises. The others go on; whatever else there is ends the
# process, and its supervisor starts it again.
_DEFECTS: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Sender(Protocol):
    """Where receipts and acknowledgements go: the connection."""

    def acknowledge(self, receipt: Receipt) -> None: ...

    def publish(self, outgoing: Sequence[Outgoing]) -> None: ...


class _Item(NamedTuple):
    connection: int
    at: datetime
    message: Publication


class IngestWorker:
    """Takes messages from the connection's thread and applies them in its own."""

    def __init__(
        self,
        ingest: Ingest,
        sender: Sender,
        *,
        on_change: Callable[[], None],
        rng: Random | None = None,
    ) -> None:
        self._ingest = ingest
        self._sender = sender
        self._on_change = on_change
        self._rng = rng or Random()  # noqa: S311 - spreads retries, guards nothing
        self._refusal_log = RefusalLog()
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._arrived = threading.Condition()
        self._stopping = threading.Event()
        self._oldest_since: float | None = None
        self._trouble = ""
        self._committed = 0
        self._refused = 0
        self._thread = threading.Thread(target=self._run, name="ingest")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the batch at hand. What was not committed stays with the broker."""
        self._stopping.set()
        with self._arrived:
            self._arrived.notify()
        self._thread.join()

    def has_room(self) -> bool:
        return len(self._queue) < _CAPACITY and self._queued_bytes < _CAPACITY_BYTES

    def offer(self, received: Received) -> None:
        """Queue messages. Called by one thread, which asks for room before."""
        with self._arrived:
            for message in received.publications:
                if message.qos == 0 and len(self._queue) >= _CAPACITY_LOSSY:
                    continue
                self._queue.append(_Item(received.connection, received.at, message))
                self._queued_bytes += len(message.payload)
            if self._oldest_since is None:
                self._oldest_since = time.monotonic()
            self._arrived.notify()

    def check(self) -> IngestHealth:
        since = self._oldest_since
        return IngestHealth(
            healthy=not self._trouble,
            message=self._trouble,
            queued=len(self._queue),
            lag_seconds=0.0 if since is None else time.monotonic() - since,
            committed=self._committed,
            refused=self._refused,
        )

    def _run(self) -> None:
        while batch := self._take():
            self._process(batch)

    def _take(self) -> list[_Item]:
        """Wait for messages and take what is there, up to a batch; nothing once it is time to stop."""
        with self._arrived:
            if not self._queue:
                self._oldest_since = None
            while not self._queue and not self._stopping.is_set():
                self._arrived.wait()
            if self._stopping.is_set():
                return []
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._queued_bytes -= sum(len(item.message.payload) for item in batch)
            return batch

    def _process(self, batch: list[_Item]) -> None:
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                outcome = self._apply(part)
            except _DEFECTS as error:
                if len(part) > 1:
                    middle = len(part) // 2
                    parts += [part[middle:], part[:middle]]
                    continue
                self._set_aside(part[0], error)
                outcome = Outcome(acknowledgements=(), refusals=(), outbox_changed=False)
            if outcome is None:
                return
            self._conclude(part, outcome)

    def _apply(self, part: Sequence[_Item]) -> Outcome | None:
        """Commit a part, however often it takes; None if it is time to stop instead."""
        arrivals = [
            Arrival(
                topic=item.message.topic.decode(),
                payload=item.message.payload,
                retained=item.message.retained,
                received_at=item.at,
            )
            for item in part
        ]
        longest = _SHORTEST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                outcome = self._ingest.apply(arrivals)
            except StoreError as error:
                self._note_trouble(str(error))
                self._stopping.wait(self._rng.uniform(0, longest))
                longest = min(_LONGEST_RETRY_SECONDS, 2 * longest)
            else:
                self._note_trouble("")
                return outcome
        return None

    def _conclude(self, part: Sequence[_Item], outcome: Outcome) -> None:
        self._committed += len(part)
        self._oldest_since = time.monotonic()
        for connection, items in itertools.groupby(part, lambda item: item.connection):
            packets = [item.message.packet for item in items if item.message.qos]
            self._sender.acknowledge(Receipt(connection=connection, packets=packets))
        if outcome.acknowledgements:
            self._sender.publish([_outgoing(*each) for each in outcome.acknowledgements])
        if outcome.refusals:
            self._refused += len(outcome.refusals)
            self._refusal_log.write(outcome.refusals, now=time.monotonic())
        if outcome.outbox_changed:
            self._on_change()

    def _set_aside(self, item: _Item, error: Exception) -> None:
        self._refused += 1
        _log.error(
            "a message of %d bytes cannot be processed and is dropped: %.200r",
            len(item.message.payload),
            item.message.payload,
            exc_info=error,
        )

    def _note_trouble(self, text: str) -> None:
        if text and not self._trouble:
            _log.warning("messages wait with the broker: %s", text)
        elif self._trouble and not text:
            _log.info("the database takes messages again")
        self._trouble = text


def _outgoing(device: str, acknowledgement: Acknowledgement) -> Outgoing:
    return Outgoing.to(
        device, Channel.ACK, encode_message(acknowledgement), retain=DELIVERY[Channel.ACK].retain
    )
