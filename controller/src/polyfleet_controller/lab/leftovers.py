"""What a Podman leaves on the machine when it, or its containers, did not end in order."""

import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.errors import LabError

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_PARENT = "libpod_parent"  # Podman's, with the cgroupfs manager
MNT_DETACH = 2  # <sys/mount.h>
END_SECONDS = 10

_libc = ctypes.CDLL(None, use_errno=True)


def end_containers(graph_root: Path) -> None:
    """Kill what runs in the containers of a store, and their monitors, by their cgroups; remove these. Idempotent.

    Raises:
        LabError: a process did not end.
    """
    for container in container_ids(graph_root):
        for cgroup in container_cgroups(container):
            _kill_all(cgroup)
            with contextlib.suppress(FileNotFoundError):
                cgroup.rmdir()


def container_ids(graph_root: Path) -> Iterator[str]:
    """Yield the id of every container that the store has a directory for."""
    for directory in graph_root.glob("overlay-containers/*/userdata"):
        yield directory.parent.name


def container_cgroups(container: str) -> list[Path]:
    """Return the cgroups of a container and its monitor, in every hierarchy (one with cgroup v2)."""
    names = (f"libpod-{container}", f"libpod-conmon-{container}")
    parents = [CGROUPS / CGROUP_PARENT, *CGROUPS.glob(f"*/{CGROUP_PARENT}")]
    return [parent / name for parent in parents for name in names if (parent / name).is_dir()]


def remove_tree(directory: Path) -> None:
    """Unmount everything below the directory and delete it. Idempotent."""
    for mount in mounts_below(directory, Path("/proc/self/mountinfo").read_text(encoding="utf-8")):
        # Detached: a mount that something still uses goes with its last user.
        _libc.umount2(os.fsencode(mount), MNT_DETACH)
    if directory.exists():
        shutil.rmtree(directory)


def mounts_below(directory: Path, mount_info: str) -> list[Path]:
    """Return the mount points at and below the directory, innermost first (proc(5), mountinfo)."""
    points = [Path(_unescape(line.split()[4])) for line in mount_info.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(directory)]


def _unescape(field: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def kill_processes(pids: Iterator[int]) -> None:
    """Send SIGKILL to every process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill_all(cgroup: Path) -> None:
    def ended() -> bool:
        pids = _processes_in(cgroup)
        kill_processes(iter(pids))
        return not pids

    if not wait_until(ended, seconds=END_SECONDS):
        raise LabError(f"processes in {cgroup} do not end: {_processes_in(cgroup)}")


def _processes_in(cgroup: Path) -> list[int]:
    try:
        return [int(line) for line in (cgroup / "cgroup.procs").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []
