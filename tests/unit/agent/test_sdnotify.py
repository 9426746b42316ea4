"""What systemd hears, on a real socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyfleet_agent.adapters.sdnotify import SystemdSupervisor


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """NOTIFY_SOCKET's value, and who listens there."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@polyfleet-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(20)
        yield name, listener


def test_systemd_hears_how_the_agent_is(listener: tuple[str, socket.socket]) -> None:
    name, channel = listener
    supervisor = SystemdSupervisor({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000000"})
    supervisor.ready()
    supervisor.status("2 of 3 workloads running\nü")
    supervisor.alive()
    supervisor.stopping()
    heard = [channel.recv(4096).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=2 of 3 workloads running ü", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_watchdog_none_is_fed(listener: tuple[str, socket.socket]) -> None:
    name, channel = listener
    supervisor = SystemdSupervisor({"NOTIFY_SOCKET": name})
    supervisor.alive()
    supervisor.ready()
    assert channel.recv(4096) == b"READY=1"
    assert supervisor.watchdog_interval is None


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(environment: dict[str, str], interval: float | None) -> None:
    supervisor = SystemdSupervisor({"NOTIFY_SOCKET": "/run/systemd/notify", **environment})
    assert supervisor.watchdog_interval == interval


@pytest.mark.parametrize("name", ["", "/nonexistent/notify", "vsock:2:1234", "relative"])
def test_where_nobody_listens_nothing_happens(name: str) -> None:
    supervisor = SystemdSupervisor({"NOTIFY_SOCKET": name})
    supervisor.ready()
    supervisor.status("text")
    supervisor.alive()
    supervisor.stopping()
