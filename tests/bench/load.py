"""What a fleet sends, as fast as a broker takes it: packets made beforehand, written to plain sockets.

`python load.py HOST:PORT USER PASSWORD FILE` connects, prints `ready`, and sends FILE once a line comes in;
it prints `done` when the broker has acknowledged every message.
"""

import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from polyfleet_shared.desired import DesiredDocument
from polyfleet_shared.messages import (
    ContainerReport,
    Event,
    EventKind,
    HostFacts,
    Inventory,
    Phase,
    PlatformSource,
    Presence,
    Reported,
    Stamp,
    WorkloadReport,
)
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from polyfleet_shared.topics import format_topic
from polyfleet_shared.wire import CHANNEL_OF, UpwardMessage, encode_message
from polyfleet_shared.workloads import DesiredWorkload

WINDOW = 500
# A device's turn: what it sends while most of a fleet is quiet, and some of it is not.
TURN = ("reported", "event", "reported", "presence", "reported", "event", "reported", "reported")

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PLATFORM = Platform.parse("linux/arm64")
_PUBACK = 0x40
_PUBLISH_QOS_1 = 0x32


@dataclass
class Device:
    """One of the fleet; its messages are in order, whatever comes of them."""

    number: int
    seq: int = 0
    events: int = 0
    connection: int = 0
    document: DesiredDocument | None = None

    @property
    def name(self) -> str:
        return f"device-{self.number:05}"

    @property
    def incarnation(self) -> str:
        return f"{self.number:08x}-0000-4000-8000-000000000000"

    def introduce(self) -> tuple[UpwardMessage, ...]:
        return (self.presence(online=True), self.inventory(), self.reported())

    def say(self, kind: str) -> UpwardMessage:
        match kind:
            case "reported":
                return self.reported()
            case "event":
                return self.event()
            case _:
                return self.presence(online=True)

    def presence(self, *, online: bool) -> Presence:
        self.connection += 1
        return Presence(
            incarnation=self.incarnation, boot=1, connection=self.connection, online=online, since=_START
        )

    def inventory(self) -> Inventory:
        return Inventory(
            stamp=self._stamp(),
            agent_version="0.1.0",
            wire_versions=(1,),
            features=(),
            platform=_PLATFORM,
            platform_source=PlatformSource.DETECTED,
            platforms=(RunnablePlatform(platform=_PLATFORM, fit=Fit.NATIVE),),
            host=HostFacts(
                hostname=self.name,
                machine="aarch64",
                cpu_model="Cortex-A72",
                cpu_count=4,
                memory_total=4 << 30,
                disk_total=32 << 30,
                os_name="Debian GNU/Linux",
                os_version="12",
                kernel="6.1.0",
                podman_version="4.3.1",
                boot_id="7e5c8a3e-5f0a-4f43-9b5e-0d4a2f5f1a11",
            ),
            labels={"site": f"site-{self.number % 20}"},
        )

    def reported(self) -> Reported:
        """What it runs: all that its document says, if it has one."""
        document = self.document
        return Reported(
            stamp=self._stamp(),
            observed=None if document is None else document.version,
            workloads=()
            if document is None
            else tuple(_run(workload, ready_seconds=30 * self.seq) for workload in document.workloads),
        )

    def event(self) -> Event:
        self.events += 1
        stamp = Stamp(incarnation=self.incarnation, boot=1, seq=self.events)
        at = _START + timedelta(seconds=self.events)
        return Event(stamp=stamp, kind=EventKind.STARTED, at=at, workload="hello", release="hello-1")

    def _stamp(self) -> Stamp:
        self.seq += 1
        return Stamp(incarnation=self.incarnation, boot=1, seq=self.seq)


def _run(workload: DesiredWorkload, *, ready_seconds: int) -> WorkloadReport:
    return WorkloadReport(
        uid=workload.uid,
        namespace=workload.namespace,
        name=workload.name,
        release=workload.release,
        phase=Phase.RUNNING,
        ready_seconds=ready_seconds,
        containers=tuple(
            ContainerReport(
                name=container.name,
                container_id="c" * 64,
                running=True,
                image_id=container.image.config,
                child=container.image.child,
            )
            for container in workload.containers
        ),
    )


def write_packets(path: Path, messages: Iterable[tuple[str, UpwardMessage]]) -> int:
    """Write PUBLISH packets, each behind its length, and return how many."""
    count = 0
    with path.open("wb") as file:
        for count, (device, message) in enumerate(messages, 1):
            topic = format_topic(device, CHANNEL_OF[type(message)]).encode()
            packet = _publish(topic, count % 65535 + 1, encode_message(message))
            file.write(struct.pack("!I", len(packet)) + packet)
    return count


def _publish(topic: bytes, identifier: int, payload: bytes) -> bytes:
    body = struct.pack(f"!H{len(topic)}sHB", len(topic), topic, identifier, 0) + payload
    return bytes([_PUBLISH_QOS_1]) + _variable(len(body)) + body


def _connect(client: str, user: str, password: str) -> bytes:
    head = struct.pack("!H4sBBHB", 4, b"MQTT", 5, 0b1100_0010, 0, 0)
    fields = b"".join(struct.pack("!H", len(text)) + text.encode() for text in (client, user, password))
    return b"\x10" + _variable(len(head + fields)) + head + fields


def _variable(number: int) -> bytes:
    """A variable byte integer (MQTT 5, section 1.5.5)."""
    encoded = bytearray()
    while True:
        number, low = divmod(number, 128)
        encoded.append(low | (128 if number else 0))
        if not number:
            return bytes(encoded)


def _read_packets(path: Path) -> list[bytes]:
    data = path.read_bytes()
    packets: list[bytes] = []
    position = 0
    while position < len(data):
        (length,) = struct.unpack_from("!I", data, position)
        packets.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return packets


def _count_acknowledgements(buffer: bytearray) -> int:
    """Take whole packets from the front of a buffer, and return how many of them are PUBACKs."""
    count = position = 0
    while position + 2 <= len(buffer) and position + 2 + buffer[position + 1] <= len(buffer):
        count += buffer[position] == _PUBACK
        position += 2 + buffer[position + 1]
    del buffer[:position]
    return count


def main(address: str, user: str, password: str, path: str) -> None:
    """Send a file of packets."""
    packets = _read_packets(Path(path))
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_connect(f"load-{Path(path).name}", user, password))
        assert connection.recv(1000)[3] == 0, "the broker refuses the load"
        print("ready", flush=True)
        sys.stdin.readline()
        sent = acknowledged = 0
        buffer = bytearray()
        while acknowledged < len(packets):
            until = min(len(packets), acknowledged + WINDOW)
            if sent < until:
                connection.sendall(b"".join(packets[sent:until]))
                sent = until
            buffer += connection.recv(65536)
            acknowledged += _count_acknowledgements(buffer)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
