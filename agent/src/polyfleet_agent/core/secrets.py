"""Which of a device's secrets a container gets, and which it lacks. Pure."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.secrets import SecretVolume, name_secret, prefix_secret
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload, is_variable

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """A secret as a file at an absolute `path` in the container; `mode` as chmod(2) has it."""

    secret: str
    path: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """Secrets by their names on the device. `missing` ones are needed and not there; `KEY` stands for any."""

    variables: Mapping[str, str]
    files: tuple[SecretMount, ...]
    missing: tuple[str, ...]


NO_SECRETS: Final = SecretUse(variables={}, files=(), missing=())


def find_secrets(workload: DesiredWorkload, container: ContainerSpec, known: AbstractSet[str]) -> SecretUse:
    """What the container gets of the secrets that the device has.

    As in Kubernetes, a later source of variables wins over an earlier one, and a variable by its own name
    over all of them.
    """
    missing: dict[str, None] = {}
    variables = dict(_import_variables(workload, container, known, missing))
    for variable in container.env:
        variables.pop(variable.name, None)
        if variable.value_from is not None:
            reference = variable.value_from.secret_key_ref
            secret = name_secret(workload.namespace, reference.name, reference.key)
            if secret in known:
                variables[variable.name] = secret
            elif not reference.optional:
                missing[secret] = None
    files = tuple(_find_files(workload, container, known, missing))
    return SecretUse(variables=variables, files=files, missing=tuple(missing))


def describe_missing(missing: tuple[str, ...]) -> str:
    """What to do on the device about secrets that are not there."""
    commands = "; ".join(f"podman secret create {name} FILE" for name in missing[:_SHOWN])
    more = f"; and {len(missing) - _SHOWN} more" if missing[_SHOWN:] else ""
    names = "a secret" if len(missing) == 1 else f"{len(missing)} secrets"
    return f"Podman on this device lacks {names}: {commands}{more}"


def _import_variables(
    workload: DesiredWorkload,
    container: ContainerSpec,
    known: AbstractSet[str],
    missing: dict[str, None],
) -> Iterator[tuple[str, str]]:
    """A key that can be no variable is left out, as Kubernetes does."""
    for source in container.env_from:
        keys = _find_keys(workload, source.secret_ref.name, known)
        if not keys and not source.secret_ref.optional:
            missing[prefix_secret(workload.namespace, source.secret_ref.name) + "KEY"] = None
        for key, secret in keys.items():
            if is_variable(source.prefix + key):
                yield source.prefix + key, secret


def _find_files(
    workload: DesiredWorkload,
    container: ContainerSpec,
    known: AbstractSet[str],
    missing: dict[str, None],
) -> Iterator[SecretMount]:
    volumes = {volume.name: volume.secret for volume in workload.volumes}
    for mount in container.volume_mounts:
        volume = volumes[mount.name]
        for path, (secret, mode) in _list_files(workload, volume, known, missing).items():
            yield SecretMount(secret=secret, path=f"{mount.mount_path.rstrip('/')}/{path}", mode=mode)


def _list_files(
    workload: DesiredWorkload,
    volume: SecretVolume | None,
    known: AbstractSet[str],
    missing: dict[str, None],
) -> dict[str, tuple[str, int]]:
    """By the file's name."""
    if volume is None:
        return {}
    found: dict[str, tuple[str, int]] = {}
    for item in volume.items:
        secret = name_secret(workload.namespace, volume.secret_name, item.key)
        if secret in known:
            found[item.path] = (secret, volume.default_mode if item.mode is None else item.mode)
        elif not volume.optional:
            missing[secret] = None
    if volume.items:
        return found
    keys = _find_keys(workload, volume.secret_name, known)
    if not keys and not volume.optional:
        missing[prefix_secret(workload.namespace, volume.secret_name) + "KEY"] = None
    return {key: (secret, volume.default_mode) for key, secret in keys.items()}


def _find_keys(workload: DesiredWorkload, secret: str, known: AbstractSet[str]) -> dict[str, str]:
    """All keys of a secret, with what they are called on the device."""
    prefix = prefix_secret(workload.namespace, secret)
    return {name.removeprefix(prefix): name for name in sorted(known) if name.startswith(prefix)}
