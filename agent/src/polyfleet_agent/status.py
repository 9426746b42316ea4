"""The agent's own view of itself, kept in a file for the technician who runs `polyfleet-agent status`."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from polyfleet_shared.codec import UnknownFields, decode, encode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, dump_json, parse_json
from polyfleet_shared.messages import Condition, DocumentVersion, PlatformSource, WorkloadReport
from polyfleet_shared.platforms import Platform, RunnablePlatform

_LIMIT: Final = 1024 * 1024


class StatusUnavailableError(PolyfleetError):
    """There is no status to show; says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """`broker` is where the agent connects to, and `broker_problem` why it is not connected, if it is not.

    `platforms` is all that the device runs, best first, as it was found when the agent started.
    """

    device: str
    platform: Platform
    agent_version: str
    pid: int
    incarnation: str
    boot: int
    updated_at: datetime
    broker: str
    connected: bool
    platform_source: PlatformSource = PlatformSource.DETECTED
    platforms: tuple[RunnablePlatform, ...] = ()
    broker_problem: str = ""
    unacknowledged_events: int = 0
    observed: DocumentVersion | None = None
    conditions: tuple[Condition, ...] = ()
    workloads: tuple[WorkloadReport, ...] = ()


def write_status(path: Path, status: AgentStatus) -> None:
    """Replace the file whole; it is not fsynced, since it is worth nothing after a reboot.

    Raises:
        OSError: the directory cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(dump_json(encode(status)))
    temporary.replace(path)


def read_status(path: Path) -> AgentStatus:
    """Read what the running agent, or the last one, left.

    Raises:
        StatusUnavailableError: there is no such file, or it is not readable.
    """
    try:
        document = parse_json(path.read_bytes(), limit=_LIMIT)
        return decode(AgentStatus, document, unknown=UnknownFields.IGNORE)
    except FileNotFoundError:
        raise StatusUnavailableError(
            f"{path}: no agent has run here since the machine started; "
            "start it with `systemctl start polyfleet-agent`, or name its configuration with --config"
        ) from None
    except PermissionError:
        raise StatusUnavailableError(f"{path}: not readable for you; try again with sudo") from None
    except DecodeError as error:
        raise StatusUnavailableError(f"{path}: {error}; another version of the agent wrote it") from None


def is_running(status: AgentStatus) -> bool:
    """Whether the agent that wrote it still runs."""
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
