"""One directory for a whole fleet, and a janitor that clears it when its owner is killed."""

import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from polyfleet_controller.lab.agent import THIS_PYTHON, Agent, Interpreter
from polyfleet_controller.lab.broker import Broker
from polyfleet_controller.lab.controller import Controller
from polyfleet_controller.lab.device import Device, remove_device
from polyfleet_controller.lab.leftovers import remove_tree
from polyfleet_controller.lab.registry import Registry


class Workspace:
    """What is made here is stopped and removed when it closes, last first."""

    def __init__(self) -> None:
        # Short, because sockets below it have 107 bytes for their whole path; TMPDIR says where.
        self.directory = Path(tempfile.mkdtemp(prefix="polyfleet-"))
        self._numbers = itertools.count(1)
        self._cleanup = contextlib.ExitStack()
        self._cleanup.callback(clear, self.directory)
        # It waits for the end of its input, which comes with the end of this process, however that ends.
        self._janitor = subprocess.Popen(
            [sys.executable, "-m", __name__, str(self.directory)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def create_registry(self) -> Registry:
        """Start a registry.

        Raises:
            LabError: it did not start.
        """
        registry = Registry.create(self._new_directory("registry"))
        self._cleanup.callback(registry.stop)
        return registry

    def create_broker(self, *, persistent: bool = False) -> Broker:
        """Start a broker; one that is not persistent forgets everything when it stops.

        Raises:
            LabError: it did not start.
        """
        broker = Broker.create(self._new_directory("broker"), persistent=persistent)
        self._cleanup.callback(broker.stop)
        return broker

    def create_device(self, name: str, *, registry: str, ports: Sequence[int]) -> Device:
        """Make a device: see `Device.create`. Several may be made at once, in threads.

        Raises:
            LabError: something of it could not be made.
        """
        device = Device.create(name, directory=self._new_directory("device"), registry=registry, ports=ports)
        self._cleanup.callback(device.stop)
        return device

    def create_controller(self, *, registry: str, broker: str | None = None) -> Controller:
        """Start a controller: see `Controller.create`.

        Raises:
            LabError: it did not start.
        """
        controller = Controller.create(self._new_directory("controller"), registry=registry, broker=broker)
        self._cleanup.callback(controller.stop)
        return controller

    def create_agent(
        self,
        device: Device,
        *,
        platform: str | None,
        broker_port: int,
        interpreter: Interpreter = THIS_PYTHON,
    ) -> Agent:
        """Make an agent on a device, and start it: see `Agent.create`.

        Raises:
            LabError: it could not be made.
        """
        agent = Agent.create(device, platform=platform, broker_port=broker_port, interpreter=interpreter)
        self._cleanup.callback(agent.stop)
        agent.start()
        return agent

    def close(self) -> None:
        """Remove everything. Idempotent.

        Raises:
            LabError: something could not be removed; everything else was.
        """
        try:
            self._cleanup.close()
        finally:
            self._janitor.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _new_directory(self, kind: str) -> Path:
        return self.directory / f"{kind}-{next(self._numbers)}"


def clear(directory: Path) -> None:
    """Remove a workspace with every device in it. Idempotent.

    Raises:
        LabError: something could not be removed.
    """
    with ThreadPoolExecutor(thread_name_prefix="lab-clear") as pool:
        removals = [pool.submit(remove_device, device) for device in directory.glob("device-*")]
    for removal in removals:
        removal.result()
    remove_tree(directory)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    clear(Path(sys.argv[1]))
