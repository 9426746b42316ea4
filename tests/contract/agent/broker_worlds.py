"""A broker, once in memory and once real, with somebody on the other side."""

from random import Random
from typing import Protocol

from fixtures.cables import Cable
from fixtures.peers import SECONDS, Peer
from polyfleet_agent.adapters.mqtt import MqttTransport
from polyfleet_agent.ports import Transport
from polyfleet_agent.testing import FakeBroker, FakeTransport
from polyfleet_controller.lab.broker import Broker
from polyfleet_shared.topics import DELIVERY, Channel, format_topic

_END = "test/end"


class Impatient(Random):
    """Draws the shortest wait that does not spin."""

    def uniform(self, a: float, b: float) -> float:
        return min(max(a, 0.05), b)


class BrokerWorld(Protocol):
    """What the suite needs of a broker and of the controller's side."""

    def transport(self, device: str) -> Transport:
        """A transport that is not open yet."""

    def send(self, device: str, channel: Channel, payload: bytes) -> None:
        """Publish to a device, as the controller does."""

    def hear(self) -> tuple[str, bytes]:
        """The next message that a device, or its will, published: topic and payload."""

    def retained(self, device: str, channel: Channel) -> bytes | None:
        """What a controller that comes now is given."""

    def cut(self, device: str) -> None:
        """Break a device's connection without a word; it connects again by itself."""

    def stop(self) -> None: ...

    def start(self) -> None: ...

    def close(self) -> None: ...


class MemoryWorld:
    """All in memory."""

    def __init__(self) -> None:
        self._broker = FakeBroker()
        self._heard = 0
        self._transports: dict[str, FakeTransport] = {}

    def transport(self, device: str) -> Transport:
        self._transports[device] = FakeTransport(self._broker, device)
        return self._transports[device]

    def send(self, device: str, channel: Channel, payload: bytes) -> None:
        self._broker.send(device, channel, payload)

    def hear(self) -> tuple[str, bytes]:
        message = self._broker.published[self._heard]
        self._heard += 1
        return format_topic(message.device, message.channel), message.payload

    def retained(self, device: str, channel: Channel) -> bytes | None:
        return self._broker.retained.get((device, channel))

    def cut(self, device: str) -> None:
        self._broker.cut(device)
        self._broker.reconnect(self._transports[device])

    def stop(self) -> None:
        self._broker.stop()

    def start(self) -> None:
        self._broker.start()

    def close(self) -> None:
        """Nothing is open."""


class MosquittoWorld:
    """Mosquitto on loopback, and a cable to it for each device."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._cables: dict[str, Cable] = {}
        self._controller = self._connect_controller()

    def transport(self, device: str) -> Transport:
        if device not in self._cables:
            self._cables[device] = Cable(self._broker.port)
        return MqttTransport(device, "127.0.0.1", self._cables[device].port, rng=Impatient())

    def send(self, device: str, channel: Channel, payload: bytes) -> None:
        self._controller.publish(format_topic(device, channel), payload, retain=DELIVERY[channel].retain)

    def hear(self) -> tuple[str, bytes]:
        return self._controller.hear()

    def retained(self, device: str, channel: Channel) -> bytes | None:
        latecomer = Peer("latecomer", self._broker.port)
        try:
            latecomer.subscribe(format_topic(device, channel))
            latecomer.subscribe(_END)
            latecomer.publish(_END, b"")  # comes after all that was retained
            message = latecomer.received.get(timeout=SECONDS)
            return None if message.topic == _END else bytes(message.payload)
        finally:
            latecomer.close()

    def cut(self, device: str) -> None:
        self._cables[device].cut()

    def stop(self) -> None:
        self._broker.kill()

    def start(self) -> None:
        self._broker.start()
        self._controller.close()
        self._controller = self._connect_controller()

    def close(self) -> None:
        self._controller.close()
        for cable in self._cables.values():
            cable.close()

    def _connect_controller(self) -> Peer:
        controller = Peer("controller", self._broker.port)
        controller.subscribe("polyfleet/v1/+/up/#")
        return controller
