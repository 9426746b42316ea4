"""What a transport does, the one in memory and MQTT alike."""

import queue
from collections.abc import Iterator
from typing import Final, TypeVar

import pytest

from contract.agent.broker_worlds import BrokerWorld, MemoryWorld, MosquittoWorld
from polyfleet_agent.ports import Connected, Disconnected, Received, TransportEvent
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.topics import Channel

DEVICE: Final = "dev-1"
SECONDS: Final = 20
T = TypeVar("T")


@pytest.fixture(params=["memory", "mosquitto"])
def world(request: pytest.FixtureRequest) -> Iterator[BrokerWorld]:
    world: BrokerWorld
    if request.param == "memory":
        world = MemoryWorld()
    else:
        workspace: Workspace = request.getfixturevalue("workspace")
        world = MosquittoWorld(workspace.create_broker(persistent=True))
    yield world
    world.close()


class Agent:
    """The side that uses the transport: keeps what was delivered."""

    def __init__(self, world: BrokerWorld, device: str = DEVICE) -> None:
        self._transport = world.transport(device)
        self._delivered: queue.SimpleQueue[TransportEvent] = queue.SimpleQueue()
        self.wills: list[int] = []

    def open(self) -> None:
        self._transport.open(self._delivered.put, self._make_will)

    def next(self) -> TransportEvent:
        return self._delivered.get(timeout=SECONDS)

    def await_kind(self, kind: type[T]) -> T:
        """Pass over what comes before: how often a broker that is away is tried is left open."""
        while not isinstance(event := self.next(), kind):
            pass
        return event

    def publish(self, channel: Channel, payload: bytes) -> None:
        self._transport.publish(channel, payload)

    def close(self, farewell: bytes | None = None) -> None:
        self._transport.close(farewell)

    def _make_will(self, connection: int) -> bytes:
        self.wills.append(connection)
        return b"will of %d" % connection


@pytest.fixture
def agent(world: BrokerWorld) -> Iterator[Agent]:
    agent = Agent(world)
    yield agent
    agent.close()


def topic(channel: Channel, device: str = DEVICE) -> str:
    return f"polyfleet/v1/{device}/{channel}"


def test_the_first_connection_has_number_one_and_a_will_made_for_it(agent: Agent) -> None:
    agent.open()
    assert agent.next() == Connected(connection=1)
    assert agent.wills == [1]


def test_messages_arrive_in_order_on_their_channels(world: BrokerWorld, agent: Agent) -> None:
    agent.open()
    agent.next()
    sent = [(Channel.INVENTORY, b"i"), *((Channel.EVENT, b"%d" % number) for number in range(300))]
    for channel, payload in sent:
        agent.publish(channel, payload)
    assert [world.hear() for _ in sent] == [(topic(channel), payload) for channel, payload in sent]


def test_state_is_kept_for_those_who_come_later_and_events_are_not(world: BrokerWorld, agent: Agent) -> None:
    agent.open()
    agent.next()
    for channel in (Channel.PRESENCE, Channel.INVENTORY, Channel.REPORTED, Channel.EVENT, Channel.TELEMETRY):
        agent.publish(channel, channel.encode())
        assert world.hear() == (topic(channel), channel.encode())
    kept = {channel: world.retained(DEVICE, channel) for channel in Channel if channel.startswith("up/")}
    assert kept == {
        Channel.PRESENCE: b"up/presence",
        Channel.INVENTORY: b"up/inventory",
        Channel.REPORTED: b"up/reported",
        Channel.EVENT: None,
        Channel.TELEMETRY: None,
    }


def test_a_device_gets_what_is_sent_to_it_and_nothing_else(world: BrokerWorld, agent: Agent) -> None:
    agent.open()
    agent.next()
    world.send("dev-2", Channel.DESIRED, b"for another")
    world.send(DEVICE, Channel.DESIRED, b"document")
    world.send(DEVICE, Channel.ACK, b"ack")
    assert agent.next() == Received(channel=Channel.DESIRED, payload=b"document")
    assert agent.next() == Received(channel=Channel.ACK, payload=b"ack")


def test_the_document_waits_for_a_device_that_was_never_there(world: BrokerWorld, agent: Agent) -> None:
    world.send(DEVICE, Channel.DESIRED, b"old")
    world.send(DEVICE, Channel.DESIRED, b"new")
    agent.open()
    assert agent.next() == Connected(connection=1)
    assert agent.next() == Received(channel=Channel.DESIRED, payload=b"new")


def test_an_acknowledgement_waits_for_a_device_that_was_there_before(world: BrokerWorld) -> None:
    first = Agent(world)
    first.open()
    first.next()
    first.close()
    world.send(DEVICE, Channel.ACK, b"ack")
    second = Agent(world)
    second.open()
    try:
        assert second.next() == Connected(connection=1)
        assert second.next() == Received(channel=Channel.ACK, payload=b"ack")
    finally:
        second.close()


def test_a_removed_document_is_delivered_as_empty(world: BrokerWorld, agent: Agent) -> None:
    world.send(DEVICE, Channel.DESIRED, b"document")
    agent.open()
    agent.await_kind(Received)
    world.send(DEVICE, Channel.DESIRED, b"")
    assert agent.next() == Received(channel=Channel.DESIRED, payload=b"")
    assert world.retained(DEVICE, Channel.DESIRED) is None


def test_a_broken_connection_publishes_its_will_and_is_made_again(world: BrokerWorld, agent: Agent) -> None:
    agent.open()
    agent.next()
    agent.publish(Channel.PRESENCE, b"online")
    assert world.hear() == (topic(Channel.PRESENCE), b"online")
    world.cut(DEVICE)
    lost = agent.await_kind(Disconnected)
    assert lost.cause
    assert not lost.taken_over
    assert agent.await_kind(Connected) == Connected(connection=2)
    assert world.hear() == (topic(Channel.PRESENCE), b"will of 1")
    assert agent.wills == [1, 2]


def test_a_farewell_is_the_last_word_and_no_will_follows(world: BrokerWorld, agent: Agent) -> None:
    agent.open()
    agent.next()
    agent.publish(Channel.EVENT, b"event")
    agent.close(b"bye")
    assert world.hear() == (topic(Channel.EVENT), b"event")
    assert world.hear() == (topic(Channel.PRESENCE), b"bye")
    assert world.retained(DEVICE, Channel.PRESENCE) == b"bye"


def test_without_a_broker_the_transport_tries_on_and_drops_what_is_published(world: BrokerWorld) -> None:
    world.stop()
    agent = Agent(world)
    agent.open()
    try:
        lost = agent.await_kind(Disconnected)
        assert lost.cause
        agent.publish(Channel.EVENT, b"dropped")
        world.start()
        assert agent.await_kind(Connected).connection >= 1
        agent.publish(Channel.EVENT, b"sent")
        assert world.hear() == (topic(Channel.EVENT), b"sent")
    finally:
        agent.close()


def test_a_broker_that_comes_back_finds_the_device_again(world: BrokerWorld, agent: Agent) -> None:
    world.send(DEVICE, Channel.DESIRED, b"document")
    agent.open()
    first = agent.await_kind(Connected)
    world.stop()
    agent.await_kind(Disconnected)
    world.start()
    assert agent.await_kind(Connected).connection > first.connection
    world.send(DEVICE, Channel.DESIRED, b"newer")
    while agent.await_kind(Received).payload != b"newer":
        pass


def test_a_second_device_of_the_same_name_ends_the_first_ones_connection(world: BrokerWorld) -> None:
    first, second = Agent(world), Agent(world)
    first.open()
    first.next()
    second.open()
    try:
        assert second.await_kind(Connected).connection == 1
        assert first.await_kind(Disconnected).cause
    finally:
        first.close()
        second.close()


def test_closing_what_was_never_connected_is_quiet(world: BrokerWorld) -> None:
    world.stop()
    agent = Agent(world)
    agent.open()
    agent.close(b"bye")
    world.start()
    assert world.retained(DEVICE, Channel.PRESENCE) is None
