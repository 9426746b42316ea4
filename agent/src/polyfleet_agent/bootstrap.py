"""Puts the agent together from its configuration: the only place that knows every part."""

import logging
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from polyfleet_agent import __version__
from polyfleet_agent.adapters.clock import SystemClock
from polyfleet_agent.adapters.hostinfo import LinuxHost
from polyfleet_agent.adapters.mqtt import MqttTransport
from polyfleet_agent.adapters.podman_runtime import PodmanRuntime
from polyfleet_agent.adapters.sdnotify import SystemdSupervisor
from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.adapters.statefile import DirectoryState
from polyfleet_agent.composer import FEATURES, Composer
from polyfleet_agent.config import AgentConfig
from polyfleet_agent.core.memory import Record, read_memory
from polyfleet_agent.core.state import Settings
from polyfleet_agent.ports import Recovered, World
from polyfleet_agent.runner import Runner, View
from polyfleet_agent.status import AgentStatus, write_status
from polyfleet_shared.desired import DesiredDocument, read_desired
from polyfleet_shared.json_text import DecodeError

_LOG: Final = logging.getLogger(__name__)
_MACHINE_ID: Final = Path("/etc/machine-id")


def run_agent(config: AgentConfig) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        StateFailure: the state directory cannot be used.
    """
    state = DirectoryState(Path(config.state.directory), machine_id=_read_machine_id())
    recovered = state.recover()
    for notice in recovered.notices:
        _LOG.warning("%s", notice)
    world = _build_world(config, state, recovered)
    settings = Settings(
        device=config.device.name,
        report_interval=float(config.report.interval),
        telemetry_interval=float(config.report.telemetry),
    )
    composer = Composer(recovered.identity, config.device.labels)
    runner = Runner(world, composer, settings, _status_writer(config, world, recovered))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: runner.stop())
    native = world.host.platform().platforms[0]
    _LOG.info(
        "agent %s of device %s, incarnation %s, boot %d",
        __version__,
        config.device.name,
        recovered.identity.incarnation,
        recovered.identity.boot,
    )
    _LOG.info("platform %s: %s", native.platform, native.found)
    runner.run(_read_kept_document(recovered), recovered.notices, _read_records(recovered))


def _build_world(config: AgentConfig, state: DirectoryState, recovered: Recovered) -> World:
    directory = Path(config.state.directory)
    identity = recovered.identity
    return World(
        runtime=PodmanRuntime(
            f"unix://{config.podman.socket}",
            config.device.name,
            pull_secrets=Path(config.pull.secrets),
        ),
        transport=MqttTransport(
            config.device.name,
            config.broker.host,
            config.broker.port,
            keepalive=config.broker.keepalive,
            rng=Random(identity.incarnation),  # noqa: S311 - spreads reconnects, protects nothing
        ),
        state=state,
        spool=FileSpool(directory / "events", identity.incarnation, identity.boot),
        host=LinuxHost(configured=config.device.platform, emulation=config.device.emulation, disk=directory),
        supervisor=SystemdSupervisor(os.environ),
        clock=SystemClock(),
    )


def _read_kept_document(recovered: Recovered) -> DesiredDocument | None:
    """What the device ran by before it stopped: it starts again without the network."""
    if recovered.desired is None:
        return None
    try:
        return read_desired(recovered.desired, features=FEATURES)
    except DecodeError as error:
        _LOG.warning("the kept desired document is unreadable (%s): waiting for the controller's", error)
        return None


def _read_records(recovered: Recovered) -> dict[str, Record]:
    """Which releases were good and which failed, as far as it can be read."""
    if recovered.records is None:
        return {}
    read = read_memory(recovered.records)
    for problem in read.problems:
        _LOG.warning("what was remembered of a release is unreadable (%s) and forgotten", problem)
    return read.records


def _status_writer(config: AgentConfig, world: World, recovered: Recovered) -> Callable[[View], None]:
    path = Path(config.state.status)
    detected = world.host.platform()
    failed = False

    def write(view: View) -> None:
        nonlocal failed
        status = AgentStatus(
            device=config.device.name,
            platform=detected.platform,
            agent_version=__version__,
            pid=os.getpid(),
            incarnation=recovered.identity.incarnation,
            boot=recovered.identity.boot,
            updated_at=datetime.now(tz=UTC),
            broker=f"{config.broker.host}:{config.broker.port}",
            connected=view.connected,
            platform_source=detected.source,
            platforms=detected.platforms,
            broker_problem=view.problem,
            unacknowledged_events=len(world.spool.pending()),
            observed=view.published.observed,
            conditions=view.published.conditions,
            workloads=view.published.workloads,
        )
        try:
            write_status(path, status)
        except OSError as error:
            if not failed:
                _LOG.warning("%s: the status cannot be written: %s", path, error.strerror)
            failed = True
        else:
            failed = False
        world.supervisor.status(_summarise(status))

    return write


def _summarise(status: AgentStatus) -> str:
    running = sum(1 for item in status.workloads if item.phase == "running")
    link = "connected" if status.connected else f"not connected ({status.broker_problem})"
    return f"{running} of {len(status.workloads)} workloads running; {link} to {status.broker}"


def _read_machine_id() -> str:
    try:
        return _MACHINE_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
