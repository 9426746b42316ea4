"""A real OCI registry (CNCF Distribution, Debian's docker-registry) on loopback."""

import secrets
from pathlib import Path
from typing import Self

from polyfleet_controller.lab.ports import LOOPBACK, free_port, is_listening, require_free
from polyfleet_controller.lab.processes import ChildProcess


def render_registry_config(*, storage: Path, port: int, secret: str) -> str:
    """Return the configuration file (distribution 2.8, "Configuring a registry")."""
    return f"""\
version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: {storage}
  delete:
    enabled: true
http:
  addr: {LOOPBACK}:{port}
  secret: {secret}
"""


class Registry:
    """A registry whose content and port stay the same while it is stopped and started."""

    def __init__(self, directory: Path, *, port: int) -> None:
        self.port = port
        self.directory = directory
        self._config = directory / "config.yml"
        self._process: ChildProcess | None = None

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Write its files into `directory`, which must not exist yet, and start it.

        Raises:
            LabError: it did not start.
        """
        directory.mkdir(parents=True)
        registry = cls(directory, port=free_port())
        registry._config.write_text(
            render_registry_config(
                storage=directory / "storage", port=registry.port, secret=secrets.token_hex(16)
            ),
            encoding="utf-8",
        )
        registry.start()
        return registry

    @property
    def address(self) -> str:
        """Host and port, as in an image's name."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Start it on its port.

        Raises:
            LabError: its port is taken, or it did not start; the message has the end of its log.
        """
        require_free(self.port)
        self._process = ChildProcess.start(
            ["docker-registry", "serve", str(self._config)],
            log=self.directory / "registry.log",
            environment={"OTEL_TRACES_EXPORTER": "none"},
        )
        self._process.wait_until_ready(lambda: is_listening(self.port))

    def stop(self) -> None:
        """Stop it; what was pushed stays. Idempotent."""
        if self._process is not None:
            self._process.stop()
