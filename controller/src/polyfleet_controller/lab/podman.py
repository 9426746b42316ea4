"""A Podman of its own: configuration, storage, locks and API socket in one directory, in one namespace."""

import http.client
import os
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.namespace import Namespace
from polyfleet_controller.lab.processes import ChildProcess, run

MAX_SOCKET_PATH_BYTES = 107  # unix(7): sun_path, less the terminating zero


@dataclass(frozen=True, slots=True, kw_only=True)
class PodmanFiles:
    """Where a Podman keeps everything. `registry` is host:port of the one that may use plain HTTP."""

    directory: Path
    registry: str
    runtime: str

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
    def environment(self) -> dict[str, str]:
        """What makes any `podman` command use this store."""
        return {
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.directory / "registries.conf"),
            # containers-policy.json(5): the only way to name a policy that the API service follows.
            "HOME": str(self.directory / "home"),
            "TMPDIR": str(self.directory / "tmp"),
        }


def render_podman_files(files: PodmanFiles) -> dict[Path, str]:
    """Return the content of every configuration file: containers.conf(5), storage.conf(5) and others."""
    directory = files.directory
    return {
        # Locks in files: the default, one shared memory segment for all of root's Podmans, is reset by each
        # new store, and two containers may then share a lock.
        directory / "containers.conf": f"""\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]

[engine]
runtime = "{files.runtime}"
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_path = "{directory}/events.log"
lock_type = "file"
tmp_dir = "{directory}/tmp/libpod"
static_dir = "{files.graph_root}/libpod"
volume_path = "{files.graph_root}/volumes"
image_copy_tmp_dir = "{directory}/tmp"

[network]
network_backend = "netavark"
network_config_dir = "{directory}/networks"
""",
        directory / "storage.conf": f"""\
[storage]
driver = "overlay"
graphroot = "{files.graph_root}"
runroot = "{files.run_root}"
""",
        directory / "registries.conf": f"""\
[[registry]]
location = "{files.registry}"
insecure = true
""",
        directory
        / "home/.config/containers/policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}\n',
    }


def choose_runtime() -> str:
    """Return the OCI runtime that works with this machine's cgroups.

    Raises:
        LabError: there is none.
    """
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    # crun refuses anything but pure cgroup v2.
    candidates = ("crun", "runc") if unified else ("runc",)
    for candidate in candidates:
        if shutil.which(candidate) is not None:
            return candidate
    raise LabError(f"no OCI runtime: apt-get install {candidates[0]}")


class Podman:
    """The API service over one store; the containers run on while it is down."""

    def __init__(self, files: PodmanFiles, namespace: Namespace) -> None:
        self.files = files
        self._namespace = namespace
        self._service: ChildProcess | None = None

    def write_files(self) -> None:
        """Create the directory with its configuration.

        Raises:
            LabError: the path is too long for a socket.
        """
        if len(os.fsencode(self.files.socket)) > MAX_SOCKET_PATH_BYTES:
            raise LabError(f"{self.files.socket} is too long for a socket: choose a shorter directory")
        (self.files.directory / "tmp").mkdir(parents=True)
        for path, content in render_podman_files(self.files).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def start(self) -> None:
        """Start the service.

        Raises:
            LabError: it did not start; the message has the end of its log.
        """
        self.files.socket.unlink(missing_ok=True)
        command = ("podman", "system", "service", "--time=0", f"unix://{self.files.socket}")
        self._service = ChildProcess.start(
            self._namespace.command(*command),
            log=self.files.directory / "podman.log",
            environment=self.files.environment,
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
        return run(command, environment=self.files.environment, seconds=seconds)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.files.socket))
                client.sendall(b"GET /_ping HTTP/1.0\r\nHost: podman\r\n\r\n")
                response = http.client.HTTPResponse(client)
                response.begin()
            except (OSError, http.client.HTTPException):
                return False
            return response.status == http.HTTPStatus.OK
