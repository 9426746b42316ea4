"""Credentials for registries that a workload names: files that the technician has put on the device.

`NAME.json` has the form of containers-auth.json(5): of `auths`, the entry counts that names the most of the
repository. Helpers are not run. What is read goes to Podman with the one pull, and nowhere else.
"""

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.reasons import Reason

T = TypeVar("T")

DEFAULT_DIRECTORY: Final = Path("/etc/polyfleet/pull-secrets")
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user of a registry; never logged and never shown."""

    registry: str
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(registry={self.registry!r})"

    @property
    def header(self) -> str:
        """The value of X-Registry-Auth, as Podman's API takes it."""
        entry = {self.registry: {"username": self.username, "password": self.password}}
        return base64.urlsafe_b64encode(json.dumps(entry).encode()).decode()


class _UnusableFileError(PolyfleetError):
    """A file that is there and cannot be used; names the file and never its content."""


class PullSecrets:
    """The files of one directory."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory or DEFAULT_DIRECTORY

    def lend(self, repository: str, names: tuple[str, ...], pull: Callable[[Credentials | None], T]) -> T:
        """Pull with what the first of these secrets has for the repository.

        As in Kubernetes, a secret that is missing keeps nothing from being pulled that needs none.

        Raises:
            RuntimeFailure: as the pull itself; secret_missing where it was denied and a secret is not there.
        """
        trouble: list[str] = []
        found: Credentials | None = None
        for name in names:
            try:
                found = found or self._find(name, repository)
            except FileNotFoundError:
                trouble.append(self._describe_missing(name, repository))
            except _UnusableFileError as error:
                trouble.append(str(error))
        try:
            return pull(found)
        except RuntimeFailure as failure:
            if failure.reason is not Reason.REGISTRY_DENIED or not trouble:
                raise
            message = f"{'; '.join(trouble)}. {failure.message}"
            raise RuntimeFailure(Reason.SECRET_MISSING, message) from failure

    def _describe_missing(self, name: str, repository: str) -> str:
        path, registry = self._directory / f"{name}.json", repository.partition("/")[0]
        begin = "" if self._directory.is_dir() else f"mkdir -p {self._directory} && "
        command = f"{begin}podman login --authfile {path} {registry} && chown polyfleet-agent {path}"
        return f"there is no {path}: {command}"

    def _find(self, name: str, repository: str) -> Credentials | None:
        path = self._directory / f"{name}.json"
        try:
            with path.open("rb") as file:
                content = file.read(_MAX_BYTES)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _UnusableFileError(f"{path} is not readable: {error.strerror}") from error
        try:
            return _choose(dict[str, dict[str, str]](**json.loads(content)["auths"]), repository)
        except (ValueError, TypeError, KeyError, RecursionError):
            message = f"{path} is no auth.json: write it with `podman login --authfile {path} REGISTRY`"
            # What was read must not show in a traceback.
            raise _UnusableFileError(message) from None


def _choose(entries: dict[str, dict[str, str]], repository: str) -> Credentials | None:
    """The entry of the longest part of the repository's name: `host/team/app`, `host/team`, `host`."""
    place = repository
    while place:
        if place in entries:
            return _decode(repository.partition("/")[0], entries[place]["auth"])
        place = place.rpartition("/")[0]
    return None


def _decode(registry: str, auth: str) -> Credentials:
    try:
        text = base64.b64decode(auth, validate=True).decode()
    except binascii.Error as error:
        raise ValueError("not base64") from error
    username, colon, password = text.partition(":")
    if not colon:
        raise ValueError("no password")
    return Credentials(registry=registry, username=username, password=password)
