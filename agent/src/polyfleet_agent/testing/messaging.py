"""An MQTT broker in memory, and transports that are connected to it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from polyfleet_agent.ports import Connected, Disconnected, Received, TransportEvent
from polyfleet_shared.topics import DELIVERY, DOWNWARD, Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMessage:
    """A message that a device, or a device's will, published."""

    device: str
    channel: Channel
    payload: bytes


class FakeBroker:
    """Retained messages, sessions, wills and evictions, as MQTT 5 has them. Safe in threads.

    Everything happens at once, in the thread that causes it. A transport that lost its connection is
    connected again by `start`, or by `reconnect`.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._up = True
        self._transports: list[FakeTransport] = []
        self._missed: dict[str, list[Received]] = {}
        self.retained: dict[tuple[str, Channel], bytes] = {}
        self.published: list[PublishedMessage] = []

    def messages(self, device: str, channel: Channel) -> tuple[bytes, ...]:
        """Everything that was published on a device's channel, in order."""
        with self._lock:
            return tuple(
                message.payload
                for message in self.published
                if message.device == device and message.channel is channel
            )

    def send(self, device: str, channel: Channel, payload: bytes) -> None:
        """Publish to a device, as the controller does."""
        with self._lock:
            if DELIVERY[channel].retain:
                self._retain(device, channel, payload)
            current = self._find(device)
            message = Received(channel=channel, payload=payload)
            if current is not None:
                current.hand_over(message)
            elif device in self._missed and not DELIVERY[channel].retain:
                self._missed[device].append(message)

    def stop(self) -> None:
        """Go away, like a killed broker: no will is published, sessions and retained messages stay."""
        with self._lock:
            self._up = False
            for transport in self._transports:
                transport.lose("the broker is away")

    def start(self) -> None:
        """Come back; every transport that waits connects."""
        with self._lock:
            self._up = True
            for transport in list(self._transports):
                self.reconnect(transport)

    def cut(self, device: str) -> None:
        """Lose a device's connection: its will is published."""
        with self._lock:
            current = self._find(device)
            if current is not None:
                will = current.will
                current.lose("the connection was lost")
                self.accept(device, Channel.PRESENCE, will)

    def reconnect(self, transport: "FakeTransport") -> None:
        """Let a transport connect that is not connected, as if its wait were over."""
        with self._lock:
            if not self._up:
                transport.lose("the broker is away")
                return
            current = self._find(transport.device)
            if current is transport:
                return
            if current is not None:
                current.lose("another client connected under this device's name", taken_over=True)
            transport.stand()
            for (device, channel), payload in list(self.retained.items()):
                if device == transport.device and channel in DOWNWARD:
                    transport.hand_over(Received(channel=channel, payload=payload))
            for message in self._missed.get(transport.device, ()):
                transport.hand_over(message)
            self._missed[transport.device] = []

    # -- for transports

    def attach(self, transport: "FakeTransport") -> None:
        with self._lock:
            self._transports.append(transport)
            self.reconnect(transport)

    def detach(self, transport: "FakeTransport") -> None:
        with self._lock:
            if transport in self._transports:
                self._transports.remove(transport)

    def accept(self, device: str, channel: Channel, payload: bytes) -> None:
        with self._lock:
            self.published.append(PublishedMessage(device=device, channel=channel, payload=payload))
            if DELIVERY[channel].retain:
                self._retain(device, channel, payload)

    def _retain(self, device: str, channel: Channel, payload: bytes) -> None:
        if payload:
            self.retained[device, channel] = payload
        else:
            self.retained.pop((device, channel), None)

    def _find(self, device: str) -> "FakeTransport | None":
        for transport in self._transports:
            if transport.device == device and transport.connected:
                return transport
        return None


class FakeTransport:
    """The transport port on a FakeBroker."""

    def __init__(self, broker: FakeBroker, device: str) -> None:
        self.device = device
        self.connected = False
        self.will = b""
        self._broker = broker
        self._connections = 0

    def open(self, deliver: Callable[[TransportEvent], None], make_will: Callable[[int], bytes]) -> None:
        self._deliver = deliver
        self._make_will = make_will
        self._broker.attach(self)

    def publish(self, channel: Channel, payload: bytes) -> None:
        if self.connected:
            self._broker.accept(self.device, channel, payload)

    def close(self, farewell: bytes | None) -> None:
        if farewell is not None:
            self.publish(Channel.PRESENCE, farewell)
        self.connected = False
        self._broker.detach(self)

    # -- for the broker

    def stand(self) -> None:
        self._connections += 1
        self.will = self._make_will(self._connections)
        self.connected = True
        self._deliver(Connected(connection=self._connections))

    def lose(self, cause: str, *, taken_over: bool = False) -> None:
        self.connected = False
        self._deliver(Disconnected(cause=cause, taken_over=taken_over))

    def hand_over(self, message: Received) -> None:
        self._deliver(message)
