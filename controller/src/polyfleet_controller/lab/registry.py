"""A real OCI registry (CNCF Distribution, Debian's docker-registry) on loopback."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from polyfleet_controller.lab.ports import LOOPBACK, free_port, is_listening, require_free
from polyfleet_controller.lab.processes import ChildProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """Files in PEM form."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssuer:
    """Who gives the tokens that a registry asks for at the URL `realm`, and signs them."""

    realm: str
    service: str
    name: str
    certificate: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What a registry asks of its clients, and the certificate that it shows them.

    `clients` is the CA of those who may come at all; it needs `tls`.
    """

    passwords: Path | None = None
    issuer: TokenIssuer | None = None
    tls: KeyPair | None = None
    clients: Path | None = None


UNPROTECTED: Final = Protection()


def render_registry_config(
    *, storage: Path, port: int, secret: str, protection: Protection = UNPROTECTED
) -> str:
    """Return the configuration file (distribution 2.8, "Configuring a registry")."""
    config = f"""\
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
    if protection.tls is not None:
        config += f"""\
  tls:
    certificate: {protection.tls.certificate}
    key: {protection.tls.key}
"""
        if protection.clients is not None:
            config += f"    clientcas: [{protection.clients}]\n"
    if protection.passwords is not None:
        config += f"""\
auth:
  htpasswd:
    realm: polyfleet
    path: {protection.passwords}
"""
    if protection.issuer is not None:
        config += f"""\
auth:
  token:
    realm: {protection.issuer.realm}
    service: {protection.issuer.service}
    issuer: {protection.issuer.name}
    rootcertbundle: {protection.issuer.certificate}
"""
    return config


class Registry:
    """A registry whose content and port stay the same while it is stopped and started."""

    def __init__(self, directory: Path, *, port: int) -> None:
        self.port = port
        self.directory = directory
        self._config = directory / "config.yml"
        self._process: ChildProcess | None = None

    @classmethod
    def create(
        cls, directory: Path, *, storage: Path | None = None, protection: Protection = UNPROTECTED
    ) -> Self:
        """Write its files into `directory`, which must not exist yet, and start it.

        With the `storage` of another registry it has the same content.

        Raises:
            LabError: it did not start.
        """
        directory.mkdir(parents=True)
        registry = cls(directory, port=free_port())
        registry._config.write_text(
            render_registry_config(
                storage=storage or registry.storage,
                port=registry.port,
                secret=secrets.token_hex(16),
                protection=protection,
            ),
            encoding="utf-8",
        )
        registry.start()
        return registry

    @property
    def storage(self) -> Path:
        return self.directory / "storage"

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
