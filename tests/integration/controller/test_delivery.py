"""Between devices and the database, over a real broker: nothing is lost, and nothing counts twice."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controlroom import START, Voice
from fixtures.peers import Peer
from polyfleet_agent.adapters.mqtt import MqttTransport
from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.ports import Connected, Received, TransportEvent
from polyfleet_controller.lab.broker import Broker
from polyfleet_controller.lab.controller import Controller
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_shared.desired import read_desired
from polyfleet_shared.messages import Acknowledgement, EventKind, Presence
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.wire import decode_message, encode_message
from waiting import wait_until

EVENTS = 1_200  # more than two batches
NO_REGISTRY = "127.0.0.1:1"


@pytest.fixture
def broker(workspace: Workspace) -> Broker:
    return workspace.create_broker(persistent=True)


@pytest.fixture
def controller(workspace: Workspace, broker: Broker) -> Controller:
    return workspace.create_controller(registry=NO_REGISTRY, broker=broker.address)


def event_numbers(controller: Controller, device: str) -> list[int]:
    """The seq of every event in the controller's history of the device, newest first, page by page."""
    numbers: list[int] = []
    cursor = ""
    while True:
        page: dict[str, Any] = controller.ask("GET", f"/v1/devices/{device}/events?limit=500{cursor}")
        numbers += [item["seq"] for item in page["items"]]
        if "nextCursor" not in page:
            return numbers
        cursor = f"&cursor={page['nextCursor']}"


@contextmanager
def writes_refused(controller: Controller) -> Iterator[None]:
    """Nobody else can write to the controller's database."""
    database = sqlite3.connect(controller.data / "polyfleet.db", isolation_level=None)
    with closing(database):
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


def test_what_is_not_committed_is_not_acknowledged(controller: Controller, broker: Broker) -> None:
    voice = Voice()
    count = 900
    with Peer(voice.name, broker.port) as peer:
        for arrival in voice.introduce():
            peer.publish(arrival.topic, arrival.payload, retain=True)
        wait_until(lambda: controller.ask("GET", "/v1/devices")["items"], describe="the device is known")
        with writes_refused(controller):
            for _ in range(count):
                arrival = voice.tell()
                peer.post(arrival.topic, arrival.payload)
            peer.await_answers(count)
            wait_until(
                lambda: controller.ask("GET", "/v1/health")["ingest"]["queued"] > 0,
                describe="the controller has messages that it cannot commit",
            )
            controller.kill()
        # The device sends nothing again: whatever the broker gave up too early would be lost now.
        controller.start()
        wait_until(
            lambda: len(event_numbers(controller, voice.name)) >= count,
            describe=lambda: f"{len(event_numbers(controller, voice.name))} of {count} events",
        )
    assert sorted(event_numbers(controller, voice.name)) == list(range(1, count + 1))


class SpoolingDevice:
    """An agent's own transport and spool: events wait on the disk until they are acknowledged."""

    def __init__(self, broker: Broker, directory: Path) -> None:
        self.voice = Voice(incarnation="life-1")
        self.spool = FileSpool(directory / "events", "life-1", 1)
        self._lock = threading.Lock()
        self._transport = MqttTransport(self.voice.name, "127.0.0.1", broker.port)
        self._transport.open(self._hear, self._make_will)

    def happen(self, count: int) -> None:
        for _ in range(count):
            with self._lock:
                event = self.spool.append(Happening(kind=EventKind.STARTED), datetime.now(tz=UTC))
            self._transport.publish(Channel.EVENT, encode_message(event))

    def repeat(self) -> bool:
        """Send again all that waits, as an agent does at intervals; True once nothing does."""
        with self._lock:
            waiting = self.spool.pending()
        for event in waiting:
            self._transport.publish(Channel.EVENT, encode_message(event))
        return not waiting

    def close(self) -> None:
        self._transport.close(None)
        self.spool.close()

    def _hear(self, event: TransportEvent) -> None:
        match event:
            case Connected(connection=connection):
                self.voice.connection = connection - 1
                for arrival in self.voice.introduce():
                    channel = Channel(arrival.topic.split("/", 3)[3])
                    self._transport.publish(channel, arrival.payload)
                self.repeat()
            case Received(channel=Channel.ACK, payload=payload):
                with self._lock:
                    self.spool.acknowledge(decode_message(Acknowledgement, payload))
            case _:
                pass

    def _make_will(self, connection: int) -> bytes:
        will = Presence(
            incarnation=self.voice.incarnation, boot=1, connection=connection, online=False, since=START
        )
        return encode_message(will)


def test_every_event_counts_once_although_broker_and_controller_are_killed_in_its_stream(
    controller: Controller, broker: Broker, tmp_path: Path
) -> None:
    device = SpoolingDevice(broker, tmp_path)
    third = EVENTS // 3
    try:
        wait_until(lambda: controller.ask("GET", "/v1/devices")["items"], describe="the device is known")
        device.happen(third)
        broker.kill()
        broker.start()
        device.happen(third)
        controller.kill()
        device.happen(third)
        controller.start()
        wait_until(device.repeat, timeout=60, describe=lambda: f"{len(device.spool.pending())} wait")
    finally:
        device.close()
    # The newest thousand are kept of each device. What the dead broker lost comes after what followed it.
    found = event_numbers(controller, device.voice.name)
    assert sorted(found) == list(range(EVENTS - 999, EVENTS + 1))


def test_a_broker_that_forgot_everything_is_given_the_documents_again(workspace: Workspace) -> None:
    broker = workspace.create_broker()
    controller = workspace.create_controller(registry=NO_REGISTRY, broker=broker.address)
    voice = Voice()

    def hear_document() -> tuple[int, int]:
        with Peer(voice.name, broker.port) as peer:
            peer.subscribe(format_topic(voice.name, Channel.DESIRED))
            _topic, payload = peer.hear()
        return read_desired(payload, features=frozenset()).version.order

    with Peer(voice.name, broker.port) as peer:
        for arrival in voice.introduce():
            peer.publish(arrival.topic, arrival.payload, retain=True)
    first = hear_document()
    wait_until(
        lambda: controller.ask("GET", "/v1/health")["outbox"]["pending"] == 0, describe="the outbox is empty"
    )
    broker.kill()
    broker.start()
    assert hear_document() == first
