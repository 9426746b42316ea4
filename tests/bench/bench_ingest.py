"""Messages committed per second, beside a bare paho subscriber that only counts.

Both take the same packets from the same kind of broker, in turns; the broker, the two processes that send and
the one that takes share the machine. The controller is a process of its own, as in service, on SQLite.
"""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from statistics import median

from bench.load import TURN, Device, write_packets
from fixtures.peers import Peer
from polyfleet_controller.lab.ports import free_port
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.transport.broker import Broker
from polyfleet_controller.transport.messages import BrokerAddress
from polyfleet_shared.messages import Event
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.wire import UpwardMessage, encode_message

DEVICES = 2_000
TURNS = 20
SENDERS = 2
ROUNDS = 3
AIM = 0.5

HERE = Path(__file__).parent
SENTINEL = "sentinel"


@dataclass(frozen=True)
class Load:
    """Files of packets, one for each sender: what makes the fleet known, and what is measured."""

    introduction: tuple[Path, ...]
    measured: tuple[Path, ...]
    introduced: int
    count: int


def make_load(directory: Path) -> Load:
    fleet = [Device(number) for number in range(DEVICES)]
    shares = [fleet[sender::SENDERS] for sender in range(SENDERS)]
    introduction = [directory / f"introduction-{sender}" for sender in range(SENDERS)]
    measured = [directory / f"measured-{sender}" for sender in range(SENDERS)]
    introduced = sum(
        write_packets(path, ((device.name, message) for device in share for message in device.introduce()))
        for path, share in zip(introduction, shares, strict=True)
    )
    count = sum(write_packets(path, speak(share)) for path, share in zip(measured, shares, strict=True))
    return Load(
        introduction=tuple(introduction), measured=tuple(measured), introduced=introduced, count=count
    )


def speak(share: list[Device]) -> Iterator[tuple[str, UpwardMessage]]:
    """Each device in turn, so that no batch can fold the messages of one into one."""
    kinds = islice((kind for _ in range(TURNS) for kind in TURN), TURNS)
    for kind, device in product(kinds, share):
        yield device.name, device.say(kind)


@contextmanager
def running_broker(directory: Path) -> Iterator[BrokerAddress]:
    broker = Broker(directory, host="127.0.0.1", port=free_port())
    broker.start()
    try:
        yield broker.address
    finally:
        broker.stop()


class Senders:
    """Processes that hold their packets ready."""

    def __init__(self, address: BrokerAddress, files: tuple[Path, ...]) -> None:
        account = (str(address), address.username or "", address.password or "")
        self._processes = [
            subprocess.Popen(
                [sys.executable, HERE / "load.py", *account, path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for path in files
        ]
        self._await("ready")

    def send(self) -> None:
        """Send everything; return once the broker has it all."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        self._await("done")
        for process in self._processes:
            process.communicate()

    def _await(self, word: str) -> None:
        for process in self._processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == word


def measure_bare(load: Load, directory: Path) -> float:
    """Seconds from the first message sent until the last is counted."""
    with running_broker(directory / "broker") as address:
        account = (str(address), address.username or "", address.password or "")
        with subprocess.Popen(
            [sys.executable, HERE / "bare_subscriber.py", *account, str(load.count)],
            stdout=subprocess.PIPE,
            text=True,
        ) as bare:
            assert bare.stdout is not None
            assert bare.stdout.readline() == "ready\n"
            senders = Senders(address, load.measured)
            started = time.perf_counter()
            senders.send()
            assert bare.stdout.readline() == "done\n"
            seconds = time.perf_counter() - started
            bare.kill()
    return seconds


def measure_controller(load: Load, directory: Path) -> float:
    """Seconds from the first message sent until all are committed.

    The broker hands messages on in their order: once an event that was sent after all of them is
    acknowledged, so are they.
    """
    with ExitStack() as stack:
        address = stack.enter_context(running_broker(directory / "broker"))
        password = directory / "password"
        password.write_text(address.password or "", encoding="utf-8")
        url = f"127.0.0.1:{free_port()}"
        controller = ChildProcess.start(
            [
                *(sys.executable, "-m", "polyfleet_controller.server", "serve"),
                *("--data", str(directory / "data")),
                *("--listen", url, "--broker", str(address), "--broker-username", address.username or ""),
                *("--broker-password-file", str(password), "--log-level", "warning"),
            ],
            log=directory / "log",
        )
        stack.callback(controller.stop)
        controller.wait_until_ready(lambda: is_connected(url))
        sentinel = Sentinel(address, stack)
        Senders(address, load.introduction).send()
        sentinel.pass_through()
        senders = Senders(address, load.measured)
        started = time.perf_counter()
        senders.send()
        sentinel.pass_through()
        seconds = time.perf_counter() - started
        assert ask_health(url)["ingest"]["committed"] == load.introduced + load.count + 2
    return seconds


class Sentinel:
    """A device whose events go behind all that was sent before."""

    def __init__(self, address: BrokerAddress, stack: ExitStack) -> None:
        self._device = Device(DEVICES)
        peer = Peer("sentinel", address.port, username=address.username, password=address.password)
        self._peer = stack.enter_context(peer)
        self._peer.subscribe(format_topic(self._device.name, Channel.ACK))

    def pass_through(self) -> None:
        event: Event = self._device.event()
        self._peer.publish(format_topic(self._device.name, Channel.EVENT), encode_message(event))
        self._peer.received.get(timeout=300)


def is_connected(url: str) -> bool:
    try:
        return bool(ask_health(url)["broker"]["healthy"])
    except OSError:
        return False


def ask_health(url: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(f"http://{url}/v1/health", timeout=10) as response:
        health: dict[str, dict[str, int]] = json.load(response)
    return health


SUBJECTS: dict[str, Callable[[Load, Path], float]] = {
    "bare paho subscriber": measure_bare,
    "controller": measure_controller,
}


def test_ingest(tmp_path: Path) -> None:
    load = make_load(tmp_path)
    rates: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for number in range(ROUNDS):
        for name, measure in SUBJECTS.items():
            directory = tmp_path / f"{measure.__name__}-{number}"
            directory.mkdir()
            rates[name].append(load.count / measure(load, directory))
    show(load, rates)


def show(load: Load, rates: dict[str, list[float]]) -> None:
    bare, controller = (median(found) for found in rates.values())
    print(f"\nIngest: {load.count} messages (QoS 1) of {DEVICES} devices, {ROUNDS} rounds in turns")
    print(f"  {'':24}{'median/s':>10}   each round")
    for name, found in rates.items():
        each = "  ".join(f"{rate:.0f}" for rate in found)
        print(f"  {name:24}{median(found):10.0f}   {each}")
    print(f"  ratio {controller / bare:.2f} (aim: {AIM} or better)")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        test_ingest(Path(scratch))
