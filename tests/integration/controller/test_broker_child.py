"""Mosquitto as the controller's child: who may say what, and that it is there while the controller is."""

import os
import pwd
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.peers import Peer
from polyfleet_controller.lab.ports import free_port, is_listening
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.transport.broker import Broker
from polyfleet_controller.transport.messages import BrokerError
from waiting import wait_until

SUCCESS, UNHEARD, DENIED = "Success", "No matching subscribers", "Not authorized"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker", host="127.0.0.1", port=free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def controller(broker: Broker) -> Iterator[Peer]:
    """A client with the controller's account that hears all that devices say."""
    address = broker.address
    with Peer("anything", address.port, username=address.username, password=address.password) as peer:
        assert peer.subscribe("polyfleet/v1/+/up/#") == "Granted QoS 1"
        yield peer


def pid_of(broker: Broker) -> int:
    pid = broker.pid
    assert pid is not None
    return pid


def test_a_device_speaks_for_itself_alone(broker: Broker, controller: Peer) -> None:
    with Peer("oven", broker.address.port) as oven:
        answers = {
            topic: oven.publish(topic, topic.encode())
            for topic in (
                "polyfleet/v1/fridge/up/event",
                "polyfleet/v1/fridge/up/presence",
                "polyfleet/v1/oven/down/desired",
                "polyfleet/v1/oven/down/ack",
                "polyfleet/v1/oven",
                "polyfleet/v2/oven/up/event",
                "elsewhere",
                "polyfleet/v1/oven/up/event",
            )
        }
    assert answers == dict.fromkeys(answers, DENIED) | {"polyfleet/v1/oven/up/event": SUCCESS}
    # In order of sending: what is heard first is all that was let through.
    assert controller.hear() == ("polyfleet/v1/oven/up/event", b"polyfleet/v1/oven/up/event")


@pytest.mark.parametrize("name", ["+", "#", "oven/up/event/+", "a+b"])
def test_no_name_speaks_for_several(broker: Broker, controller: Peer, name: str) -> None:
    with Peer(name, broker.address.port) as pretender:
        assert pretender.publish("polyfleet/v1/fridge/up/event", b"not mine") == DENIED


def test_a_device_hears_its_own_alone(broker: Broker, controller: Peer) -> None:
    with Peer("oven", broker.address.port) as oven:
        for topic in ("polyfleet/v1/+/down/#", "$share/all/polyfleet/v1/+/up/#", "#"):
            oven.subscribe(topic)
        for device in ("fridge", "oven"):
            controller.publish(f"polyfleet/v1/{device}/down/desired", device.encode(), retain=True)
        heard = {oven.hear(), oven.hear()}  # once for each of the subscriptions that match
        assert heard == {("polyfleet/v1/oven/down/desired", b"oven")}
        oven.publish("polyfleet/v1/oven/up/event", b"still heard by the controller")
        assert controller.hear() == ("polyfleet/v1/oven/up/event", b"still heard by the controller")
        assert oven.received.empty()


def test_a_last_will_about_another_device_is_not_published(broker: Broker, controller: Peer) -> None:
    for name in ("oven", "fridge"):
        with Peer(name, broker.address.port, will=("polyfleet/v1/fridge/up/presence", name.encode())) as peer:
            peer.vanish()
    assert controller.hear() == ("polyfleet/v1/fridge/up/presence", b"fridge")
    with Peer("oven", broker.address.port) as oven:
        oven.publish("polyfleet/v1/oven/up/event", b"next")
    assert controller.hear() == ("polyfleet/v1/oven/up/event", b"next")


def test_only_the_controller_has_its_account(broker: Broker) -> None:
    username = broker.address.username
    with Peer("oven", broker.address.port, username=username, password="guess") as oven:  # noqa: S106 - wrong on purpose
        assert oven.connect_answer == DENIED


def test_a_new_broker_has_a_new_password(broker: Broker, tmp_path: Path) -> None:
    other = Broker(tmp_path / "other", host="127.0.0.1", port=free_port())
    assert other.address.password != broker.address.password


def test_root_hands_the_broker_to_an_account_of_less_power(broker: Broker) -> None:
    owner = Path("/proc", str(pid_of(broker))).stat().st_uid
    assert (owner == os.geteuid()) is (os.geteuid() != 0)
    if os.geteuid() == 0:
        assert pwd.getpwuid(owner).pw_name in {"mosquitto", "nobody"}


def test_a_killed_broker_is_started_again(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    first = pid_of(broker)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: broker.pid not in (None, first) and is_listening(broker.address.port))
    with Peer("oven", broker.address.port) as oven:
        assert oven.publish("polyfleet/v1/oven/up/event", b"here again") == UNHEARD
    assert "the broker ended with exit code -9; it is started again" in caplog.messages


def test_a_stopped_broker_remembers_what_was_retained(tmp_path: Path) -> None:
    heard: list[tuple[str, bytes]] = []
    for _ in range(2):
        broker = Broker(tmp_path / "broker", host="127.0.0.1", port=free_port())
        broker.start()
        account = (broker.address.username, broker.address.password)
        with Peer("c", broker.address.port, username=account[0], password=account[1]) as controller:
            if not heard:
                controller.publish("polyfleet/v1/oven/down/desired", b"kept", retain=True)
            controller.subscribe("polyfleet/v1/oven/down/desired")
            heard.append(controller.hear())
        broker.stop()
    assert heard == [("polyfleet/v1/oven/down/desired", b"kept")] * 2


def test_a_port_that_is_taken_is_named_with_the_next_step(broker: Broker, tmp_path: Path) -> None:
    second = Broker(tmp_path / "second", host="127.0.0.1", port=broker.address.port, ready_seconds=0.1)
    with pytest.raises(BrokerError, match=rf"port {broker.address.port} .* is taken .* say --broker 127"):
        second.start()


def test_a_broker_that_cannot_start_tells_its_own_words(tmp_path: Path) -> None:
    with socket.socket() as occupant:  # which does not listen
        occupant.bind(("127.0.0.1", 0))
        broker = Broker(tmp_path / "broker", host="127.0.0.1", port=occupant.getsockname()[1])
        with pytest.raises(BrokerError, match=r"mosquitto does not start: .*Error: Address already in use"):
            broker.start()


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 100, b"no database", b"\0\xb5\0mosquitto db\0\0\0\0\0\0\0\6torn"]
)
def test_a_torn_memory_does_not_keep_the_broker_from_starting(tmp_path: Path, content: bytes) -> None:
    directory = tmp_path / "broker"
    directory.mkdir()
    (directory / "mosquitto.db").write_bytes(content)
    broker = Broker(directory, host="127.0.0.1", port=free_port())
    broker.start()
    try:
        with Peer("oven", broker.address.port) as oven:
            assert oven.publish("polyfleet/v1/oven/up/event", b"here") == UNHEARD
    finally:
        broker.stop()


def test_the_broker_ends_with_a_killed_controller(tmp_path: Path) -> None:
    port = free_port()
    program = f"""
import time
from pathlib import Path
from polyfleet_controller.transport.broker import Broker
broker = Broker(Path({str(tmp_path / "broker")!r}), host="127.0.0.1", port={port})
broker.start()
print("ready", flush=True)
time.sleep(600)
"""
    owner = ChildProcess.start([sys.executable, "-c", program], log=tmp_path / "log")
    owner.wait_until_ready(lambda: "ready" in owner.log.read_text())
    assert is_listening(port)
    os.kill(owner.pid, signal.SIGKILL)  # and not its whole group
    wait_until(lambda: not is_listening(port))
    owner.kill()
