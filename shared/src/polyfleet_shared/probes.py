"""Probes: how a device asks a container whether it has started, is ready, and is alive. Kubernetes' Probe."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem

_MAX_PORT: Final = 65535
_MAX_NUMBER: Final = 2**31 - 1
_SHOWN: Final = 80

# What http.client puts on the request line and into headers as it is (RFC 9110, sections 4 and 5).
_PATH: Final = re.compile(r"/[!-~]*")
_HOST: Final = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[\t -~]*")


class InvalidProbeError(PolyfleetError, ValueError):
    """A probe that nothing can be asked with."""


class ProbeKind(StrEnum):
    """What a probe asks for; each names its field of a container."""

    STARTUP = "startup"  # has it started? Until then none of the others asks, and its end is a failure
    LIVENESS = "liveness"  # does it still work? If not, it is stopped and started again
    READINESS = "readiness"  # can it be used? If not, it runs on and is not called ready


class Scheme(StrEnum):
    """As in a Kubernetes HTTPGetAction; of HTTPS no certificate is checked, as there."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecAction:
    """A Kubernetes ExecAction: run in the container, without a shell; exit code 0 is success."""

    command: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.command:
            raise InvalidProbeError("exec has a command of at least one word")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpHeader:
    """A Kubernetes HTTPHeader."""

    name: str
    value: str = ""

    def __post_init__(self) -> None:
        if _HEADER_NAME.fullmatch(self.name) is None:
            raise InvalidProbeError(f"{self.name[:_SHOWN]!r} is no name of an HTTP header")
        if _HEADER_VALUE.fullmatch(self.value) is None:
            raise InvalidProbeError(f"the value of {self.name} is not printable ASCII")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGetAction:
    """A Kubernetes HTTPGetAction: an answer of 200 to 399 is success.

    Without a `host` it goes to the container's own address.
    """

    path: str = "/"
    port: int
    host: str | None = None
    scheme: Scheme = Scheme.HTTP
    http_headers: tuple[HttpHeader, ...] = ()

    def __post_init__(self) -> None:
        if _PATH.fullmatch(self.path) is None:
            raise InvalidProbeError(
                f"{self.path[:_SHOWN]!r} is no path: it begins with '/', and what is not printable ASCII, "
                "spaces too, is written as %XX"
            )
        _check_place(self.port, self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpSocketAction:
    """A Kubernetes TCPSocketAction: a connection that comes about is success."""

    port: int
    host: str | None = None

    def __post_init__(self) -> None:
        _check_place(self.port, self.host)


ProbeHandler: TypeAlias = ExecAction | HttpGetAction | TcpSocketAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A Kubernetes Probe with exactly one of `exec`, `http_get` and `tcp_socket`; all else as there.

    So many answers in a row as a threshold says turn the verdict.
    """

    exec: ExecAction | None = None
    http_get: HttpGetAction | None = None
    tcp_socket: TcpSocketAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    def __post_init__(self) -> None:
        if len(self._handlers) != 1:
            raise InvalidProbeError("a probe has exactly one of exec, httpGet and tcpSocket")
        for name, number, least in (
            ("initialDelaySeconds", self.initial_delay_seconds, 0),
            ("periodSeconds", self.period_seconds, 1),
            ("timeoutSeconds", self.timeout_seconds, 1),
            ("successThreshold", self.success_threshold, 1),
            ("failureThreshold", self.failure_threshold, 1),
        ):
            if not least <= number <= _MAX_NUMBER:
                raise InvalidProbeError(f"{name} is between {least} and {_MAX_NUMBER}, not {number}")

    @property
    def handler(self) -> ProbeHandler:
        """What is done to ask."""
        [found] = self._handlers
        return found

    @property
    def _handlers(self) -> list[ProbeHandler]:
        return [item for item in (self.exec, self.http_get, self.tcp_socket) if item is not None]


class Thresholds(Protocol):
    """A probe, pinned or as an operator wrote it."""

    @property
    def success_threshold(self) -> int: ...


class Probed(Protocol):
    """What has probes: a container, pinned or as an operator wrote it."""

    @property
    def startup_probe(self) -> Thresholds | None: ...

    @property
    def liveness_probe(self) -> Thresholds | None: ...

    @property
    def readiness_probe(self) -> Thresholds | None: ...


def find_probe_problems(container: Probed, *, is_init: bool) -> Iterator[Problem]:
    """What is wrong with a container's probes beside what each says by itself, as in Kubernetes."""
    for name, probe in (
        ("startupProbe", container.startup_probe),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
    ):
        if probe is None:
            continue
        if is_init:
            yield Problem(
                path=name, message="an init container has no probes: that it ended well is its proof"
            )
        elif name != "readinessProbe" and probe.success_threshold != 1:
            message = f"of this probe it is 1, not {probe.success_threshold}: one success is enough"
            yield Problem(path=f"{name}.successThreshold", message=message)


def _check_place(port: int, host: str | None) -> None:
    if not 1 <= port <= _MAX_PORT:
        raise InvalidProbeError(f"a port is between 1 and {_MAX_PORT}, not {port}")
    if host is not None and _HOST.fullmatch(host) is None:
        raise InvalidProbeError(f"{host[:_SHOWN]!r} is neither a name of a host nor an address")
