"""The status of an HTTP answer, by a deadline for all of it.

The standard library's client knows no such deadline: its time-out begins anew with every byte that comes.
"""

import re
import socket
import ssl
import time
from typing import Final

from polyfleet_shared.probes import HttpGetAction, Scheme

_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9.]+ ([0-9]{3})[ \r\n]")  # RFC 9112, section 4
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)
_HEAD_ENDS: Final = b"\r\n\r\n"
_HEAD_BYTES: Final = 64 * 1024
_BODY_BYTES: Final = 10 * 1024  # as the kubelet: read so that its sender is not cut off
_CHUNK_BYTES: Final = 4096


def read_status(connection: socket.socket, host: str, action: HttpGetAction, deadline: float) -> int:
    """Send the request over a connection, which this closes, and read the answer. No redirect is followed.

    Raises:
        OSError: there was none, or none of HTTP's; TimeoutError if it did not come by `deadline` (monotonic).
    """
    with _secure(connection, host, action.scheme, deadline) as secured:
        _give_time(secured, deadline)
        secured.sendall(write_request(host, action))
        head, _, body = _receive_head(secured, deadline).partition(_HEAD_ENDS)
        status = _STATUS_LINE.match(head + _HEAD_ENDS)
        if status is None:
            raise ConnectionError("no HTTP answer")
        length = _LENGTH.search(head + _HEAD_ENDS)
        expected = min(int(length[1]), _BODY_BYTES) if length else 0
        while len(body) < expected and (chunk := _receive(secured, deadline)):
            body += chunk
        return int(status[1])


def write_request(host: str, action: HttpGetAction) -> bytes:
    """The request; the action's headers replace the usual ones."""
    place = f"[{host}]:{action.port}" if ":" in host else f"{host}:{action.port}"
    usual = {"Host": place, "User-Agent": "polyfleet-probe", "Accept": "*/*", "Connection": "close"}
    own = {header.name.lower() for header in action.http_headers}
    lines = [
        f"GET {action.path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in usual.items() if name.lower() not in own),
        *(f"{header.name}: {header.value}" for header in action.http_headers),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _secure(connection: socket.socket, host: str, scheme: Scheme, deadline: float) -> socket.socket:
    if scheme is Scheme.HTTP:
        return connection
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # as Kubernetes: a container's certificate names no address
    _give_time(connection, deadline)
    return context.wrap_socket(connection, server_hostname=host)


def _receive_head(connection: socket.socket, deadline: float) -> bytes:
    received = b""
    while _HEAD_ENDS not in received and len(received) < _HEAD_BYTES:
        chunk = _receive(connection, deadline)
        if not chunk:
            break
        received += chunk
    return received


def _receive(connection: socket.socket, deadline: float) -> bytes:
    _give_time(connection, deadline)
    return connection.recv(_CHUNK_BYTES)


def _give_time(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
