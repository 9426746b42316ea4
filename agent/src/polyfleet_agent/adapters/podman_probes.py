"""Probes of running containers: over the network by the agent itself, commands by Podman's exec API.

Podman's own healthchecks are no help: they know commands only, one for each container, and need systemd.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, assert_never

from polyfleet_agent.adapters.http_status import read_status
from polyfleet_agent.adapters.podman_api import PodmanApi, Reasons
from polyfleet_agent.adapters.podman_logs import join_frames
from polyfleet_agent.core.health import Answer
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.probes import ExecAction, HttpGetAction, Probe, TcpSocketAction
from polyfleet_shared.reasons import Reason

_LOOPBACK: Final = "127.0.0.1"
_SHARES: Final = "container:"  # the network of another container, as the containers of a pod do
_SUCCESSES: Final = range(200, 400)
_ENOUGH_BYTES: Final = (
    10 * 1024
)  # of an answer's body: read so that its sender is not cut off, as the kubelet
_OUTPUT_BYTES: Final = 1024
_LOOK_AGAIN_SECONDS: Final = 0.02
_REASONS: Final = Reasons(otherwise=Reason.START_FAILED)

# Opens a TCP connection to a host and port within so many seconds; raises OSError.
Dial: TypeAlias = Callable[[str, int, float], socket.socket]


def dial(host: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((host, port), timeout=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a container is reached from its device: an address, or only its published ports (rootless)."""

    address: str
    published: Mapping[int, int] = field(default_factory=dict)

    def find(self, port: int) -> tuple[str, int] | None:
        """The host and port that lead to a port of the container; None if nothing does."""
        if self.address:
            return (self.address, port)
        return (_LOOPBACK, self.published[port]) if port in self.published else None


class PodmanProber:
    """Asks containers. Safe in threads."""

    def __init__(self, api: PodmanApi, dial: Dial = dial) -> None:
        self._api = api
        self._dial = dial
        self._lock = threading.Lock()
        self._places: dict[str, Place] = {}
        self._overdue: dict[tuple[str, Probe], str] = {}  # commands that outlived their time, by exec session

    def ask(self, container_id: str, probe: Probe) -> Answer:
        """Ask once.

        Raises:
            RuntimeFailure: Podman could not be asked, or does not know such a running container.
        """
        match probe.handler:
            case ExecAction():
                return self._execute(container_id, probe, probe.handler)
            case HttpGetAction(host=host, port=port):
                return self._reach(container_id, host, port, probe, probe.handler)
            case TcpSocketAction(host=host, port=port):
                return self._reach(container_id, host, port, probe, None)
            case _:
                assert_never(probe.handler)

    def forget(self, container_id: str) -> None:
        """It is started again: its address may be another."""
        with self._lock:
            self._places.pop(container_id, None)

    def forget_all_but(self, containers: set[str]) -> None:
        with self._lock:
            self._places = {key: place for key, place in self._places.items() if key in containers}
            self._overdue = {key: session for key, session in self._overdue.items() if key[0] in containers}

    # -- over the network

    def _reach(
        self, container_id: str, host: str | None, port: int, probe: Probe, request: HttpGetAction | None
    ) -> Answer:
        found = (host, port) if host is not None else self._find_place(container_id).find(port)
        if found is None:
            message = f"this device reaches port {port} of the container only if it has a hostPort"
            return Answer(succeeded=False, message=message)
        asked = _name(*found, request)
        try:
            message = self._talk(found, probe.timeout_seconds, request)
        except TimeoutError:
            message = f"no answer within {probe.timeout_seconds} s"
        except OSError as error:
            self.forget(container_id)
            message = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Answer(succeeded=not message, message=message and f"{asked}: {message}")

    def _talk(self, place: tuple[str, int], seconds: float, request: HttpGetAction | None) -> str:
        """What is wrong with the answer; nothing if it is a good one."""
        deadline = time.monotonic() + seconds
        with self._dial(*place, seconds) as connection:
            if request is None:
                return ""
            # A published port is another than the container's.
            asked = replace(request, port=place[1])
            status = read_status(connection, place[0], asked, deadline)
        return "" if status in _SUCCESSES else f"answered {status}"

    def _find_place(self, container_id: str) -> Place:
        with self._lock:
            known = self._places.get(container_id)
        if known is None:
            inspected = self._inspect(container_id)
            known = read_place(inspected)
            mode = str(inspected["HostConfig"].get("NetworkMode") or "")
            if not known.address and mode.startswith(_SHARES):
                known = read_place(self._inspect(mode.removeprefix(_SHARES)))
            with self._lock:
                self._places[container_id] = known
        return known

    def _inspect(self, container_id: str) -> dict[str, Any]:
        answer = self._api.get(f"/containers/{container_id}/json")
        if answer.missing:
            raise _does_not_run(container_id)
        inspected: dict[str, Any] = answer.body
        return inspected

    # -- commands

    def _execute(self, container_id: str, probe: Probe, action: ExecAction) -> Answer:
        key = (container_id, probe)
        asked, seconds = action.command[0], probe.timeout_seconds
        with self._lock:
            overdue = self._overdue.get(key)
        if overdue is not None and self._runs(overdue):
            return Answer(succeeded=False, message=f"{asked}: an earlier run of it has not ended yet")
        session = self._open_session(container_id, action)
        with self._lock:
            self._overdue[key] = session
        deadline = time.monotonic() + seconds
        output = self._api.run_session(session, seconds=seconds, limit=_OUTPUT_BYTES)
        while self._runs(session):  # it may have closed its output a moment before its end
            if time.monotonic() > deadline:
                return Answer(succeeded=False, message=f"{asked}: not ended within {seconds} s")
            time.sleep(_LOOK_AGAIN_SECONDS)
        with self._lock:
            self._overdue.pop(key, None)
        exit_code = self._find_exit_code(session)
        if exit_code == 0:
            return Answer(succeeded=True)
        words = "; ".join(join_frames(output).decode(errors="replace").split("\n")).strip("; ")
        return Answer(succeeded=False, message=f"{asked}: exit code {exit_code}{words and f': {words}'}")

    def _open_session(self, container_id: str, action: ExecAction) -> str:
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(action.command)}
        answer = self._api.post(f"/containers/{container_id}/exec", body=body, reasons=_REASONS)
        if answer.missing:
            raise _does_not_run(container_id)
        return str(answer.body["Id"])

    def _find_exit_code(self, session: str) -> int:
        answer = self._api.get(f"/exec/{session}/json")
        if answer.missing:
            raise RuntimeFailure(Reason.START_FAILED, "Podman does not know how the command ended")
        return int(answer.body["ExitCode"])

    def _runs(self, session: str) -> bool:
        answer = self._api.get(f"/exec/{session}/json")
        return not answer.missing and bool(answer.body["Running"])  # it is forgotten minutes after its end


def read_place(inspected: dict[str, Any]) -> Place:
    """Where an inspected container is reached."""
    if str(inspected["HostConfig"].get("NetworkMode") or "") == "host":
        return Place(address=_LOOPBACK)
    settings = inspected.get("NetworkSettings") or {}
    networks = [settings, *(settings.get("Networks") or {}).values()]
    addresses = [item.get(key) for key in ("IPAddress", "GlobalIPv6Address") for item in networks]
    published = {
        int(port.partition("/")[0]): int(bindings[0]["HostPort"])
        for port, bindings in (settings.get("Ports") or {}).items()
        if bindings and port.endswith("/tcp")
    }
    return Place(address=next((str(item) for item in addresses if item), ""), published=published)


def _name(host: str, port: int, request: HttpGetAction | None) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"port {place}" if request is None else f"GET {request.scheme.lower()}://{place}{request.path}"


def _does_not_run(container_id: str) -> RuntimeFailure:
    return RuntimeFailure(Reason.START_FAILED, f"container {container_id[:12]} does not run")
