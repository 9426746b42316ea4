"""Secrets: a workload names them, and Podman on the device has them. Their content travels in no document.

One key of a Kubernetes Secret is one secret of Podman, `NAMESPACE.NAME_KEY`: no namespace has a dot in it and
no name an underscore, so that no two keys have the same. Podman 4 takes up to 64 characters.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem

# RFC 1123, as Kubernetes has it for names of objects.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_NAME: Final = 253
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_PODMAN_NAME: Final = re.compile(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,62}[a-zA-Z0-9])?")
_MAX_MODE: Final = 0o777


class InvalidSecretError(PolyfleetError, ValueError):
    """What no secret can be called."""


def prefix_secret(namespace: str, secret: str) -> str:
    """What the names of all keys of a secret begin with, on the device."""
    return f"{namespace}.{secret}_"


def name_secret(namespace: str, secret: str, key: str) -> str:
    """What a key of a secret is called on the device.

    Raises:
        InvalidSecretError: Podman takes no such name.
    """
    name = prefix_secret(namespace, secret) + key
    if _PODMAN_NAME.fullmatch(name) is None:
        raise InvalidSecretError(
            f"{name[:160]} cannot be the name of a secret of Podman, which has up to 64 letters, digits, "
            "'-', '_' and '.' and ends with a letter or digit: choose a shorter or another name or key"
        )
    return name


def check_secret_name(text: str) -> str:
    """Give text back if it is the name of a Kubernetes Secret, else raise InvalidSecretError."""
    if len(text) > _MAX_NAME or _NAME.fullmatch(text) is None:
        raise InvalidSecretError(f"{text[:80]!r} is no name of a Secret: use a-z, 0-9, '-' and '.'")
    return text


def _check_key(text: str) -> None:
    if _KEY.fullmatch(text) is None or text in (".", ".."):
        raise InvalidSecretError(
            f"{text[:80]!r} is no key: 1 to 253 letters, digits, '-', '_' and '.', and not '.' or '..'"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretKeySelector:
    """Kubernetes' SecretKeySelector: one key; `optional` ones may be missing."""

    name: str
    key: str
    optional: bool = False

    def __post_init__(self) -> None:
        check_secret_name(self.name)
        _check_key(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVarSource:
    """Kubernetes' EnvVarSource, of which secrets are taken."""

    secret_key_ref: SecretKeySelector


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretEnvSource:
    """Kubernetes' SecretEnvSource: all keys that the device has of a secret."""

    name: str
    optional: bool = False

    def __post_init__(self) -> None:
        check_secret_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvFromSource:
    """Kubernetes' EnvFromSource, of which secrets are taken; variables are called `prefix` and the key."""

    prefix: str = ""
    secret_ref: SecretEnvSource


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """Kubernetes' KeyToPath; `path` is the name of the file, which lies directly in the volume."""

    key: str
    path: str
    mode: int | None = None

    def __post_init__(self) -> None:
        _check_key(self.key)
        _check_key(self.path)
        if self.mode is not None:
            _check_mode(self.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVolume:
    """Kubernetes' SecretVolumeSource: a file for each of the `items`, or each key that the device has."""

    secret_name: str
    items: tuple[SecretFile, ...] = ()
    default_mode: int = 0o644
    optional: bool = False

    def __post_init__(self) -> None:
        check_secret_name(self.secret_name)
        _check_mode(self.default_mode)
        paths = [item.path for item in self.items]
        if len(set(paths)) != len(paths):
            raise InvalidSecretError("two files of a volume have the same path")


def _check_mode(mode: int) -> None:
    if not 0 <= mode <= _MAX_MODE:
        raise InvalidSecretError(f"a mode is between 0 and {_MAX_MODE} (0777), not {mode}")


class _Variable(Protocol):
    @property
    def value_from(self) -> EnvVarSource | None: ...


class _Container(Protocol):
    @property
    def env(self) -> Sequence[_Variable]: ...


class _Volume(Protocol):
    @property
    def secret(self) -> SecretVolume | None: ...


def find_secret_problems(
    namespace: str, volumes: Sequence[_Volume], containers: Sequence[tuple[str, _Container]]
) -> Iterator[Problem]:
    """Keys that Podman has no name for; containers come with their paths."""
    keys: list[tuple[str, str, str]] = []
    for path, container in containers:
        for position, variable in enumerate(container.env):
            if variable.value_from is not None:
                found = variable.value_from.secret_key_ref
                keys.append((f"{path}.env[{position}].valueFrom.secretKeyRef.key", found.name, found.key))
    for position, volume in enumerate(volumes):
        if volume.secret is not None:
            for number, item in enumerate(volume.secret.items):
                place = f"volumes[{position}].secret.items[{number}].key"
                keys.append((place, volume.secret.secret_name, item.key))
    for path, secret, key in keys:
        try:
            name_secret(namespace, secret, key)
        except InvalidSecretError as error:
            yield Problem(path=path, message=str(error))
