"""The transport port over MQTT 5: a thread that connects, and connects again, until it is closed."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Final

from polyfleet_agent.adapters.mqtt_backoff import Backoff
from polyfleet_agent.adapters.mqtt_connection import Connection, Endpoint, Lost
from polyfleet_agent.adapters.mqtt_outbox import Outbox, OutgoingMessage
from polyfleet_agent.ports import Connected, Disconnected, TransportEvent
from polyfleet_shared.topics import Channel

_LOG: Final = logging.getLogger(__name__)

_FAREWELL_SECONDS: Final = 5.0
_END_SECONDS: Final = 15.0


class MqttTransport:
    """A device's link to its broker.

    A connection's number counts the CONNECTs that may have reached the broker, since each carries a will
    that must order below the next connection's presence.
    """

    def __init__(
        self, device: str, host: str, port: int, *, keepalive: int = 60, rng: Random | None = None
    ) -> None:
        """`keepalive` in seconds: a dead link is noticed within twice that time."""
        self._endpoint = Endpoint(device=device, host=host, port=port, keepalive=keepalive)
        self._rng = rng or SystemRandom()
        self._outbox = Outbox()
        self._standing = False
        self._closing = threading.Event()
        self._farewell: bytes | None = None
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.settimeout(0)
        self._thread: threading.Thread | None = None

    def open(self, deliver: Callable[[TransportEvent], None], make_will: Callable[[int], bytes]) -> None:
        self._deliver = deliver
        self._make_will = make_will
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    def publish(self, channel: Channel, payload: bytes) -> None:
        if not self._standing:
            return
        if not self._outbox.put(OutgoingMessage(channel=channel, payload=payload)):
            _LOG.warning("%s: a message was dropped, too many wait for the broker", channel)
        self._wake_up()

    def close(self, farewell: bytes | None) -> None:
        self._farewell = farewell
        self._closing.set()
        self._wake_up()
        if self._thread is not None:
            # It is a daemon: a name server that does not answer must not hold up the agent's end.
            self._thread.join(timeout=_END_SECONDS)
        self._waker.close()

    # -- the thread

    def _run(self) -> None:
        backoff = Backoff()
        number = 0
        while not self._closing.is_set():
            connection = Connection(self._endpoint, self._make_will(number + 1))
            began = time.monotonic()
            lost = self._open(connection)
            if lost is None:
                number += 1
                lost = self._serve(connection, number)
            if self._closing.is_set():
                break
            stood = time.monotonic() - began if connection.ready else 0.0
            backoff = backoff.after(taken_over=lost.taken_over, stood=stood)
            self._deliver(Disconnected(cause=lost.cause, taken_over=lost.taken_over))
            self._closing.wait(backoff.draw_delay(self._rng))
        self._wake.close()

    def _open(self, connection: Connection) -> Lost | None:
        try:
            connection.open()
        except OSError as error:
            return Lost(cause=f"{self._endpoint}: {error.strerror or error}")
        return None

    def _serve(self, connection: Connection, number: int) -> Lost:
        """Run a connection to its end."""
        try:
            while connection.lost is None and not self._closing.is_set():
                connection.step(self._wake)
                if connection.ready:
                    self._attend(connection, number)
            if connection.lost is None:
                self._take_leave(connection)
        finally:
            self._standing = False
            self._outbox.clear()
            connection.abandon()
        return connection.lost or Lost(cause="closed")

    def _attend(self, connection: Connection, number: int) -> None:
        if not self._standing:
            self._standing = True
            self._deliver(Connected(connection=number))
        while connection.received:
            self._deliver(connection.received.popleft())
        connection.feed(self._outbox)

    def _take_leave(self, connection: Connection) -> None:
        if connection.ready and self._farewell is not None:
            self._outbox.put(OutgoingMessage(channel=Channel.PRESENCE, payload=self._farewell))
        deadline = time.monotonic() + _FAREWELL_SECONDS
        while (len(self._outbox) or not connection.idle) and connection.lost is None:
            if not connection.ready or time.monotonic() >= deadline:
                break
            connection.feed(self._outbox)
            connection.step(self._wake)
        connection.disconnect()

    def _wake_up(self) -> None:
        with contextlib.suppress(OSError):  # full is awake enough; closed is past caring
            self._waker.send(b"\0")
