"""From the outbox to the broker: each message is published until the broker has confirmed it."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final, Protocol

from polyfleet_controller.services.health import OutboxHealth
from polyfleet_controller.services.outbox import Outbox, OutboxMessage
from polyfleet_controller.store.errors import StoreError
from polyfleet_controller.transport.messages import Confirmation, Outgoing

_log = logging.getLogger(__name__)

_ROUND: Final = 500
# A message to a device that lags becomes due by time alone.
_POLL_SECONDS: Final = 5.0
_SHORTEST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 5.0
# What the broker refuses is left out for so long: the same again and again would hold up all others.
_REFUSED_SECONDS: Final = 60.0


class Publisher(Protocol):
    """Where messages go: the connection."""

    def publish(self, outgoing: Iterable[Outgoing]) -> None: ...


class OutboxPublisher:
    """Publishes in rounds: so many messages, all of their confirmations, one transaction."""

    def __init__(
        self,
        outbox: Outbox,
        publisher: Publisher,
        *,
        rng: Random | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._rng = rng or Random()  # noqa: S311 - spreads retries, guards nothing
        self._now = now
        self._state = threading.Condition()
        self._connected = False
        self._woken = False
        self._stopping = False
        self._sessions_lost = 0
        self._sessions_made_good = 0
        self._in_flight: set[int] = set()
        self._confirmed: list[int] = []
        self._refused: dict[int, float] = {}
        self._trouble = ""
        self._pending: int | None = None
        self._thread = threading.Thread(target=self._run, name="outbox")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End soon. What was not confirmed is published again after the next start."""
        with self._state:
            self._stopping = True
            self._state.notify()
        self._thread.join()

    def wake(self) -> None:
        """Something was put into the outbox. Any thread may say so."""
        with self._state:
            self._woken = True
            self._state.notify()

    def connect(self, *, session_present: bool) -> None:
        """The broker can be reached; without a session it may have lost all that it held for devices."""
        with self._state:
            self._connected = self._woken = True
            self._sessions_lost += not session_present
            self._in_flight.clear()
            self._refused.clear()
            self._state.notify()

    def disconnect(self) -> None:
        """What is in flight will not be confirmed any more."""
        with self._state:
            self._connected = False
            self._in_flight.clear()
            self._state.notify()

    def confirm(self, confirmations: Sequence[Confirmation]) -> None:
        """The broker has answered."""
        with self._state:
            for confirmation in confirmations:
                self._in_flight.discard(confirmation.token)
                if confirmation.refusal is None:
                    self._confirmed.append(confirmation.token)
                else:
                    self._refused[confirmation.token] = time.monotonic() + _REFUSED_SECONDS
                    _log.error(
                        "the broker does not take message %d of the outbox: %s",
                        confirmation.token,
                        confirmation.refusal,
                    )
            if not self._in_flight:
                self._state.notify()

    def check(self) -> OutboxHealth:
        return OutboxHealth(healthy=not self._trouble, message=self._trouble, pending=self._pending)

    def _run(self) -> None:
        longest = _SHORTEST_RETRY_SECONDS
        while self._wait_for_work():
            try:
                while self._publish_round():
                    pass
            except StoreError as error:
                self._note_trouble(str(error))
                with self._state:
                    self._woken = True
                    self._state.wait_for(lambda: self._stopping, self._rng.uniform(0, longest))
                longest = min(_LONGEST_RETRY_SECONDS, 2 * longest)
            else:
                self._note_trouble("")
                longest = _SHORTEST_RETRY_SECONDS

    def _wait_for_work(self) -> bool:
        """Wait until there may be something to do; False once it is time to stop."""
        with self._state:
            self._state.wait_for(
                lambda: self._stopping or (self._connected and self._woken), timeout=_POLL_SECONDS
            )
            return not self._stopping

    def _publish_round(self) -> bool:
        """Publish what is due, wait for the answers, write them down. False if nothing could be done."""
        with self._state:
            if self._stopping or not self._connected:
                return False
            self._woken = False
            lost = self._sessions_lost
        if lost != self._sessions_made_good:
            self._outbox.republish_all(now=self._now())
            self._sessions_made_good = lost
        messages = self._find_due()
        with self._state:
            if not messages or not self._connected:
                return False
            self._in_flight = {message.id for message in messages}
        self._publisher.publish([_outgoing(message) for message in messages])
        with self._state:
            self._state.wait_for(lambda: self._stopping or not self._in_flight)
            confirmed, self._confirmed = self._confirmed, []
        if confirmed:
            self._outbox.delivered(confirmed, now=self._now())
        return True

    def _find_due(self) -> list[OutboxMessage]:
        with self._state:
            now = time.monotonic()
            self._refused = {token: until for token, until in self._refused.items() if until > now}
            refused = set(self._refused)
        due = self._outbox.pending(_ROUND + len(refused), now=self._now())
        self._pending = len(due)
        return [message for message in due if message.id not in refused]

    def _note_trouble(self, text: str) -> None:
        if text and not self._trouble:
            _log.warning("messages to devices wait: %s", text)
        self._trouble = text


def _outgoing(message: OutboxMessage) -> Outgoing:
    return Outgoing.to(
        message.device, message.channel, message.payload, retain=message.retain, token=message.id
    )
