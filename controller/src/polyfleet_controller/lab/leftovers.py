"""What a Podman leaves on the machine when it, or its containers, did not end in order."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from polyfleet_controller.lab.deadlines import wait_until
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.namespace import NAMESPACES, Namespace

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_PARENT = "libpod_parent"  # Podman's, with the cgroupfs manager; all Podmans share it, so it stays
RUNTIME_STATES = (Path("/run/runc"), Path("/run/crun"))
MNT_DETACH = 2  # <sys/mount.h>
END_SECONDS = 10

_libc = ctypes.CDLL(None, use_errno=True)


def end_processes(namespace: Namespace) -> None:
    """Kill everything in a namespace, until nothing is there: what dies may just have started something.

    Raises:
        LabError: a process did not end.
    """

    def ended() -> bool:
        pids = namespace.processes()
        kill_all(pids)
        return not pids

    _wait(ended, place=namespace.path)


def end_containers(graph_root: Path) -> None:
    """Kill what runs in the containers of a store, and remove what they have outside it. Idempotent.

    It does without Podman, which takes four times as long and may be what is broken. Podman's monitors must
    be dead already: they would start the containers again.

    Raises:
        LabError: a process did not end.
    """
    for container in container_ids(graph_root):
        for cgroup in container_cgroups(container):
            end_cgroup(cgroup)
        for namespace in container_namespaces(graph_root, container):
            _unmount(namespace)
            namespace.unlink(missing_ok=True)
        for state in RUNTIME_STATES:
            remove_tree(state / container)


def container_ids(graph_root: Path) -> Iterator[str]:
    """Yield the id of every container that the store has a directory for."""
    for directory in graph_root.glob("overlay-containers/*/userdata"):
        yield directory.parent.name


def container_cgroups(container: str) -> list[Path]:
    """Return the cgroups of a container, one in every hierarchy that has it (there is one with cgroup v2)."""
    parents = [CGROUPS / CGROUP_PARENT, *CGROUPS.glob(f"*/{CGROUP_PARENT}")]
    return [path for parent in parents if (path := parent / f"libpod-{container}").is_dir()]


def processes_in(cgroup: Path) -> list[int]:
    """Return the processes of a cgroup and of those below it."""
    pids: list[int] = []
    # os.walk, unlike Path.rglob, does not mind what is removed meanwhile.
    for directory, _, _ in os.walk(cgroup):
        with contextlib.suppress(FileNotFoundError):
            pids += map(int, Path(directory, "cgroup.procs").read_text(encoding="ascii").split())
    return pids


def end_cgroup(cgroup: Path) -> None:
    """Kill what is in a cgroup, and remove it with those below it. Idempotent.

    Raises:
        LabError: a process did not end.
    """

    def ended() -> bool:
        kill_all(processes_in(cgroup))
        for directory, _, _ in os.walk(cgroup, topdown=False):
            # What was killed keeps it busy for a moment after it left the list.
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        return not cgroup.exists()

    _wait(ended, place=cgroup)


def container_namespaces(graph_root: Path, container: str) -> list[Path]:
    """Return the network namespace that Podman made for a container, if it has one of its own."""
    spec = graph_root / "overlay-containers" / container / "userdata/config.json"
    try:
        namespaces = json.loads(spec.read_text(encoding="utf-8"))["linux"]["namespaces"]
    except (FileNotFoundError, ValueError, KeyError):
        return []  # it was never started
    paths = [Path(entry["path"]) for entry in namespaces if entry["type"] == "network" and "path" in entry]
    return [path for path in paths if path.parent == NAMESPACES and path.name.startswith("netns-")]


def remove_tree(directory: Path) -> None:
    """Unmount everything below the directory and delete it. Idempotent.

    Raises:
        LabError: something in it could not be deleted.
    """
    for mount in mounts_below(directory, Path("/proc/self/mountinfo").read_text(encoding="utf-8")):
        _unmount(mount)

    def removed() -> bool:
        # A process that is just being killed may still add a file.
        shutil.rmtree(directory, ignore_errors=True)
        return not directory.exists()

    if not wait_until(removed, seconds=END_SECONDS):
        raise LabError(f"{directory} cannot be removed; see what still uses it, and delete it by hand")


def mounts_below(directory: Path, mount_info: str) -> list[Path]:
    """Return the mount points at and below the directory, innermost first (proc(5), mountinfo)."""
    points = [Path(_unescape(line.split()[4])) for line in mount_info.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(directory)]


def _unmount(point: Path) -> None:
    # Detached: a mount that something still uses goes with its last user.
    _libc.umount2(os.fsencode(point), MNT_DETACH)


def _unescape(field: str) -> str:
    """Undo the kernel's octal escapes of space, tab, newline and backslash."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escape, character)
    return field


def kill_all(pids: Iterable[int]) -> None:
    """Send SIGKILL to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _wait(ended: Callable[[], bool], *, place: Path) -> None:
    if not wait_until(ended, seconds=END_SECONDS):
        raise LabError(f"processes in {place} do not end: see `ps -eo pid,stat,wchan,cmd`")
