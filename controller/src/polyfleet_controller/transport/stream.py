"""The byte stream to the broker: messages and their acknowledgements are taken out before paho sees them.

Paho spends 36 µs on a PUBLISH that comes in, and as much on one that goes out: a dozen objects, four reads, a
select. That would be all of the time that ingest may take for a message. So the two packets that nearly all
traffic consists of are read and written here; the whole life of the connection stays paho's.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from polyfleet_shared.errors import PolyfleetError

_CHUNK: Final = 256 * 1024
# One look at the socket; the loop has other things to do in between.
_MOST: Final = 4 * _CHUNK

_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_TYPE: Final = 0xF0
_QOS: Final = 0x06
_QOS_2: Final = 0x04
_RETAIN: Final = 0x01
_CONTINUED: Final = 0x80
_LOW: Final = 0x7F
_LENGTH_BYTES: Final = 4
_NO_PROPERTIES: Final = b"\0"
_ACKNOWLEDGEMENT: Final = struct.Struct("!BBH")
_SHORT: Final = struct.Struct("!H")
_WOULD_BLOCK: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class ProtocolError(PolyfleetError):
    """What the broker sends is not MQTT 5."""


class Publication(NamedTuple):
    """A message as it came; `packet` is its identifier, 0 with QoS 0. Made by the ten thousand."""

    topic: bytes
    payload: bytes
    qos: int
    retained: bool
    packet: int


class Answer(NamedTuple):
    """The broker's PUBACK for one of our messages; a `reason` from 0x80 on means that it was not taken."""

    packet: int
    reason: int


@dataclass(slots=True)
class Intake:
    """What came in, each kind in its order."""

    publications: list[Publication] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


class Stream:
    """A socket for paho, which reads here what is left, and writes into a buffer that `flush` sends."""

    def __init__(self, connection: Any, *, packet_limit: int) -> None:  # noqa: ANN401 - a socket, TLS or not
        self._connection = connection
        self._packet_limit = packet_limit
        self._incoming = bytearray()
        self._rest = bytearray()
        self._outgoing = bytearray()
        self._ended = False

    # -- what the loop calls

    def receive(self) -> Intake:
        """Take in what there is, and return all of it that is not paho's.

        Raises:
            ProtocolError: it is none of MQTT's.
        """
        received = 0
        try:
            while received < _MOST and not self._ended:
                chunk = self._connection.recv(_CHUNK)
                self._ended = not chunk
                received += len(chunk)
                self._incoming += chunk
        except _WOULD_BLOCK:
            pass
        except OSError:
            self.end()
        return self._split()

    def end(self) -> None:
        """Take the connection for ended, as paho then learns when it reads."""
        self._ended = True

    @property
    def has_rest(self) -> bool:
        """Whether there is something for paho to read, be it the end."""
        return bool(self._rest) or self._ended

    @property
    def has_outgoing(self) -> bool:
        return bool(self._outgoing)

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Queue a PUBACK for each packet identifier."""
        self._outgoing += b"".join([_ACKNOWLEDGEMENT.pack(_PUBACK, 2, packet) for packet in packets])

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, packet: int) -> None:
        """Queue a PUBLISH; `packet` is an identifier that is not in use, and of no account with QoS 0."""
        name = topic.encode()
        identifier = _SHORT.pack(packet) if qos else b""
        head = bytes((_PUBLISH | qos << 1 | retain,))
        size = _write_variable(2 + len(name) + len(identifier) + 1 + len(payload))
        self._outgoing += b"".join(
            (head, size, _SHORT.pack(len(name)), name, identifier, _NO_PROPERTIES, payload)
        )

    def flush(self) -> None:
        """Send what can be sent now. That the connection has ended, reading tells."""
        with contextlib.suppress(OSError):
            while self._outgoing:
                del self._outgoing[: self._connection.send(self._outgoing)]

    def _split(self) -> Intake:
        intake = Intake()
        data, position = self._incoming, 0
        while (frame := self._find_frame(data, position)) is not None:
            body, end = frame
            head = data[position]
            if head & _TYPE == _PUBLISH and head & _QOS < _QOS_2:
                intake.publications.append(_read_publication(head, data, body, end))
            elif head & _TYPE == _PUBACK:
                intake.answers.append(_read_answer(data, body, end))
            else:
                self._rest += data[position:end]
            position = end
        del data[:position]
        return intake

    def _find_frame(self, data: bytearray, start: int) -> tuple[int, int] | None:
        """Where the body of the packet begins and ends, None if it is not all here."""
        length = _read_variable(data, start + 1, len(data))
        if length is None:
            return None
        size, body = length
        if size > self._packet_limit:
            raise ProtocolError(
                f"the broker sends a packet of {size} bytes, and was told {self._packet_limit}"
            )
        end = body + size
        return (body, end) if end <= len(data) else None

    # -- what paho calls

    def recv(self, buffer_size: int) -> bytes:
        if not self._rest:
            if self._ended:
                return b""
            raise BlockingIOError
        taken = bytes(self._rest[:buffer_size])
        del self._rest[:buffer_size]
        return taken

    def send(self, buffer: bytes | bytearray) -> int:
        self._outgoing += buffer
        return len(buffer)

    def close(self) -> None:
        """Send what can be sent, as paho takes for sent what it has written, and close."""
        self.flush()
        self._outgoing.clear()
        self._connection.close()

    def fileno(self) -> int:
        descriptor: int = self._connection.fileno()
        return descriptor

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - as sockets have it
        self._connection.setblocking(flag)

    def set_nodelay(self) -> None:
        """Send small packets at once: Nagle's algorithm makes every round trip take 44 ms."""
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _read_variable(data: bytearray, position: int, end: int) -> tuple[int, int] | None:
    """A variable byte integer (section 1.5.5) and the position after it, None if it is not all here."""
    value = shift = 0
    for place in range(position, min(end, position + _LENGTH_BYTES)):
        byte = data[place]
        value |= (byte & _LOW) << shift
        if byte < _CONTINUED:
            return value, place + 1
        shift += 7
    if end - position >= _LENGTH_BYTES:
        raise ProtocolError("the broker sends a length of more than four bytes")
    return None


def _write_variable(value: int) -> bytes:
    encoded = bytearray()
    while value >= _CONTINUED:
        encoded.append(value & _LOW | _CONTINUED)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_answer(data: bytearray, start: int, end: int) -> Answer:
    """Section 3.4. Without a reason code, the reason is success."""
    if end - start < _SHORT.size:
        raise ProtocolError("the broker sends a PUBACK that ends too soon")
    (packet,) = _SHORT.unpack_from(data, start)
    return Answer(packet, data[start + 2] if end - start > _SHORT.size else 0)


def _read_publication(head: int, data: bytearray, start: int, end: int) -> Publication:
    """Section 3.3. No property matters here: topic aliases are not offered, and the rest is for requests."""
    try:
        (length,) = _SHORT.unpack_from(data, start)
        topic_end = position = start + 2 + length
        packet = 0
        if head & _QOS:
            (packet,) = _SHORT.unpack_from(data, position)
            position += 2
    except struct.error:
        raise ProtocolError("the broker sends a PUBLISH that ends too soon") from None
    properties = _read_variable(data, position, end)
    if properties is None or properties[0] + properties[1] > end:
        raise ProtocolError("the broker sends a PUBLISH that ends too soon")
    size, position = properties
    return Publication(
        bytes(data[start + 2 : topic_end]),
        bytes(data[position + size : end]),
        (head & _QOS) >> 1,
        head & _RETAIN == _RETAIN,
        packet,
    )
