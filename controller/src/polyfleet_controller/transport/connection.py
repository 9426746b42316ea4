"""The controller's connection to the broker: one thread owns the client, reconnects, and wakes for others.

It drives the client as paho describes for external event loops: paho's own has no jitter between its
attempts, and sends each acknowledgement by itself.
"""

import logging
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from polyfleet_controller.transport.messages import (
    BrokerAddress,
    Confirmation,
    Listener,
    Outgoing,
    Receipt,
    Received,
)
from polyfleet_controller.transport.stream import Intake, ProtocolError, Stream
from polyfleet_shared.topics import BROKER_PACKET_LIMIT, DELIVERY, UPWARD, format_filter

_log = logging.getLogger(__name__)

# In capitals, because a device's name never is: the two would evict each other. No hyphen, because this is
# what every broker must take (MQTT 5, section 3.1.3.1).
CLIENT_ID: Final = "PolyfleetController"
# What the broker may send before the database has taken it; half as much as waits in memory at most.
RECEIVE_MAXIMUM: Final = 2_000
_SESSION_EXPIRY_SECONDS: Final = 24 * 60 * 60
_KEEPALIVE_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 10
_SHORTEST_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 15.0
# A connection that ends sooner was no success: another client may take it over again and again.
_LASTING_SECONDS: Final = 5.0
_POLL_MILLISECONDS: Final = 1_000  # paho's keepalive is looked after once a second
_OUTGOING_WINDOW: Final = 500
_LAST_PACKET: Final = 65_535
_FIRST_FAILURE: Final = 0x80
_PACKET_OVERHEAD: Final = 64


class _Client(Client):
    """Paho over a `Stream`."""

    stream: Stream

    def _create_socket(self) -> Stream:
        """Not part of paho's public interface, which has no place for this; the lock pins its version."""
        self.stream = Stream(super()._create_socket(), packet_limit=BROKER_PACKET_LIMIT)
        self.stream.set_nodelay()
        return self.stream


class Connection:
    """Publishes and acknowledges for any thread, and tells its listener what comes in."""

    def __init__(
        self,
        address: BrokerAddress,
        listener: Listener,
        *,
        rng: Random | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.address = address
        self._listener = listener
        self._rng = rng or Random()  # noqa: S311 - spreads reconnects, guards nothing
        self._now = now
        self._number = 0
        self._subscribed = False
        self._session_present = False
        self._trouble = ""
        self._packet_limit = BROKER_PACKET_LIMIT
        self._window = _OUTGOING_WINDOW
        self._confirmed: list[Confirmation] = []
        # Packet identifiers are ours alone once paho's subscription is answered: it asks for nothing else.
        self._in_flight: dict[int, int | None] = {}
        self._packet = 1
        # What other threads ask for, and the descriptor that wakes the loop for it.
        self._receipts: deque[Receipt] = deque()
        self._outgoing: deque[Outgoing] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._closing = threading.Event()
        self._client = self._make_client()
        self._thread = threading.Thread(target=self._run, name="mqtt")

    @property
    def connected(self) -> bool:
        return self._subscribed

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty while there is one."""
        return "" if self._subscribed else self._trouble or "not connected"

    def open(self) -> None:
        """Begin to connect, and return at once."""
        self._thread.start()

    def close(self) -> None:
        """Send what waits, disconnect in good order, end the thread. The broker keeps the session."""
        self._closing.set()
        self.wake()
        self._thread.join()
        os.close(self._wake)

    def wake(self) -> None:
        """Make the loop look again: there is something to send, or room for more."""
        os.eventfd_write(self._wake, 1)

    def acknowledge(self, receipt: Receipt) -> None:
        """Give up the broker's copies. Does nothing once the receipt's connection has ended."""
        self._receipts.append(receipt)
        self.wake()

    def publish(self, outgoing: Iterable[Outgoing]) -> None:
        """Send messages in their order. Without a connection, or when it ends, they are dropped."""
        if self._subscribed:
            self._outgoing.extend(outgoing)
            self.wake()

    # -- the loop

    def _run(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            started = time.monotonic()
            if self._connect():
                self._serve()
            if self._closing.is_set():
                return
            lasted = time.monotonic() - started >= _LASTING_SECONDS
            attempt = 0 if lasted else attempt + 1
            self._closing.wait(self._choose_delay(attempt))

    def _choose_delay(self, attempt: int) -> float:
        longest = min(_LONGEST_RETRY_SECONDS, _SHORTEST_RETRY_SECONDS * 2.0**attempt)
        return self._rng.uniform(0, longest)

    def _connect(self) -> bool:
        self._number += 1
        try:
            self._client.reconnect()
        except OSError as error:
            self._note_trouble(f"the broker at {self.address} does not answer: {error}")
            return False
        return True

    def _serve(self) -> None:
        deadline = time.monotonic() + _CONNECT_SECONDS
        poller = select.poll()
        poller.register(self._wake, select.POLLIN)
        while self._client.socket() is not None:
            if self._closing.is_set():
                self._disconnect()
                break
            if not self._subscribed and time.monotonic() > deadline:
                self._note_trouble(f"the broker at {self.address} accepts connections but does not answer")
                break
            self._turn(poller)
        self._end_connection()

    def _turn(self, poller: select.poll) -> None:
        self._send_waiting()
        self._client.loop_misc()
        self._write()
        stream = self._client.stream
        if self._client.socket() is None:
            return
        wanted = select.POLLIN if self._listener.wants_more() else 0
        if stream.has_outgoing:
            wanted |= select.POLLOUT
        poller.register(stream.fileno(), wanted)
        for ready, events in poller.poll(_POLL_MILLISECONDS):
            if ready == self._wake:
                os.eventfd_read(self._wake)
            elif events & ~select.POLLOUT:
                self._read()

    def _read(self) -> None:
        stream = self._client.stream
        try:
            intake = stream.receive()
        except ProtocolError as error:
            self._note_trouble(f"the connection to the broker at {self.address} is given up: {error}")
            stream.end()
            intake = Intake()
        if intake.publications:
            self._listener.on_received(
                Received(connection=self._number, at=self._now(), publications=intake.publications)
            )
        for answer in intake.answers:
            self._confirm(self._in_flight.pop(answer.packet, None), _name_refusal(answer.reason))
        self._tell_confirmed()
        while stream.has_rest and self._client.socket() is not None:
            self._client.loop_read()

    def _tell_confirmed(self) -> None:
        if self._confirmed:
            confirmations, self._confirmed = self._confirmed, []
            self._listener.on_confirmed(confirmations)

    def _write(self) -> None:
        """Paho's packets go into the stream whole, and from there to the broker together."""
        if self._client.want_write():
            self._client.loop_write()
        self._client.stream.flush()

    def _send_waiting(self) -> None:
        if not self._subscribed:
            return
        while self._receipts:
            receipt = self._receipts.popleft()
            if receipt.connection == self._number:
                self._client.stream.acknowledge(receipt.packets)
        while self._outgoing and len(self._in_flight) < self._window:
            self._publish(self._outgoing.popleft())
        self._tell_confirmed()

    def _publish(self, message: Outgoing) -> None:
        size = len(message.payload) + len(message.topic) + _PACKET_OVERHEAD
        if size > self._packet_limit:
            refusal = f"{size} bytes are more than the {self._packet_limit} that the broker takes"
            self._confirm(message.token, refusal)
            return
        while self._packet in self._in_flight:
            self._packet = self._packet % _LAST_PACKET + 1
        self._client.stream.publish(
            message.topic, message.payload, qos=message.qos, retain=message.retain, packet=self._packet
        )
        if message.qos:
            self._in_flight[self._packet] = message.token
        self._packet = self._packet % _LAST_PACKET + 1

    def _confirm(self, token: int | None, refusal: str | None) -> None:
        if token is not None:
            self._confirmed.append(Confirmation(token=token, refusal=refusal))

    def _disconnect(self) -> None:
        """What the sockets' buffers have no room for now, the next connection sees again."""
        self._send_waiting()
        self._write()
        self._client.disconnect()
        self._write()

    def _end_connection(self) -> None:
        was_subscribed, self._subscribed = self._subscribed, False
        self._confirmed.clear()
        self._in_flight.clear()
        self._receipts.clear()
        self._outgoing.clear()
        if was_subscribed:
            self._listener.on_disconnected()

    def _note_trouble(self, text: str) -> None:
        if text != self._trouble:
            _log.warning("%s", text)
        self._trouble = text

    # -- what paho calls

    def _make_client(self) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2, CLIENT_ID, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        # With one, paho leaves writing to the loop.
        client.on_socket_register_write = _leave_to_the_loop
        client.username_pw_set(self.address.username, self.address.password)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it bare
        properties.SessionExpiryInterval = _SESSION_EXPIRY_SECONDS
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        properties.MaximumPacketSize = BROKER_PACKET_LIMIT
        client.connect_async(
            self.address.host,
            self.address.port,
            keepalive=_KEEPALIVE_SECONDS,
            clean_start=False,
            properties=properties,
        )
        return client

    def _on_connect(
        self,
        client: Client,
        _data: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._note_trouble(f"the broker at {self.address} refuses the controller: {reason}")
            return
        self._session_present = flags.session_present
        self._packet_limit = _limit(properties, "MaximumPacketSize", BROKER_PACKET_LIMIT)
        self._window = _limit(properties, "ReceiveMaximum", _OUTGOING_WINDOW)
        client.subscribe(
            [
                (
                    format_filter(channel),
                    SubscribeOptions(
                        DELIVERY[channel].qos,
                        noLocal=True,  # a cleared topic is no news to who cleared it
                        # Every time: a restored or an empty database knows less than the broker.
                        retainHandling=SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE,
                    ),
                )
                for channel in UPWARD
            ]
        )

    def _on_subscribe(
        self,
        client: Client,
        _data: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._note_trouble(f"the broker at {self.address} refuses subscriptions: {refused[0]}")
            client.disconnect()
            return
        _log.info("connected to the broker at %s", self.address)
        self._subscribed = True
        self._trouble = ""
        self._listener.on_connected(session_present=self._session_present)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # Comes a second time after the broker's own DISCONNECT, and also after a refused CONNECT.
        if self._subscribed and not self._closing.is_set():
            self._note_trouble(f"the connection to the broker at {self.address} ended: {reason}")


def _name_refusal(reason: int) -> str | None:
    """What a PUBACK says in words, None if it says that the message was taken."""
    if reason < _FIRST_FAILURE:
        return None
    try:
        return ReasonCode(PacketTypes.PUBACK, identifier=reason).getName()
    except KeyError:
        return f"reason code {reason:#x}"


def _limit(properties: Properties | None, name: str, ours: int) -> int:
    theirs: int = getattr(properties, name, ours)
    return min(ours, theirs)


def _leave_to_the_loop(_client: Client, _data: object, _connection: Any) -> None:  # noqa: ANN401 - paho's callback
    """Paho writes by itself where nobody asks to be told."""
