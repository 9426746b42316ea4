"""The link of a device: carried, cut and mended."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.namespace import Namespace
from polyfleet_controller.lab.ports import LOOPBACK
from polyfleet_controller.lab.relay import Relay

SECONDS = 10


class EchoServer:
    """Sends back what it receives until the other side has said all, then closes."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, contextlib.suppress(ConnectionResetError):
                    while received := client.recv(65536):
                        client.sendall(received)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    namespace = Namespace.create(f"polyfleet-relay-{id(request):x}")
    yield namespace
    namespace.delete()


@pytest.fixture
def relay(namespace: Namespace, server: EchoServer) -> Iterator[Relay]:
    relay = Relay(namespace, [server.port])
    yield relay
    relay.close()


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(len(text), socket.MSG_WAITALL)


def test_a_namespace_without_relay_reaches_nothing(namespace: Namespace, server: EchoServer) -> None:
    with pytest.raises(ConnectionRefusedError):
        namespace.connect(server.port)


def test_bytes_arrive_whole_and_in_order_though_one_side_has_said_all(
    namespace: Namespace, relay: Relay, server: EchoServer
) -> None:
    sent = bytes(range(256)) * 20_000
    received = bytearray()
    with namespace.connect(server.port, seconds=SECONDS) as client:

        def receive() -> None:
            while chunk := client.recv(65536):
                received.extend(chunk)

        receiver = threading.Thread(target=receive)
        receiver.start()
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        receiver.join()
    assert received == sent


def test_a_cut_link_ends_open_connections_and_refuses_new_ones(
    namespace: Namespace, relay: Relay, server: EchoServer
) -> None:
    with namespace.connect(server.port) as client:
        assert ask(client, b"before") == b"before"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        namespace.connect(server.port)


def test_a_mended_link_carries_again(namespace: Namespace, relay: Relay, server: EchoServer) -> None:
    relay.cut()
    relay.cut()
    relay.mend()
    relay.mend()
    with namespace.connect(server.port) as client:
        assert ask(client, b"after") == b"after"


def test_one_port_is_cut_alone(namespace: Namespace, server: EchoServer) -> None:
    other = EchoServer()
    relay = Relay(namespace, [server.port, other.port])
    try:
        relay.cut(other.port)
        with namespace.connect(server.port) as client:
            assert ask(client, b"still") == b"still"
        with pytest.raises(ConnectionRefusedError):
            namespace.connect(other.port)
    finally:
        relay.close()
        other.close()


def test_a_dead_server_looks_dead_through_the_link(namespace: Namespace) -> None:
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
    relay = Relay(namespace, [port])
    try:
        # The reset may come while the connection is still being made.
        with pytest.raises(ConnectionResetError), namespace.connect(port, seconds=SECONDS) as client:
            client.recv(1)
    finally:
        relay.close()


def test_a_port_that_is_taken_on_the_device_cannot_be_mended(
    namespace: Namespace, relay: Relay, server: EchoServer
) -> None:
    relay.cut()
    with (
        namespace.listen(server.port),
        pytest.raises(LabError, match=f"cannot listen on port {server.port} .*: .*in use"),
    ):
        relay.mend()
