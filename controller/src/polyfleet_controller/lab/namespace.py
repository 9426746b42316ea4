"""A network namespace that holds nothing but `lo`: a device without a network, until a relay gives it one."""

import ctypes
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.ports import LOOPBACK
from polyfleet_controller.lab.processes import run

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000  # <sched.h>; os.setns and os.CLONE_NEWNET came with Python 3.12

_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    """A named network namespace (ip-netns(8))."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def create(cls, name: str) -> Self:
        """Create it, with `lo` up.

        Raises:
            LabError: the name is taken, or this process may not create namespaces.
        """
        run(["ip", "netns", "add", name])
        namespace = cls(name)
        run(namespace.command("ip", "link", "set", "lo", "up"))
        return namespace

    @property
    def path(self) -> Path:
        return NAMESPACES / self.name

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs `command` in this namespace.

        Not `ip netns exec`: it mounts a fresh /sys, which hides the cgroups from Podman.
        """
        return ["nsenter", f"--net={self.path}", "--", *command]

    def open_socket(self) -> socket.socket:
        """Return a new TCP socket that belongs to this namespace, whichever thread uses it.

        Raises:
            LabError: the namespace does not exist, or this process may not enter it.
        """
        # The namespace is a property of the thread, and a socket keeps that of the thread that made it.
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="lab-setns") as pool:
            return pool.submit(self._enter_and_open).result()

    def connect(self, port: int, *, seconds: float = 5) -> socket.socket:
        """Return a connection to the port on the namespace's own 127.0.0.1; see `dial`."""
        return self.dial(LOOPBACK, port, seconds)

    def dial(self, host: str, port: int, seconds: float) -> socket.socket:
        """Return a connection to what the namespace has under this address.

        Raises:
            OSError: nothing listens there, or it did not accept within `seconds`.
            LabError: as `open_socket`.
        """
        connection = self.open_socket()
        try:
            connection.settimeout(seconds)
            connection.connect((host, port))
        except OSError:
            connection.close()
            raise
        return connection

    def listen(self, port: int) -> socket.socket:
        """Return a socket that listens on the port of the namespace's own 127.0.0.1.

        Raises:
            LabError: the port is taken there; or as `open_socket`.
        """
        listener = self.open_socket()
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((LOOPBACK, port))
            listener.listen()
        except OSError as error:
            listener.close()
            raise LabError(f"cannot listen on port {port} in {self.path}: {error}") from error
        return listener

    def processes(self) -> list[int]:
        """Return the processes in it; none if it does not exist."""
        if not self.path.exists():
            return []
        return [int(pid) for pid in run(["ip", "netns", "pids", self.name]).split()]

    def delete(self) -> None:
        """Delete the name; the namespace goes with the last process in it. Idempotent."""
        if self.path.exists():
            run(["ip", "netns", "delete", self.name])

    def _enter_and_open(self) -> socket.socket:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise LabError(f"no network namespace {self.path}: {error}") from error
        try:
            if _libc.setns(descriptor, CLONE_NEWNET) != 0:
                reason = os.strerror(ctypes.get_errno())
                raise LabError(f"cannot enter the network namespace {self.path}: {reason}; run as root")
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            os.close(descriptor)
