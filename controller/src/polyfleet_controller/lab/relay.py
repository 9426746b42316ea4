"""A device's link: carries TCP from the device's 127.0.0.1 to the same port on this machine's 127.0.0.1.

The listening sockets belong to the device's namespace, the outgoing ones to this machine's; nothing else
connects the two. A cut link looks to the device like a dead network: open connections end, new ones are
refused.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.namespace import Namespace
from polyfleet_controller.lab.ports import LOOPBACK

CHUNK_BYTES = 64 * 1024
ANSWER_SECONDS = 10


class Relay:
    """The ports of this machine that one device reaches.

    Where nothing listens on this machine, the device's connection is accepted and then reset.
    """

    def __init__(self, namespace: Namespace, ports: Sequence[int]) -> None:
        self.ports = tuple(ports)
        self._namespace = namespace
        self._links: dict[int, _Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"relay-{namespace.name}", daemon=True
        )
        self._thread.start()
        try:
            self.mend()
        except LabError:
            self.close()
            raise

    def cut(self, *ports: int) -> None:
        """Reset the open connections and refuse new ones, on these ports or on all. Idempotent."""
        for port in ports or self.ports:
            if port in self._links:
                self._call(self._links.pop(port).close())

    def mend(self, *ports: int) -> None:
        """Carry again, on these ports or on all. Idempotent.

        Raises:
            LabError: something on the device has the port.
        """
        for port in ports or self.ports:
            if port not in self._links:
                link = _Link(port)
                self._call(link.serve(self._namespace.listen(port)))
                self._links[port] = link

    def close(self) -> None:
        """Cut all and end the thread. Idempotent."""
        if self._loop.is_closed():
            return
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=ANSWER_SECONDS)


class _Link:
    """One relayed port, from its mending to its cut; used only in the relay's own thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._closed = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def close(self) -> None:
        self._closed = True
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:  # it was accepted just before the cut
            _reset(writer)
            return
        connection = asyncio.create_task(_carry(self._port, reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)


async def _carry(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect to this machine's port and copy both ways until both sides have ended, or one broke."""
    writers = [writer]
    try:
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
        writers.append(there_writer)
        async with asyncio.TaskGroup() as copies:
            copies.create_task(_copy(reader, there_writer))
            copies.create_task(_copy(there_reader, writer))
        for each in writers:
            each.close()
            await each.wait_closed()
    except* OSError:
        pass  # refused or reset on one side: below, the other side sees a reset too
    finally:
        for each in writers:
            _reset(each)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Drop what is not sent yet and send a reset; without effect on a connection that has been closed."""
    with contextlib.suppress(OSError):
        # Linger for zero seconds turns close(2) into a reset.
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    writer.transport.abort()
