"""What systemd hears."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyfleet_controller.server.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@polyfleet-test-{os.getpid()}"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address.startswith("@") else address)
        listener.settimeout(10)
        yield listener


def test_systemd_hears_each_state(systemd: socket.socket, address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready("up")
    notifier.status("fine")
    notifier.alive()
    notifier.stopping()
    heard = [systemd.recv(100) for _ in range(4)]
    assert heard == [b"READY=1\nSTATUS=up", b"STATUS=fine", b"WATCHDOG=1", b"STOPPING=1"]


def test_without_systemd_nothing_is_said() -> None:
    notifier = Notifier({})
    notifier.ready("up")
    assert notifier.watchdog_seconds is None


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_only_a_watchdog_for_this_process_is_fed(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_seconds == seconds
