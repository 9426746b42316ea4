"""A rollout over 10,000 devices through a real broker and a SQLite file, beside one over 1,000.

The controller is a process of its own, as in service. The devices are one MQTT client that answers each
document with a report: what they would pull and soak is left out, so that the time is what the controller and
the broker need. The waves are the default ones. Rows are counted where the services run in this process.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from queue import Empty
from typing import Any, Final

import psutil
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPICursor

from bench.bench_ingest import arrive, is_at_rest, running_broker
from bench.load import Device
from controlroom import REPOSITORY, ControlRoom, digest, manifest
from fixtures.peers import Peer
from polyfleet_controller.lab.ports import free_port
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.store.database import Database
from polyfleet_controller.transport.messages import BrokerAddress
from polyfleet_shared.desired import read_desired
from polyfleet_shared.features import Feature
from polyfleet_shared.topics import Channel, format_filter, format_topic
from polyfleet_shared.wire import encode_message

SMALL: Final = 1_000
LARGE: Final = 10_000
BATCH: Final = 500
SECONDS: Final = 600
# The registry is not asked about what a digest names, once that is known.
IMAGE: Final = f"{REPOSITORY}@{digest('index ')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a rollout took: seconds until it was completed, and messages both ways."""

    devices: int
    seconds: float
    cpu: float
    documents: int
    reports: int


def write_manifest(word: str) -> dict[str, Any]:
    document = manifest(env=[{"name": "RELEASE", "value": word}])
    document["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
    document["spec"] |= {"minReadySeconds": 0, "rollout": {"maxUnavailable": "100%", "prefetch": False}}
    return document


def test_rollout(tmp_path: Path) -> None:
    small, large = (measure(tmp_path / str(devices), devices) for devices in (SMALL, LARGE))
    print(f"\nA rollout in waves of 1, 10 %, 50 % and 100 %, {'':9}{SMALL:10,}{LARGE:10,}    ratio")
    for what, name in (("seconds", "seconds"), ("controller's CPU, seconds", "cpu")):
        one, ten = getattr(small, name), getattr(large, name)
        print(f"  {what:50}{one:10.2f}{ten:10.2f}{ten / one:9.2f}    (aim: at most {LARGE // SMALL})")
    for what, name in (("documents for each device", "documents"), ("reports of each device", "reports")):
        one, ten = (getattr(item, name) / item.devices for item in (small, large))
        print(f"  {what:50}{one:10.2f}{ten:10.2f}{ten / one:9.2f}")
    rows = count_rows(tmp_path / "rows.db", SMALL)
    print(f"  {'rows written for each device':50}{sum(rows.values()) / SMALL:10.2f}")
    for table, count in sorted(rows.items(), key=lambda item: -item[1])[:6]:
        print(f"    {table:48}{count / SMALL:10.2f}")


def prepare(fleet: list[Device], path: Path) -> None:
    """Make the fleet known, and hear that every device runs the first release."""
    database = Database(f"sqlite:///{path}")
    database.migrate()
    room = ControlRoom(database)
    room.now = datetime.now(UTC)
    hear(room, (arrive(device.name, message) for device in fleet for message in device.introduce()))
    room.workloads.apply(write_manifest("one"), now=room.now)
    obey(room, fleet)
    database.close()


def hear(room: ControlRoom, arrivals: Iterator[Any]) -> None:
    while batch := list(islice(arrivals, BATCH)):
        room.receive(*batch)


def obey(room: ControlRoom, fleet: list[Device]) -> None:
    """Let devices carry out what they are given, until nothing is due."""
    known = {device.name: device for device in fleet}
    while documents := room.advance():
        for name, document in documents.items():
            known[name].document = document
        hear(room, (arrive(name, known[name].reported()) for name in documents))


def measure(directory: Path, devices: int) -> Figures:
    fleet = [Device(number) for number in range(devices)]
    data = directory / "data"
    data.mkdir(parents=True)
    prepare(fleet, data / "polyfleet.db")
    with ExitStack() as stack:
        address = stack.enter_context(running_broker(directory / "broker"))
        url = f"127.0.0.1:{free_port()}"
        controller = start_controller(directory, address, url)
        stack.callback(controller.stop)
        actors = stack.enter_context(acting(fleet, address))
        controller.wait_until_ready(lambda: is_at_rest(url) and actors.is_idle(), seconds=120)
        documents, reports = actors.documents, actors.reports
        cpu, began = cpu_of(controller), time.perf_counter()
        ask(url, "PUT", "", write_manifest("two"))
        # Asking costs a look at all devices: not before each has its document.
        controller.wait_until_ready(
            lambda: actors.documents - documents >= devices and has_ended(url), seconds=SECONDS
        )
        return Figures(
            devices=devices,
            seconds=time.perf_counter() - began,
            cpu=cpu_of(controller) - cpu,
            documents=actors.documents - documents,
            reports=actors.reports - reports,
        )


def start_controller(directory: Path, address: BrokerAddress, url: str) -> ChildProcess:
    password = directory / "password"
    password.write_text(address.password or "", encoding="utf-8")
    return ChildProcess.start(
        [
            *(
                sys.executable,
                "-m",
                "polyfleet_controller.server",
                "serve",
                "--data",
                str(directory / "data"),
            ),
            *("--listen", url, "--broker", str(address), "--broker-username", address.username or ""),
            *("--broker-password-file", str(password), "--log-level", "warning"),
        ],
        log=directory / "log",
    )


class Actors:
    """All devices behind one connection: each answers a document with a report."""

    def __init__(self, fleet: list[Device], peer: Peer) -> None:
        self._fleet = {device.name: device for device in fleet}
        self._peer = peer
        self._stopping = threading.Event()
        self.documents = self.reports = 0
        self._idle = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                message = self._peer.received.get(timeout=0.2)
            except Empty:
                self._idle.set()
                continue
            self._idle.clear()
            self._act(message.topic, bytes(message.payload))

    def stop(self) -> None:
        self._stopping.set()

    def is_idle(self) -> bool:
        return self._idle.is_set()

    def _act(self, topic: str, payload: bytes) -> None:
        device = self._fleet[topic.split("/")[2]]
        document = read_desired(payload, features=frozenset(Feature))
        self.documents += 1
        if device.document is None or document.version.order > device.document.version.order:
            device.document = document
            self.reports += 1
            report = encode_message(device.reported())
            self._peer.post(format_topic(device.name, Channel.REPORTED), report, retain=True)


@contextmanager
def acting(fleet: list[Device], address: BrokerAddress) -> Iterator[Actors]:
    with Peer("fleet", address.port, username=address.username, password=address.password) as peer:
        peer.subscribe(format_filter(Channel.DESIRED))
        actors = Actors(fleet, peer)
        thread = threading.Thread(target=actors.run)
        thread.start()
        try:
            yield actors
        finally:
            actors.stop()
            thread.join()


def ask(url: str, method: str, path: str, body: object = None) -> dict[str, Any]:
    with ExitStack() as stack:
        connection = http.client.HTTPConnection(url, timeout=60)
        stack.callback(connection.close)
        text = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        connection.request(method, f"/v1/workloads/default/hello{path}", text, headers)
        answer: dict[str, Any] = json.load(connection.getresponse())
    return answer


def has_ended(url: str) -> bool:
    return bool(ask(url, "GET", "/rollout")["rollout"]["status"] == "completed")


def cpu_of(process: ChildProcess) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def count_rows(path: Path, devices: int) -> dict[str, int]:
    """Of a whole rollout: how many rows of which table are written."""
    fleet = [Device(number) for number in range(devices)]
    prepare(fleet, path)
    database = Database(f"sqlite:///{path}")
    room = ControlRoom(database)
    room.now = datetime.now(UTC)
    rows: dict[str, int] = {}

    def count(_connection: Connection, cursor: DBAPICursor, statement: str, *_others: object) -> None:
        verb, *words = statement.replace('"', "").split()
        if verb in ("INSERT", "UPDATE", "DELETE") and cursor.rowcount > 0:
            table = words[0] if verb == "UPDATE" else words[1]
            rows[table] = rows.get(table, 0) + cursor.rowcount

    event.listen(Engine, "after_cursor_execute", count)
    try:
        room.workloads.apply(write_manifest("two"), now=room.now)
        obey(room, fleet)
    finally:
        event.remove(Engine, "after_cursor_execute", count)
    assert room.rollouts.show("default", "hello").rollout.status == "completed"
    database.close()
    return rows
