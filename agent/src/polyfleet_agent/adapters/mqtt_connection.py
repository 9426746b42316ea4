"""One MQTT 5 connection over paho, driven step by step by the thread that made it.

paho's own loops are not used: they reconnect without jitter, and a client that reconnects sends what an
earlier connection left, a message that the broker refuses for ever included. A connection is used once.
"""

import contextlib
import logging
import select
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from polyfleet_agent.adapters.mqtt_outbox import Outbox, OutgoingMessage
from polyfleet_agent.ports import Received
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.topics import DELIVERY, DOWNWARD, Channel, format_topic, parse_topic

_LOG: Final = logging.getLogger(__name__)

SESSION_EXPIRY_SECONDS: Final = 24 * 3600
_CONNECT_SECONDS: Final = 10.0
_READY_SECONDS: Final = 20.0  # from the TCP connection to the last SUBACK
_LONGEST_STEP_SECONDS: Final = 5.0

_TAKEN_OVER: Final = 0x8E  # MQTT 5, 3.14.2.1: Session taken over
_MAX_IN_FLIGHT: Final = 20

# What paho raises for bytes that are no MQTT.
_MALFORMED: Final = (MQTTException, ValueError, IndexError, struct.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which broker, and as which device. `keepalive` in seconds."""

    device: str
    host: str
    port: int
    keepalive: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why a connection ended, or never came to be."""

    cause: str
    taken_over: bool = False


class Connection:
    """From TCP to its end. Ready once every subscription is acknowledged."""

    def __init__(self, endpoint: Endpoint, will: bytes) -> None:
        self._endpoint = endpoint
        self.lost: Lost | None = None
        self.ready = False
        self.received: deque[Received] = deque()
        self._subscribe = False
        self._ready_by = 0.0
        self._in_flight: set[int] = set()
        self._max_in_flight = _MAX_IN_FLIGHT
        self._max_packet: int | None = None
        self._client = self._make_client(will)

    def open(self) -> None:
        """Connect over TCP and send CONNECT.

        Raises:
            OSError: there is nobody, or no such name; nothing was sent.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # it has no types
        properties.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
        endpoint = self._endpoint
        self._client.connect_timeout = _CONNECT_SECONDS
        self._client.connect(
            endpoint.host, endpoint.port, endpoint.keepalive, clean_start=False, properties=properties
        )
        self._ready_by = time.monotonic() + _READY_SECONDS

    def step(self, wake: socket.socket) -> None:
        """Wait for the network, or a byte on `wake`, and do what is due. Look at `lost` afterwards."""
        channel = self._client.socket()
        if channel is None:
            self._lose("the connection ended")
            return
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.register(channel, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
        ready = dict(poll.poll(self._patience() * 1000))
        if wake.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
        try:
            self._work(ready.get(channel.fileno(), 0))
        except _MALFORMED as error:
            self._lose(f"the broker sent what is no MQTT 5: {error}")

    def feed(self, outbox: Outbox) -> None:
        """Hand over as many messages as the broker takes at once."""
        while len(self._in_flight) < self._max_in_flight and not self._client.want_write():
            message = outbox.take()
            if message is None:
                return
            self._publish(message)

    @property
    def idle(self) -> bool:
        """Whether everything that was handed over has arrived."""
        return not self._in_flight and not self._client.want_write()

    def disconnect(self) -> None:
        """End in good order: the broker drops the will."""
        self._client.disconnect()
        while self._client.want_write() and self._client.loop_write() is MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass

    def abandon(self) -> None:
        """Close without a word: the broker publishes the will."""
        channel = self._client.socket()
        if channel is not None:
            channel.close()

    # -- the network

    def _make_client(self, will: bytes) -> Client:
        device = self._endpoint.device
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=device,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        presence = DELIVERY[Channel.PRESENCE]
        client.will_set(format_topic(device, Channel.PRESENCE), will, presence.qos, presence.retain)
        client.on_socket_open = _send_without_delay
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def _patience(self) -> float:
        seconds = min(_LONGEST_STEP_SECONDS, self._endpoint.keepalive / 4)
        return seconds if self.ready else max(0.0, min(seconds, self._ready_by - time.monotonic()))

    def _work(self, events: int) -> None:
        client = self._client
        if events & ~select.POLLOUT:
            client.loop_read()
        if self._subscribe:
            self._subscribe = False
            client.subscribe(
                [
                    (
                        format_topic(self._endpoint.device, channel),
                        SubscribeOptions(qos=DELIVERY[channel].qos),
                    )
                    for channel in DOWNWARD
                ]
            )
        if client.want_write():
            client.loop_write()
        client.loop_misc()
        if not self.ready and time.monotonic() >= self._ready_by:
            self._lose("the broker does not answer")

    def _publish(self, message: OutgoingMessage) -> None:
        delivery = DELIVERY[message.channel]
        topic = format_topic(self._endpoint.device, message.channel)
        if self._max_packet is not None and len(message.payload) + len(topic) + 16 > self._max_packet:
            _LOG.warning(
                "%s: %d bytes are more than the broker takes (%d): raise its max_packet_size",
                message.channel,
                len(message.payload),
                self._max_packet,
            )
            return
        # Without acknowledgement nothing is in flight; paho still calls back.
        sent = self._client.publish(topic, message.payload, delivery.qos, delivery.retain)
        if delivery.qos > 0 and sent.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._in_flight.add(sent.mid)

    def _lose(self, cause: str, *, taken_over: bool = False) -> None:
        """Note the first cause: paho may tell the end of a connection twice."""
        if self.lost is None:
            self.lost = Lost(cause=f"{self._endpoint}: {cause}", taken_over=taken_over)

    # -- paho's callbacks, within `step` and on its thread; none raises

    def _on_connect(
        self,
        _client: Client,
        _data: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._lose(f"the broker refused the connection: {reason}")
            return
        self._subscribe = True
        self._max_in_flight = min(_MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", _MAX_IN_FLIGHT))
        self._max_packet = getattr(properties, "MaximumPacketSize", None)

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = [
            f"{channel} ({reason})"
            for channel, reason in zip(DOWNWARD, reasons, strict=False)
            if reason.is_failure
        ]
        if refused:
            self._lose(f"the broker refused the subscription to {', '.join(refused)}; check its access list")
        else:
            self.ready = True

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.value == _TAKEN_OVER:
            self._lose("another client connected under this device's name", taken_over=True)
        elif flags.is_disconnect_packet_from_server:
            self._lose(f"the broker ended the connection: {reason}")
        else:
            self._lose("the connection was lost")

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._in_flight.discard(mid)
        if reason.is_failure:
            _LOG.warning("the broker refused a message: %s; check its access list", reason)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        try:
            channel = parse_topic(message.topic).channel
        except (PolyfleetError, UnicodeDecodeError):
            return  # a subscription that an earlier version left in the session
        self.received.append(Received(channel=channel, payload=bytes(message.payload)))


def _send_without_delay(_client: Client, _data: object, channel: object) -> None:
    if isinstance(channel, socket.socket):
        # With Nagle's algorithm a round trip takes 44 ms.
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
