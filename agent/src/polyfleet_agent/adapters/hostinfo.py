"""The machine, as psutil, /proc and /etc/os-release describe it."""

import platform as machine
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psutil

from polyfleet_agent.core.platforms.facts import Handler, MachineFacts
from polyfleet_agent.core.platforms.listing import list_platforms
from polyfleet_agent.ports import DetectedPlatform, Usage
from polyfleet_shared.messages import HostFacts, PlatformSource
from polyfleet_shared.platforms import Platform

_ROOT: Final = Path("/")
_CPUINFO: Final = Path("/proc/cpuinfo")
_ZONES: Final = "/zoneinfo/"  # the end of the path below which zones lie, wherever that is
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+./-]{0,63}")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# Where distributions put what the kernel was built with; {} is its release.
_KERNEL_CONFIGS: Final = ("boot/config-{}", "lib/modules/{}/config")
# Of binfmt_misc itself; the rest are handlers.
_CONTROLS: Final = ("register", "status")
# In /proc/cpuinfo, by architecture: x86; the board on ARM; RISC-V; older ARM kernels.
_MODEL_KEYS: Final = ("model name", "Model", "uarch", "Hardware", "cpu model", "isa")
# psutil's names of the sensors that measure the processor.
_PROCESSOR_SENSORS: Final = ("coretemp", "k10temp", "cpu_thermal", "cpu-thermal", "soc_thermal", "zenpower")


class LinuxHost:
    """`disk` is a path on the file system whose size and use are told."""

    def __init__(
        self,
        *,
        configured: Platform | None,
        emulation: bool = False,
        disk: Path,
        root: Path = _ROOT,
    ) -> None:
        """`configured` overrides what would be detected below `root`; `emulation` adds what QEMU runs."""
        self._configured = configured
        self._emulation = emulation
        self._disk = disk
        self._root = root
        psutil.cpu_percent()  # each call measures from the one before

    def facts(self, podman_version: str) -> HostFacts:
        release = _read_os_release()
        return HostFacts(
            hostname=socket.gethostname(),
            machine=machine.machine(),
            cpu_model=find_cpu_model(_read_text(_CPUINFO)),
            cpu_count=psutil.cpu_count() or 0,
            memory_total=psutil.virtual_memory().total,
            disk_total=psutil.disk_usage(str(self._disk)).total,
            os_name=release.get("NAME", ""),
            os_version=release.get("VERSION_ID", ""),
            kernel=machine.release(),
            podman_version=podman_version,
            boot_id=_read_text(_BOOT_ID).strip(),
            time_zone=find_time_zone(self._root),
        )

    def platform(self) -> DetectedPlatform:
        platforms = list_platforms(
            gather_facts(self._root), configured=self._configured, emulation=self._emulation
        )
        source = PlatformSource.DETECTED if self._configured is None else PlatformSource.CONFIGURED
        return DetectedPlatform(platform=platforms[0].platform, source=source, platforms=platforms)

    def usage(self) -> Usage:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._disk))
        return Usage(
            cpu_percent=psutil.cpu_percent(),
            memory_used=memory.total - memory.available,
            memory_total=memory.total,
            disk_used=disk.used,
            disk_total=disk.total,
            temperature=_read_temperature(),
        )


def gather_facts(root: Path = _ROOT) -> MachineFacts:
    """Read what this machine says of itself; takes milliseconds and asks no other program.

    Its files are read below `root`.
    """
    configs = (_read_text(root / path.format(machine.release())) for path in _KERNEL_CONFIGS)
    return MachineFacts(
        machine=machine.machine(),
        # The interpreter belongs to the userland, so its pointers are as wide as the userland's.
        bits=struct.calcsize("P") * 8,
        cpuinfo=_read_text(root / "proc/cpuinfo"),
        abi=frozenset(path.name for path in _list_directory(root / "proc/sys/abi")),
        command_line=_read_text(root / "proc/cmdline"),
        kernel_config=next((text for text in configs if text), ""),
        handlers=_read_handlers(root / "proc/sys/fs/binfmt_misc"),
    )


def find_cpu_model(cpuinfo: str) -> str:
    """The processor's, or else the board's name in /proc/cpuinfo; empty if it has none."""
    values: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon and value.strip():
            values.setdefault(key.strip(), value.strip())
    return next((values[key] for key in _MODEL_KEYS if key in values), "")


def find_time_zone(root: Path = _ROOT) -> str:
    """IANA's name of the zone in /etc/localtime (localtime(5)) or /etc/timezone; empty if none is set."""
    try:
        target = str((root / "etc/localtime").readlink())
    except OSError:
        target = ""
    _, _, linked = target.rpartition(_ZONES)
    names = (linked if _ZONES in target else "", _read_text(root / "etc/timezone").strip())
    return next((name for name in names if _ZONE.fullmatch(name)), "")


def _read_handlers(directory: Path) -> tuple[Handler, ...]:
    """None while binfmt_misc is not mounted, or is switched off as a whole."""
    if _read_text(directory / "status").strip() != "enabled":
        return ()
    return tuple(
        Handler(name=path.name, registration=_read_text(path))
        for path in _list_directory(directory)
        if path.name not in _CONTROLS
    )


def _list_directory(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def _read_temperature() -> float | None:
    sensors = psutil.sensors_temperatures()
    for name in _PROCESSOR_SENSORS:
        if sensors.get(name):
            return max(float(entry.current) for entry in sensors[name])
    return None


def _read_os_release() -> Mapping[str, str]:
    try:
        return machine.freedesktop_os_release()
    except OSError:
        return {}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
