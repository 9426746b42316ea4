"""The agent's configuration: one TOML file, every key optional, every mistake named by its path."""

import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from polyfleet_shared.codec import decode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.names import InvalidNameError, check_name
from polyfleet_shared.platforms import Platform

DEFAULT_PATH: Final = Path("/etc/polyfleet/agent.toml")
_MAX_PORT: Final = 65535


class ConfigurationError(PolyfleetError, ValueError):
    """Names the file, the key and what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSection:
    """`name` is the host name where it is not given; `platform` overrides detection.

    `emulation` lets the device take what its processor runs only through QEMU (binfmt_misc).
    """

    name: str = ""
    platform: Platform | None = None
    emulation: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSection:
    """Where the MQTT broker listens; `keepalive` in seconds."""

    host: str = "127.0.0.1"
    port: int = 1883
    keepalive: int = 60

    def __post_init__(self) -> None:
        if not 1 <= self.port <= _MAX_PORT:
            raise ConfigurationError(f"port is between 1 and {_MAX_PORT}, not {self.port}")
        if not 1 <= self.keepalive <= _MAX_PORT:
            raise ConfigurationError(f"keepalive is between 1 and {_MAX_PORT} s, not {self.keepalive}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanSection:
    """`socket` is the path of Podman's API socket."""

    socket: str = "/run/podman/podman.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSection:
    """`secrets` is a directory with the credentials for registries that workloads name: NAME.json."""

    secrets: str = "/etc/polyfleet/pull-secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSection:
    """`directory` survives reboots, `status` need not."""

    directory: str = "/var/lib/polyfleet-agent"
    status: str = "/run/polyfleet-agent/status.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """Seconds between two reports of what has not changed, and between two of telemetry."""

    interval: int = 30
    telemetry: int = 60

    def __post_init__(self) -> None:
        if self.interval < 1 or self.telemetry < 1:
            raise ConfigurationError("interval and telemetry are at least 1 s")


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSection:
    """Goes to standard error, which systemd puts into the journal."""

    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """The whole file."""

    device: DeviceSection = DeviceSection()
    broker: BrokerSection = BrokerSection()
    podman: PodmanSection = PodmanSection()
    pull: PullSection = PullSection()
    state: StateSection = StateSection()
    report: ReportSection = ReportSection()
    log: LogSection = LogSection()


def load_config(path: Path, *, required: bool) -> AgentConfig:
    """Read the file; without one, and unless it is required, the defaults hold.

    Raises:
        ConfigurationError: with every mistake in the file, each by its key.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise ConfigurationError(f"{path}: there is no such file") from None
        document = {}
    except OSError as error:
        raise ConfigurationError(f"{path}: not readable: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    try:
        config = decode(AgentConfig, document)
    except DecodeError as error:
        lines = "\n".join(f"{path}: {problem}" for problem in error.problems)
        raise ConfigurationError(lines) from None
    return replace(config, device=replace(config.device, name=_device_name(path, config.device.name)))


def _device_name(path: Path, configured: str) -> str:
    name = configured or socket.gethostname().split(".")[0].lower()
    try:
        return check_name("device name", name)
    except InvalidNameError as error:
        where = "device.name" if configured else "device.name is not set, and the host name is unfit"
        raise ConfigurationError(f"{path}: {where}: {error}") from None
