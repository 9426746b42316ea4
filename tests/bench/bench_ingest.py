"""Messages committed per second, beside a bare paho subscriber that only counts.

Both take the same packets from the same kind of broker, in turns; the broker, the two processes that send and
the one that takes share the machine. The controller is a process of its own, as in service, on a SQLite file
that knows the fleet: every device runs one workload, and reports prove it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice, product
from pathlib import Path
from statistics import median

import psutil

from bench.load import TURN, Device, write_packets
from controlroom import ControlRoom
from fixtures.peers import Peer
from polyfleet_controller.lab.ports import free_port
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.services.ingest import Arrival
from polyfleet_controller.store.database import Database
from polyfleet_controller.transport.broker import Broker
from polyfleet_controller.transport.messages import BrokerAddress
from polyfleet_shared.topics import Channel, format_topic
from polyfleet_shared.wire import CHANNEL_OF, UpwardMessage, encode_message

DEVICES = 2_000
TURNS = 24
SENDERS = 2
ROUNDS = 3
AIM = 0.5
BATCH = 500

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Load:
    """Files of packets, one for each sender, and a database that knows the fleet."""

    files: tuple[Path, ...]
    database: Path
    count: int


def make_load(directory: Path) -> Load:
    fleet = [Device(number) for number in range(DEVICES)]
    database = directory / "polyfleet.db"
    introduce(fleet, database)
    files = tuple(directory / f"packets-{sender}" for sender in range(SENDERS))
    count = sum(write_packets(path, speak(fleet[sender::SENDERS])) for sender, path in enumerate(files))
    return Load(files=files, database=database, count=count)


def introduce(fleet: list[Device], path: Path) -> None:
    """Make the fleet known, give every device a workload, and hear that it runs."""
    database = Database(f"sqlite:///{path}")
    database.migrate()
    room = ControlRoom(database)
    room.now = datetime.now(UTC)

    def hear(messages: Iterator[tuple[str, UpwardMessage]]) -> None:
        while batch := [arrive(device, message) for device, message in islice(messages, BATCH)]:
            room.receive(*batch)

    hear((device.name, message) for device in fleet for message in device.introduce())
    room.apply()
    documents = room.deliver_documents()
    for device in fleet:
        device.document = documents[device.name]
    hear((device.name, device.reported()) for device in fleet)
    database.close()


def arrive(device: str, message: UpwardMessage) -> Arrival:
    topic = format_topic(device, CHANNEL_OF[type(message)])
    return Arrival(
        topic=topic, payload=encode_message(message), retained=False, received_at=datetime.now(UTC)
    )


def speak(share: list[Device]) -> Iterator[tuple[str, UpwardMessage]]:
    """Each device in turn, so that no batch can fold the messages of one into one."""
    for kind, device in product(islice(cycle(TURN), TURNS), share):
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


@dataclass(frozen=True)
class Cost:
    """Seconds of the clock, from the first message sent until the last is taken; and of the taker's CPU."""

    clock: float
    cpu: float


class Watch:
    """Measures from now on what a process takes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._cpu = self._read_cpu()
        self._clock = time.perf_counter()

    def stop(self) -> Cost:
        return Cost(clock=time.perf_counter() - self._clock, cpu=self._read_cpu() - self._cpu)

    def _read_cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def measure_bare(load: Load, directory: Path) -> Cost:
    """Count all messages."""
    with running_broker(directory / "broker") as address:
        account = (str(address), address.username or "", address.password or "")
        with subprocess.Popen(
            [sys.executable, HERE / "bare_subscriber.py", *account, str(load.count)],
            stdout=subprocess.PIPE,
            text=True,
        ) as bare:
            assert bare.stdout is not None
            assert bare.stdout.readline() == "ready\n"
            senders = Senders(address, load.files)
            watch = Watch(bare.pid)
            senders.send()
            assert bare.stdout.readline() == "done\n"
            cost = watch.stop()
            bare.kill()
    return cost


def measure_controller(load: Load, directory: Path) -> Cost:
    """Commit all messages.

    The broker hands messages on in their order: once an event that was sent after all of them is
    acknowledged, so are they.
    """
    with ExitStack() as stack:
        address = stack.enter_context(running_broker(directory / "broker"))
        password = directory / "password"
        password.write_text(address.password or "", encoding="utf-8")
        data = directory / "data"
        data.mkdir()
        shutil.copy(load.database, data)
        url = f"127.0.0.1:{free_port()}"
        controller = ChildProcess.start(
            [
                *(sys.executable, "-m", "polyfleet_controller.server", "serve", "--data", str(data)),
                *("--listen", url, "--broker", str(address), "--broker-username", address.username or ""),
                *("--broker-password-file", str(password), "--log-level", "warning"),
            ],
            log=directory / "log",
        )
        stack.callback(controller.stop)
        controller.wait_until_ready(lambda: is_at_rest(url), seconds=60)
        sentinel = Sentinel(address, stack)
        sentinel.pass_through()
        senders = Senders(address, load.files)
        watch = Watch(controller.pid)
        senders.send()
        sentinel.pass_through()
        cost = watch.stop()
        assert ask_health(url)["ingest"]["committed"] == load.count + 2
    return cost


class Sentinel:
    """A device whose events go behind all that was sent before."""

    def __init__(self, address: BrokerAddress, stack: ExitStack) -> None:
        self._device = Device(DEVICES)
        peer = Peer("sentinel", address.port, username=address.username, password=address.password)
        self._peer = stack.enter_context(peer)
        self._peer.subscribe(format_topic(self._device.name, Channel.ACK))

    def pass_through(self) -> None:
        event = encode_message(self._device.event())
        self._peer.publish(format_topic(self._device.name, Channel.EVENT), event)
        self._peer.received.get(timeout=300)


def is_at_rest(url: str) -> bool:
    """Whether it is connected, and has given the new broker all documents."""
    try:
        health = ask_health(url)
    except OSError:
        return False
    return bool(health["broker"]["healthy"]) and health["outbox"].get("pending") == 0


def ask_health(url: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(f"http://{url}/v1/health", timeout=10) as response:
        health: dict[str, dict[str, int]] = json.load(response)
    return health


SUBJECTS: dict[str, Callable[[Load, Path], Cost]] = {
    "bare paho subscriber": measure_bare,
    "controller": measure_controller,
}


def test_ingest(tmp_path: Path) -> None:
    load = make_load(tmp_path)
    costs: dict[str, list[Cost]] = {name: [] for name in SUBJECTS}
    for number in range(ROUNDS):
        for name, measure in SUBJECTS.items():
            directory = tmp_path / f"{measure.__name__}-{number}"
            directory.mkdir()
            costs[name].append(measure(load, directory))
    show(load, costs)


def show(load: Load, costs: dict[str, list[Cost]]) -> None:
    rates = {name: [load.count / cost.clock for cost in found] for name, found in costs.items()}
    bare, controller = (median(found) for found in rates.values())
    print(f"\nIngest: {load.count} messages (QoS 1) of {DEVICES} devices, {ROUNDS} rounds in turns")
    print(f"  {'':22}{'median/s':>10}{'CPU, µs each':>14}   each round")
    for name, found in rates.items():
        cpu = median(cost.cpu for cost in costs[name]) / load.count * 1e6
        each = "  ".join(f"{rate:.0f}" for rate in found)
        print(f"  {name:22}{median(found):10.0f}{cpu:14.0f}   {each}")
    print(f"  ratio {controller / bare:.2f} (aim: {AIM} or better)")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        test_ingest(Path(scratch))
