"""A device: a namespace, a link, a Podman. What runs on it is started with `command`."""

import contextlib
import http.client
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.leftovers import end_containers, end_processes, remove_tree
from polyfleet_controller.lab.namespace import Namespace
from polyfleet_controller.lab.podman import Podman, PodmanStore
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.lab.relay import Relay

NAMESPACE_FILE = "namespace"
PODMAN_DIRECTORY = "podman"
ANSWER_SECONDS = 10


class Device:
    """One machine of the fleet, all of whose files are below one directory."""

    def __init__(
        self, name: str, *, directory: Path, namespace: Namespace, podman: Podman, relay: Relay
    ) -> None:
        self.name = name
        self.directory = directory
        self.namespace = namespace
        self.podman = podman
        self.relay = relay

    @classmethod
    def create(cls, name: str, *, directory: Path, registry: str, ports: Sequence[int]) -> Self:
        """Make a device whose Podman serves and which reaches these ports of this machine's 127.0.0.1.

        `directory` must not exist yet, and be short: sockets are made in it. `registry` is host:port of the
        registry that may use plain HTTP.

        Raises:
            LabError: something could not be made; what was made until then is removed.
        """
        directory.mkdir(parents=True)
        namespace = Namespace(f"polyfleet-{name[:24]}-{secrets.token_hex(4)}")
        # Written first: from here on, `remove_device` finds whatever comes to exist.
        (directory / NAMESPACE_FILE).write_text(namespace.name, encoding="ascii")
        with contextlib.ExitStack() as undo:
            undo.callback(remove_device, directory)
            Namespace.create(namespace.name)
            relay = Relay(namespace, ports)
            undo.callback(relay.close)
            podman = Podman(PodmanStore(directory=directory / PODMAN_DIRECTORY), namespace)
            undo.callback(podman.kill)
            podman.configure(registry=registry)
            podman.start()
            undo.pop_all()
        return cls(name, directory=directory, namespace=namespace, podman=podman, relay=relay)

    def command(self, *command: str) -> list[str]:
        """Return the command line that runs `command` on the device: in its namespace, with its files."""
        return self.namespace.command(*command)

    def start(
        self, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """Start a program on the device: see `ChildProcess.start`.

        Raises:
            LabError: the log cannot be written.
        """
        return ChildProcess.start(self.command(*command), log=log, environment=environment)

    def get(self, port: int, path: str = "/") -> bytes:
        """Return the body of what the device's own 127.0.0.1 answers over HTTP.

        Raises:
            LabError: nothing answers there, or not with 200.
        """
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.sock = self.namespace.connect(port, seconds=ANSWER_SECONDS)
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"port {port} of the device {self.name} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise LabError(f"port {port} of the device {self.name} answered {response.status} to {path}")
        return body

    def stop(self) -> None:
        """End its link and Podman's service; what else runs on it goes on. Idempotent."""
        self.relay.close()
        self.podman.kill()

    def remove(self) -> None:
        """Remove the device with everything that runs on it. Idempotent.

        Raises:
            LabError: something could not be removed.
        """
        self.stop()
        remove_device(self.directory)


def remove_device(directory: Path) -> None:
    """Remove a device of which only the directory is known. Idempotent.

    Raises:
        LabError: something could not be removed.
    """
    record = directory / NAMESPACE_FILE
    if record.exists():
        namespace = Namespace(record.read_text(encoding="ascii"))
        store = PodmanStore(directory=directory / PODMAN_DIRECTORY)
        end_processes(namespace)
        end_containers(store.graph_root)
        namespace.delete()
        remove_tree(store.directory)
    # Last, because it holds the record: a second call can go on where one failed.
    remove_tree(directory)
