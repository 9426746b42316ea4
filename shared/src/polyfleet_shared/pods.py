"""What the containers of a workload share, and as whom they run: Kubernetes' volumes and securityContext."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem
from polyfleet_shared.names import check_name
from polyfleet_shared.secrets import SecretVolume

MAX_CONFIG_BYTES: Final = 16 * 1024  # of all files of a workload together; more goes by digest (design)

_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_CAPABILITY: Final = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_MAX_MODE: Final = 0o777
_MAX_ID: Final = 2**31 - 1


class InvalidPodError(PolyfleetError, ValueError):
    """A value with which no container can be started."""


class HostPathType(StrEnum):
    """What a path of the device must be, as in Kubernetes; what would make it there is not taken."""

    DIRECTORY = "Directory"
    FILE = "File"
    SOCKET = "Socket"
    CHARACTER_DEVICE = "CharDevice"
    BLOCK_DEVICE = "BlockDevice"


class Medium(StrEnum):
    """Where a volume lies that is not on the disk."""

    MEMORY = "Memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPathVolume:
    """A path of the device; without a `type` it may be anything that is there."""

    path: str
    type: HostPathType | None = None

    def __post_init__(self) -> None:
        _check_path("a path of the device", self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDirVolume:
    """A directory that begins empty. `size_limit` in bytes, which only memory can keep."""

    medium: Medium | None = None
    size_limit: int | None = None

    def __post_init__(self) -> None:
        if self.size_limit is None:
            return
        if self.medium is None:
            raise InvalidPodError("sizeLimit is only kept with medium: Memory; leave it out")
        if self.size_limit <= 0:
            raise InvalidPodError(f"sizeLimit is above 0, not {self.size_limit}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A file named `key`; `mode` as chmod(2) has it."""

    key: str
    text: str
    mode: int = 0o644

    def __post_init__(self) -> None:
        if _KEY.fullmatch(self.key) is None or self.key in (".", ".."):
            raise InvalidPodError(
                f"{self.key[:80]!r} is no name for a file: 1 to 253 letters, digits, '-', '_' and '.'"
            )
        if not 0 <= self.mode <= _MAX_MODE:
            raise InvalidPodError(f"a mode is between 0 and {_MAX_MODE} (0777), not {self.mode}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapVolume:
    """A directory of files whose content the document has; containers cannot write to it."""

    items: tuple[ConfigFile, ...] = ()

    def __post_init__(self) -> None:
        keys = [item.key for item in self.items]
        if len(set(keys)) != len(keys):
            raise InvalidPodError("two files of a volume have the same key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A Kubernetes Volume of exactly one kind."""

    name: str
    host_path: HostPathVolume | None = None
    empty_dir: EmptyDirVolume | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None

    def __post_init__(self) -> None:
        check_name("volume name", self.name)
        kinds = (self.host_path, self.empty_dir, self.config_map, self.secret)
        if sum(kind is not None for kind in kinds) != 1:
            raise InvalidPodError("a volume is exactly one of hostPath, emptyDir, configMap and secret")

    @property
    def is_in_memory(self) -> bool:
        return self.empty_dir is not None and self.empty_dir.medium is Medium.MEMORY


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMount:
    """A Kubernetes VolumeMount."""

    name: str
    mount_path: str
    read_only: bool = False

    def __post_init__(self) -> None:
        check_name("volume name", self.name)
        _check_path("a mountPath", self.mount_path)
        if self.mount_path == "/":
            raise InvalidPodError("a volume cannot replace the container's whole root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Linux capabilities beside the engine's default ones, without `CAP_`; `ALL` is all of them."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.add, *self.drop):
            if _CAPABILITY.fullmatch(name) is None:
                raise InvalidPodError(f"{name[:80]!r} is no capability: write for example NET_ADMIN, or ALL")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityContext:
    """A Kubernetes SecurityContext: as whom a container runs, and what it may do.

    A field of None leaves it to the image (the user), or to the engine.
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    privileged: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    capabilities: Capabilities = Capabilities()

    def __post_init__(self) -> None:
        for name, value in (("runAsUser", self.run_as_user), ("runAsGroup", self.run_as_group)):
            if value is not None and not 0 <= value <= _MAX_ID:
                raise InvalidPodError(f"{name} is between 0 and {_MAX_ID}, not {value}")
        if self.run_as_non_root and self.run_as_user == 0:
            raise InvalidPodError("runAsUser 0 is root, which runAsNonRoot forbids")
        if self.privileged and self.allow_privilege_escalation is False:
            raise InvalidPodError("privileged contradicts allowPrivilegeEscalation: false")


ANY_SECURITY_CONTEXT: Final = SecurityContext()


class Mounting(Protocol):
    """What mounts volumes: a container, pinned or as an operator wrote it."""

    @property
    def volume_mounts(self) -> tuple[VolumeMount, ...]: ...


def find_volume_problems(
    volumes: Sequence[Volume], containers: Sequence[tuple[str, Mounting]]
) -> tuple[Problem, ...]:
    """What contradicts between a workload's volumes and its containers, which come with their paths."""
    return (*_find_in_volumes(volumes), *_find_in_mounts(volumes, containers))


def describe_excess(size: int) -> str:
    """Why the file is refused with which a workload's files come to so many bytes."""
    return (
        f"with this file a workload's files are {size} bytes, above the {MAX_CONFIG_BYTES} that a document "
        "takes: put it into the image, or use a hostPath"
    )


def _find_in_volumes(volumes: Sequence[Volume]) -> Iterator[Problem]:
    names = [volume.name for volume in volumes]
    size = 0
    for position, volume in enumerate(volumes):
        if volume.name in names[:position]:
            yield Problem(
                path=f"volumes[{position}].name", message=f"a volume {volume.name} is there already"
            )
        for number, item in enumerate(() if volume.config_map is None else volume.config_map.items):
            before, size = size, size + len(item.text.encode())
            if before <= MAX_CONFIG_BYTES < size:
                place = f"volumes[{position}].configMap.items[{number}].text"
                yield Problem(path=place, message=describe_excess(size))


def _find_in_mounts(
    volumes: Sequence[Volume], containers: Sequence[tuple[str, Mounting]]
) -> Iterator[Problem]:
    known = {volume.name: volume for volume in volumes}
    in_memory: dict[str, str] = {}
    for path, container in containers:
        places: list[str] = []
        for position, mount in enumerate(container.volume_mounts):
            at = f"{path}.volumeMounts[{position}]"
            place = posixpath.normpath(mount.mount_path)
            if place in places:
                yield Problem(path=f"{at}.mountPath", message=f"a volume is mounted at {place} already")
            places.append(place)
            volume = known.get(mount.name)
            if volume is None:
                yield Problem(path=f"{at}.name", message=f"the workload has no volume {mount.name}")
            elif volume.is_in_memory and in_memory.setdefault(mount.name, path) != path:
                yield Problem(path=f"{at}.name", message="one container at most mounts a volume in memory")


def _check_path(what: str, path: str) -> None:
    if not path.startswith("/") or ".." in path.split("/") or ":" in path:
        raise InvalidPodError(f"{what} is absolute, without '..' and ':', not {path[:80]!r}")
