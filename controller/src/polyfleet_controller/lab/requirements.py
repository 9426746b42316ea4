"""What a machine needs to carry a fleet, and how it gets what it lacks."""

import os
import platform as machine
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from polyfleet_controller.lab.binfmt import HANDLERS, NATIVE
from polyfleet_controller.lab.image import COMPILERS, PLATFORMS
from polyfleet_controller.lab.processes import search_path

NETAVARK = "/usr/lib/podman/netavark"  # a program that is not on PATH
FILESYSTEMS = ("overlay", "binfmt_misc")

# From a program to the packages of Debian that make it work.
PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "podman": ("podman",),
        "runc": ("runc",),
        NETAVARK: ("netavark", "aardvark-dns"),
        "iptables": ("iptables",),
        "ip": ("iproute2",),
        "nsenter": ("util-linux",),
        "setpriv": ("util-linux",),
        "mosquitto": ("mosquitto",),
        "docker-registry": ("docker-registry",),
        "update-binfmts": ("binfmt-support",),
        "qemu-x86_64-static": ("qemu-user-static",),
        "qemu-aarch64-static": ("qemu-user-static",),
        "qemu-arm-static": ("qemu-user-static",),
        "qemu-riscv64-static": ("qemu-user-static",),
        "x86_64-linux-gnu-gcc": ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"),
        "aarch64-linux-gnu-gcc": ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
        "arm-linux-gnueabihf-gcc": ("gcc-arm-linux-gnueabihf", "libc6-dev-armhf-cross"),
        "riscv64-linux-gnu-gcc": ("gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross"),
    }
)
NATIVE_COMPILER_PACKAGES = ("gcc", "libc6-dev")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """What a machine has. `machine` is what uname(1) -m says."""

    root: bool
    debian: bool
    machine: str
    programs: frozenset[str]
    filesystems: frozenset[str]
    workspace_filesystem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """What a machine lacks: programs, the packages of Debian that have them, and what no package cures."""

    programs: tuple[str, ...]
    packages: tuple[str, ...]
    obstacles: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.programs or self.obstacles)


def find_shortfall(facts: MachineFacts, platforms: Sequence[str] = PLATFORMS) -> Shortfall:
    """Compare what a machine has with what a fleet of these platforms needs."""
    programs = tuple(sorted(set(_needed_programs(facts, platforms)) - facts.programs))
    native = COMPILERS.get(NATIVE.get(facts.machine, ""))
    packages = {
        package
        for program in programs
        for package in (NATIVE_COMPILER_PACKAGES if program == native else PACKAGES[program])
    }
    return Shortfall(
        programs=programs, packages=tuple(sorted(packages)), obstacles=tuple(_find_obstacles(facts))
    )


def explain_shortfall(shortfall: Shortfall, *, debian: bool) -> str:
    """Return what is lacking, with the next step for each, a line each."""
    lines = list(shortfall.obstacles)
    if shortfall.programs:
        lines.append(f"missing programs: {', '.join(shortfall.programs)}")
        packages = " ".join(shortfall.packages)
        if debian:
            lines.append(f"install them: apt-get install --yes {packages}")
        else:
            lines.append(f"install what this system calls these packages of Debian: {packages}")
    return "\n".join(lines)


def gather_facts() -> MachineFacts:
    """Look at this machine; nothing on it is changed."""
    path = search_path()
    return MachineFacts(
        root=os.geteuid() == 0,
        debian=Path("/etc/debian_version").exists(),
        machine=machine.machine(),
        programs=frozenset(program for program in PACKAGES if shutil.which(program, path=path)),
        filesystems=frozenset(name for name in FILESYSTEMS if _kernel_offers(name)),
        workspace_filesystem=filesystem_of(
            Path(tempfile.gettempdir()).resolve(), Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        ),
    )


def filesystem_of(directory: Path, mount_info: str) -> str:
    """Return the type of the filesystem that holds the directory (proc(5), mountinfo)."""
    found, found_type = Path("/"), ""
    for line in mount_info.splitlines():
        mount, _, source = line.partition(" - ")
        point = Path(mount.split()[4])
        if directory.is_relative_to(point) and point.is_relative_to(found):
            found, found_type = point, source.split()[0]
    return found_type


def _needed_programs(facts: MachineFacts, platforms: Sequence[str]) -> Iterator[str]:
    yield from ("podman", "runc", NETAVARK, "iptables")
    yield from ("ip", "nsenter", "setpriv", "mosquitto", "docker-registry")
    for platform in platforms:
        yield COMPILERS[platform]
        if platform != NATIVE.get(facts.machine):
            yield f"{HANDLERS[platform]}-static"
            yield "update-binfmts"


def _find_obstacles(facts: MachineFacts) -> Iterator[str]:
    if not facts.root:
        yield "not root: namespaces and mounts need it; run this again with sudo"
    if facts.machine not in NATIVE:
        yield f"a machine of the kind {facts.machine}: use one of {', '.join(NATIVE)}"
    for name in FILESYSTEMS:
        if name not in facts.filesystems:
            yield f"a kernel without {name}: use one that has it, as Debian's has"
    if facts.workspace_filesystem == "overlay":
        yield "temporary files on overlayfs, which cannot hold images: set TMPDIR to a directory on a disk"


def _kernel_offers(filesystem: str) -> bool:
    loaded = Path("/proc/filesystems").read_text(encoding="ascii")
    if any(line.split()[-1] == filesystem for line in loaded.splitlines()):
        return True
    modules = Path("/lib/modules") / os.uname().release
    return any(modules.glob(f"kernel/fs/**/{filesystem}.ko*"))
