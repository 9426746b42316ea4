"""A Podman of its own: configuration, storage, locks and API socket in one directory, in one namespace."""

import http.client
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.namespace import Namespace
from polyfleet_controller.lab.processes import ChildProcess, run

MAX_SOCKET_PATH_BYTES = 107  # unix(7): sun_path, less the terminating zero


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanStore:
    """Where a Podman keeps everything."""

    directory: Path

    @property
    def socket(self) -> Path:
        return self.directory / "podman.sock"

    @property
    def graph_root(self) -> Path:
        return self.directory / "storage"

    @property
    def run_root(self) -> Path:
        return self.directory / "run"

    @property
    def scratch(self) -> Path:
        """For temporary files, and what must not outlive a boot."""
        return self.directory / "scratch"

    @property
    def environment(self) -> dict[str, str]:
        """What makes any `podman` command use this store."""
        return {
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.directory / "registries.conf"),
            # containers-policy.json(5): the only way to name a policy that the API service follows.
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(self.scratch),
        }


def render_podman_files(store: PodmanStore, *, registry: str) -> dict[Path, str]:
    """Return the content of every configuration file: containers.conf(5), storage.conf(5) and others.

    `registry` is host:port of the one that may use plain HTTP.
    """
    directory = store.directory
    return {
        # runtime: crun refuses all but pure cgroup v2, and needs CAP_SYS_RESOURCE there; runc takes any.
        # default_ulimits: Podman's own, over a million files, need CAP_SYS_RESOURCE.
        # lock_type: the default, one shared memory segment for all of root's Podmans, is reset by each new
        # store, and two containers may then share a lock.
        directory / "containers.conf": f"""\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_path = "{directory}/events.log"
lock_type = "file"
tmp_dir = "{store.scratch}/libpod"
static_dir = "{store.graph_root}/libpod"
volume_path = "{store.graph_root}/volumes"
image_copy_tmp_dir = "{store.scratch}"

[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
""",
        directory / "storage.conf": f"""\
[storage]
driver = "overlay"
graphroot = "{store.graph_root}"
runroot = "{store.run_root}"
""",
        directory / "registries.conf": f"""\
[[registry]]
location = "{registry}"
insecure = true
""",
        directory
        / "home/.config/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    }


class Podman:
    """The API service over one store; the containers run on while it is down."""

    def __init__(self, store: PodmanStore, namespace: Namespace) -> None:
        self.store = store
        self._namespace = namespace
        self._service: ChildProcess | None = None

    def configure(self, *, registry: str) -> None:
        """Create the store with its configuration; the registry (host:port) may use plain HTTP.

        Raises:
            LabError: the path is too long for a socket.
        """
        if len(os.fsencode(self.store.socket)) > MAX_SOCKET_PATH_BYTES:
            raise LabError(f"{self.store.socket} is too long for a socket: choose a shorter directory")
        self.store.scratch.mkdir(parents=True)
        for path, content in render_podman_files(self.store, registry=registry).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def start(self) -> None:
        """Start the service.

        Raises:
            LabError: it did not start; the message has the end of its log.
        """
        self.store.socket.unlink(missing_ok=True)
        command = ("podman", "system", "service", "--time=0", f"unix://{self.store.socket}")
        self._service = ChildProcess.start(
            self._namespace.command(*command),
            log=self.store.directory / "podman.log",
            environment=self.store.environment,
            # conmon writes its mark, a file `oom`, into the service's working directory.
            directory=self.store.directory,
        )
        self._service.wait_until_ready(self._answers)

    def stop(self) -> None:
        """Stop the service as an init system does. Idempotent."""
        if self._service is not None:
            self._service.stop()

    def kill(self) -> None:
        """End the service with SIGKILL. Idempotent."""
        if self._service is not None:
            self._service.kill()

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """Run the podman command on this store and return what it printed.

        Raises:
            LabError: it failed, or took longer than `seconds`.
        """
        command = self._namespace.command("podman", *arguments)
        return run(command, environment=self.store.environment, seconds=seconds)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.store.socket))
                client.sendall(b"GET /_ping HTTP/1.0\r\nHost: podman\r\n\r\n")
                response = http.client.HTTPResponse(client)
                response.begin()
            except (OSError, http.client.HTTPException):
                return False
            return response.status == http.HTTPStatus.OK
