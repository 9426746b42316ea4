"""Volumes in Podman's words: how containers mount them, and what they begin with. Pure.

What one container alone mounts is an anonymous volume, which goes with the container. What the containers of
a pod share is a named one, which goes with the pod. A configMap's files are put into a volume of each
container: the agent, which is not root, keeps no file for others.
"""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from polyfleet_shared.pods import ConfigMapVolume, EmptyDirVolume, Volume, VolumeMount
from polyfleet_shared.workloads import ContainerSpec, DesiredWorkload

_EVERYBODY: Final = 0o777  # as Kubernetes makes an emptyDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """An archive to be unpacked at a path of a container that has not run."""

    path: str
    archive: bytes


def name_volume(workload: DesiredWorkload, volume: Volume) -> str:
    """The name under which the containers of a pod share a volume."""
    return f"polyfleet-{workload.name}-{workload.uid[:8]}-{workload.spec_hash}-{volume.name}"


def shared_volumes(workload: DesiredWorkload) -> tuple[Volume, ...]:
    """The volumes that must be there before the first container of a pod."""
    return tuple(volume for volume in workload.volumes if _is_shared(workload, volume))


def describe_mounts(workload: DesiredWorkload, container: ContainerSpec) -> dict[str, Any]:
    """A container's part of a SpecGenerator that is about what it mounts."""
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    for mount, volume in _mounted(workload, container):
        if volume.secret is not None:
            continue  # Podman mounts each file by itself
        if volume.host_path is not None:
            access = "ro" if mount.read_only else "rw"
            mounts.append(_describe(mount, "bind", volume.host_path.path, ["rbind", access]))
        elif volume.empty_dir is not None and volume.is_in_memory:
            mounts.append(_describe(mount, "tmpfs", "tmpfs", _describe_memory(mount, volume.empty_dir)))
        else:
            volumes.append(_describe_volume(workload, mount, volume))
    found = {"volumes": volumes, "mounts": mounts}
    return {key: value for key, value in found.items() if value}


def fillings(workload: DesiredWorkload, container: ContainerSpec) -> Iterator[Filling]:
    """What a container's volumes begin with. A shared one is prepared by the first that mounts it."""
    for mount, volume in _mounted(workload, container):
        if volume.config_map is not None:
            yield Filling(path=mount.mount_path, archive=_pack_files(volume.config_map))
        elif _is_on_disk(volume) and container == _first_to_mount(workload, volume):
            yield Filling(path=mount.mount_path, archive=_pack_open_directory())


def _mounted(workload: DesiredWorkload, container: ContainerSpec) -> Iterator[tuple[VolumeMount, Volume]]:
    volumes = {volume.name: volume for volume in workload.volumes}
    for mount in container.volume_mounts:
        yield mount, volumes[mount.name]


def _is_shared(workload: DesiredWorkload, volume: Volume) -> bool:
    return workload.is_pod and _is_on_disk(volume)


def _is_on_disk(volume: Volume) -> bool:
    return volume.empty_dir is not None and not volume.is_in_memory


def _first_to_mount(workload: DesiredWorkload, volume: Volume) -> ContainerSpec | None:
    for container in workload.all_containers:
        if any(mount.name == volume.name for mount in container.volume_mounts):
            return container
    return None


def _describe(mount: VolumeMount, kind: str, source: str, options: list[str]) -> dict[str, Any]:
    return {"type": kind, "source": source, "destination": mount.mount_path, "options": options}


def _describe_memory(mount: VolumeMount, volume: EmptyDirVolume) -> list[str]:
    options = ["ro" if mount.read_only else "rw", f"mode={_EVERYBODY:o}"]
    return options if volume.size_limit is None else [*options, f"size={volume.size_limit}"]


def _describe_volume(workload: DesiredWorkload, mount: VolumeMount, volume: Volume) -> dict[str, Any]:
    # nocopy: a volume does not begin with what the image has at that place.
    is_constant = mount.read_only or volume.config_map is not None
    described = {"Dest": mount.mount_path, "Options": ["nocopy", "ro" if is_constant else "rw"]}
    if _is_shared(workload, volume):
        return {"Name": name_volume(workload, volume), **described}
    return {"Name": "", "IsAnonymous": True, **described}


def _pack_files(volume: ConfigMapVolume) -> bytes:
    entries: list[tuple[tarfile.TarInfo, bytes]] = []
    for item in volume.items:
        content = item.text.encode()
        entry = tarfile.TarInfo(item.key)
        entry.size, entry.mode = len(content), item.mode
        entries.append((entry, content))
    return _pack(entries)


def _pack_open_directory() -> bytes:
    entry = tarfile.TarInfo(".")
    entry.type, entry.mode = tarfile.DIRTYPE, _EVERYBODY
    return _pack([(entry, b"")])


def _pack(entries: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive that ends with its end mark, two empty blocks.

    What Podman unpacks it with stops reading there, and Podman now and then fails on what is left: Python
    would fill the archive up to 10 KiB.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for entry, content in entries:
            archive.addfile(entry, io.BytesIO(content))
        end = archive.offset + 2 * tarfile.BLOCKSIZE
    return packed.getvalue()[:end]
