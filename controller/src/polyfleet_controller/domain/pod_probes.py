"""Probes as an operator writes them in a container, and what a device gets of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem
from polyfleet_shared.probes import ExecAction, HttpGetAction, HttpHeader, Probe, Scheme, TcpSocketAction
from polyfleet_shared.workloads import ContainerPort

_MAX_PORT: Final = 65535
_ANY_PORT: Final = 1
_SHOWN: Final = 40
# RFC 6335, section 5.1, as Kubernetes has it: in lower case.
_NAME: Final = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")

PROBE_FIELDS: Final = ("startupProbe", "livenessProbe", "readinessProbe")


class InvalidPortError(PolyfleetError, ValueError):
    """Text that is neither a number of a port nor a name for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortReference:
    """A port by its number, or by its name among the container's `ports`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number or a name; raises InvalidPortError."""
        if text.isascii() and text.isdigit() and 1 <= int(text[:_SHOWN]) <= _MAX_PORT:
            return cls(text=str(int(text)))
        if _NAME.fullmatch(text) is None:
            raise InvalidPortError(
                f"{text[:_SHOWN]!r} is no port: write a number from 1 to {_MAX_PORT}, or the name of one of "
                "the container's ports"
            )
        return cls(text=text)

    def __str__(self) -> str:
        return self.text

    def find(self, ports: Sequence[ContainerPort]) -> int | None:
        """Its number; None if no port has that name."""
        if self.text.isdigit():
            return int(self.text)
        return next((port.container_port for port in ports if port.name == self.text), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGetTemplate:
    """A Kubernetes HTTPGetAction."""

    path: str = "/"
    port: PortReference
    host: str | None = None
    scheme: Scheme = Scheme.HTTP
    http_headers: tuple[HttpHeader, ...] = ()

    def __post_init__(self) -> None:
        self.pin(_ANY_PORT)

    def pin(self, port: int) -> HttpGetAction:
        """The action with a number for its port."""
        return HttpGetAction(
            path=self.path, port=port, host=self.host, scheme=self.scheme, http_headers=self.http_headers
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocketTemplate:
    """A Kubernetes TCPSocketAction."""

    port: PortReference
    host: str | None = None

    def __post_init__(self) -> None:
        self.pin(_ANY_PORT)

    def pin(self, port: int) -> TcpSocketAction:
        """The action with a number for its port."""
        return TcpSocketAction(port=port, host=self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTemplate:
    """A Kubernetes Probe: exactly one of `exec`, `httpGet` and `tcpSocket`."""

    exec: ExecAction | None = None
    http_get: HttpGetTemplate | None = None
    tcp_socket: TcpSocketTemplate | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    def __post_init__(self) -> None:
        self._pin(_ANY_PORT)

    @property
    def port(self) -> tuple[str, PortReference] | None:
        """The path of its port within it, and the port; None where it has none."""
        if self.http_get is not None:
            return "httpGet.port", self.http_get.port
        return None if self.tcp_socket is None else ("tcpSocket.port", self.tcp_socket.port)

    def pin(self, ports: Sequence[ContainerPort]) -> Probe:
        """The probe as a device gets it. The container has been checked for the names of its ports."""
        number = None if self.port is None else self.port[1].find(ports)
        return self._pin(_ANY_PORT if number is None else number)

    def _pin(self, port: int) -> Probe:
        return Probe(
            exec=self.exec,
            http_get=None if self.http_get is None else self.http_get.pin(port),
            tcp_socket=None if self.tcp_socket is None else self.tcp_socket.pin(port),
            initial_delay_seconds=self.initial_delay_seconds,
            period_seconds=self.period_seconds,
            timeout_seconds=self.timeout_seconds,
            success_threshold=self.success_threshold,
            failure_threshold=self.failure_threshold,
        )


def find_port_problems(
    probes: Sequence[ProbeTemplate | None], ports: Sequence[ContainerPort]
) -> Iterator[Problem]:
    """Names of ports that a container's probes, in the order of `PROBE_FIELDS`, use and it does not have."""
    for field, probe in zip(PROBE_FIELDS, probes, strict=True):
        port = None if probe is None else probe.port
        if port is not None and port[1].find(ports) is None:
            path, reference = port
            message = f"no port of the container is called {reference}"
            yield Problem(path=f"{field}.{path}", message=message)
