"""What the transport makes of brokers that refuse, evict, limit, or speak no MQTT."""

import logging
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

from fixtures.scripted_broker import (
    CONNACK,
    CONNECT,
    DISCONNECT,
    SUBACK,
    SUBSCRIBE,
    Conversation,
    ScriptedBroker,
)
from polyfleet_agent.adapters.mqtt import MqttTransport
from polyfleet_agent.ports import Connected, Disconnected, TransportEvent
from polyfleet_shared.topics import Channel

SECONDS = 20
NOT_AUTHORIZED, SESSION_TAKEN_OVER, SHUTTING_DOWN = b"\x87", b"\x8e", b"\x8b"

Delivered = queue.SimpleQueue[TransportEvent]


class AtOnce(Random):
    """Draws the shortest wait."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the longest does not matter
        return a


@contextmanager
def talking(port: int) -> Iterator[tuple[MqttTransport, Delivered]]:
    """A transport that connects to this port, and what it delivers."""
    delivered: Delivered = queue.SimpleQueue()
    transport = MqttTransport("dev-1", "127.0.0.1", port, keepalive=7, rng=AtOnce())
    transport.open(delivered.put, lambda number: b"will of %d" % number)
    try:
        yield transport, delivered
    finally:
        transport.close(None)


def first_loss(scene: Callable[[Conversation], object]) -> Disconnected:
    """How the transport tells of what a broker did to it; a Connected may come before."""
    with ScriptedBroker(scene) as broker, talking(broker.port) as (_, delivered):
        broker.check()
        while not isinstance(event := delivered.get(timeout=SECONDS), Disconnected):
            pass
        assert event.cause.startswith(f"127.0.0.1:{broker.port}: ")
        cause = event.cause.removeprefix(f"127.0.0.1:{broker.port}: ")
        return Disconnected(cause=cause, taken_over=event.taken_over)


def test_the_first_packet_says_who_the_device_is_and_what_its_end_means() -> None:
    def scene(device: Conversation) -> bytes:
        return device.read(CONNECT).body

    with ScriptedBroker(scene) as broker, talking(broker.port):
        body = broker.check()
    name, version, flags, keepalive = (
        b"\0\4MQTT",
        b"\5",
        b"\x2c",
        b"\0\7",
    )  # will: QoS 1, retained; no clean start
    expiry = b"\5\x11" + (24 * 3600).to_bytes(4, "big")
    will = b"\0" + _text(b"polyfleet/v1/dev-1/up/presence") + _text(b"will of 1")
    assert body == name + version + flags + keepalive + expiry + _text(b"dev-1") + will


def _text(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def test_the_device_subscribes_to_what_is_for_it() -> None:
    def scene(device: Conversation) -> bytes:
        device.read(CONNECT)
        device.send(CONNACK, b"\0\0\0")
        return device.read(SUBSCRIBE).body[2:]

    with ScriptedBroker(scene) as broker, talking(broker.port):
        body = broker.check()
    filters = (
        _text(b"polyfleet/v1/dev-1/down/desired") + b"\1" + _text(b"polyfleet/v1/dev-1/down/ack") + b"\1"
    )
    assert body == b"\0" + filters


def test_a_refused_connection_names_the_brokers_reason() -> None:
    def scene(device: Conversation) -> None:
        device.read(CONNECT)
        device.send(CONNACK, b"\0" + NOT_AUTHORIZED + b"\0")

    assert first_loss(scene) == Disconnected(
        cause="the broker refused the connection: Not authorized", taken_over=False
    )


def test_a_refused_subscription_is_no_connection() -> None:
    def scene(device: Conversation) -> None:
        device.read(CONNECT)
        device.send(CONNACK, b"\0\0\0")
        device.send(SUBACK, device.read(SUBSCRIBE).body[:2] + b"\0" + NOT_AUTHORIZED + b"\1")
        assert device.at_end()

    with ScriptedBroker(scene) as broker, talking(broker.port) as (_, delivered):
        event = delivered.get(timeout=SECONDS)
        broker.check()
    assert event == Disconnected(
        cause=f"127.0.0.1:{broker.port}: the broker refused the subscription to down/desired "
        "(Not authorized); check its access list",
        taken_over=False,
    )


def test_an_eviction_is_told_as_one() -> None:
    def scene(device: Conversation) -> None:
        device.welcome()
        device.send(DISCONNECT, SESSION_TAKEN_OVER + b"\0")

    assert first_loss(scene) == Disconnected(
        cause="another client connected under this device's name", taken_over=True
    )


def test_a_broker_that_ends_says_why() -> None:
    def scene(device: Conversation) -> None:
        device.welcome()
        device.send(DISCONNECT, SHUTTING_DOWN + b"\0")

    assert first_loss(scene) == Disconnected(
        cause="the broker ended the connection: Server shutting down", taken_over=False
    )


@pytest.mark.parametrize(
    "noise",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x00",
        b"\x20\x7f" + b"\xff" * 127,
        b"\x00" * 40,
        b"\xff" * 40,
    ],
    ids=["http", "empty", "properties", "zeros", "ones"],
)
def test_a_server_that_speaks_no_mqtt_is_survived(noise: bytes) -> None:
    def babble(device: Conversation) -> None:
        device.read(CONNECT)
        device.send_raw(noise)

    with ScriptedBroker(babble, Conversation.welcome) as broker, talking(broker.port) as (_, delivered):
        assert isinstance(delivered.get(timeout=SECONDS), Disconnected)
        assert delivered.get(timeout=SECONDS) == Connected(connection=2)


@pytest.mark.parametrize("noise", [b"\x30\x05\0\1a\xff\xff", b"\x90\x01\0", b"\x40\x01\0", b"\xf0\x00"])
def test_a_broker_that_goes_mad_is_left_and_tried_again(noise: bytes) -> None:
    def scene(device: Conversation) -> None:
        device.welcome()
        device.send_raw(noise)

    with ScriptedBroker(scene, Conversation.welcome) as broker, talking(broker.port) as (_, delivered):
        assert delivered.get(timeout=SECONDS) == Connected(connection=1)
        assert isinstance(delivered.get(timeout=SECONDS), Disconnected)
        assert delivered.get(timeout=SECONDS) == Connected(connection=2)


def test_no_more_is_under_way_than_the_broker_takes() -> None:
    def scene(device: Conversation) -> list[bytes]:
        device.welcome(properties=b"\x21\0\1")  # Receive Maximum: 1
        first = device.read_publish()
        device.acknowledge()
        second = device.read_publish()
        device.acknowledge()
        return [first, second]

    with ScriptedBroker(scene) as broker, talking(broker.port) as (transport, delivered):
        assert delivered.get(timeout=SECONDS) == Connected(connection=1)
        transport.publish(Channel.EVENT, b"one")
        transport.publish(Channel.EVENT, b"two")
        assert broker.check() == [b"one", b"two"]


def test_a_message_that_the_broker_would_choke_on_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    def scene(device: Conversation) -> bytes:
        device.welcome(properties=b"\x27\0\0\0\xc8")  # Maximum Packet Size: 200
        payload = device.read_publish()
        device.acknowledge()
        return payload

    with (
        caplog.at_level(logging.WARNING),
        ScriptedBroker(scene) as broker,
        talking(broker.port) as (transport, delivered),
    ):
        assert delivered.get(timeout=SECONDS) == Connected(connection=1)
        transport.publish(Channel.EVENT, b"x" * 300)
        transport.publish(Channel.EVENT, b"small")
        assert broker.check() == b"small"
    assert [record.getMessage() for record in caplog.records] == [
        "up/event: 300 bytes are more than the broker takes (200): raise its max_packet_size"
    ]
