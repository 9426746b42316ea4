"""A real agent on a device of the lab, as a process that can be stopped, killed and started again."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from polyfleet_controller.lab.device import Device
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.processes import ChildProcess

_AGENT = "polyfleet_agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The Python that an agent runs in: its command line, and what it needs in its environment."""

    command: Sequence[str] = (sys.executable,)
    environment: Mapping[str, str] = field(default_factory=dict)


THIS_PYTHON = Interpreter()


def render_agent_config(device: Device, *, directory: Path, platform: str | None, broker_port: int) -> str:
    """Return the agent's configuration file: a device of this name, on the relayed broker.

    Without `platform` it is what the agent finds.
    """
    configured = "" if platform is None else f'platform = "{platform}"\n'
    return f"""\
[device]
name = "{device.name}"
{configured}
[broker]
host = "127.0.0.1"
port = {broker_port}

[podman]
socket = "{device.podman.store.socket}"

[pull]
secrets = "{directory}/pull-secrets"

[state]
directory = "{directory}/state"
status = "{directory}/status.json"

[report]
interval = 5
"""


class Agent:
    """The agent of one device. Its state survives `stop`, `kill` and `start`."""

    def __init__(self, device: Device, directory: Path, interpreter: Interpreter = THIS_PYTHON) -> None:
        self.device = device
        self.directory = directory
        self.interpreter = interpreter
        self.log = directory / "agent.log"
        self._process: ChildProcess | None = None

    @classmethod
    def create(
        cls,
        device: Device,
        *,
        platform: str | None,
        broker_port: int,
        interpreter: Interpreter = THIS_PYTHON,
    ) -> Self:
        """Write the configuration; `platform` is what the device says it is, whatever this machine is.

        Without it the agent says what it finds, seen from its interpreter.

        Raises:
            LabError: the agent is not installed beside the controller.
        """
        if find_spec(_AGENT) is None:
            raise LabError("the agent is not installed here: install the distribution polyfleet-agent too")
        directory = device.directory / "agent"
        directory.mkdir()
        agent = cls(device, directory, interpreter)
        config = render_agent_config(device, directory=directory, platform=platform, broker_port=broker_port)
        agent.config.write_text(config, encoding="utf-8")
        return agent

    @property
    def config(self) -> Path:
        return self.directory / "agent.toml"

    @property
    def state(self) -> Path:
        """The directory that the agent keeps over restarts."""
        return self.directory / "state"

    @property
    def pull_secrets(self) -> Path:
        """Where credentials for registries lie; who puts the first one there makes it."""
        return self.directory / "pull-secrets"

    @property
    def process(self) -> ChildProcess:
        """The process of the last start.

        Raises:
            LabError: it was never started.
        """
        if self._process is None:
            raise LabError(f"the agent of {self.device.name} was not started")
        return self._process

    def start(self) -> None:
        """Start the agent; it connects, and works, by itself.

        Raises:
            LabError: its log cannot be written.
        """
        command = [*self.interpreter.command, "-m", f"{_AGENT}.cli", "run", "--config", str(self.config)]
        self._process = self.device.start(command, log=self.log, environment=self.interpreter.environment)

    def stop(self) -> None:
        """Stop it as systemd does; its containers run on. Idempotent."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL; its containers run on. Idempotent."""
        if self._process is not None:
            self._process.kill()

    def status(self) -> dict[str, Any] | None:
        """Return what the agent says of itself, None before it has said anything."""
        try:
            document: dict[str, Any] = json.loads((self.directory / "status.json").read_bytes())
        except FileNotFoundError:
            return None
        return document
