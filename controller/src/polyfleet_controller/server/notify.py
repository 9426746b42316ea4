"""systemd's readiness and watchdog protocol (sd_notify(3)): one datagram per state, if systemd listens."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the socket that systemd named, or to nobody."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with "@" is an abstract socket's (unix(7)).
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self.watchdog_seconds = _read_watchdog(environment)

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
            speaker.connect(self._address)
            speaker.sendall(text.encode())


def _read_watchdog(environment: Mapping[str, str]) -> float | None:
    """After how many seconds of silence systemd takes this process for dead; None if it does not watch it."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
