"""systemd's notify protocol (sd_notify(3), sd_watchdog_enabled(3))."""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

_MICROSECONDS: Final = 1_000_000


class SystemdSupervisor:
    """Tells systemd how the agent is; outside systemd, nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is the process's own: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID are read."""
        self._address = _read_address(environment.get("NOTIFY_SOCKET", ""))
        self._watchdog_interval = _read_interval(environment) if self._address else None

    def ready(self) -> None:
        self._send("READY=1")

    def status(self, text: str) -> None:
        self._send("STATUS=" + " ".join(text.splitlines()))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        if self._watchdog_interval is not None:
            self._send("WATCHDOG=1")

    @property
    def watchdog_interval(self) -> float | None:
        """Half of what systemd allows, as sd_watchdog_enabled(3) recommends."""
        return self._watchdog_interval

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A supervisor that does not listen is no reason for the supervised to end.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(message.encode(), self._address)


def _read_address(text: str) -> str:
    """A path, or an abstract socket, which is written with @ for the leading NUL; others are not local."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _read_interval(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for a parent or a child of ours
    return int(microseconds) / _MICROSECONDS / 2
