"""Running foreign programs: the kernel's binfmt_misc, and QEMU's handlers in it."""

import platform as machine
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.processes import run

BINFMT_MISC = Path("/proc/sys/fs/binfmt_misc")

# Named as Debian's qemu-user-static names them for update-binfmts(8).
HANDLERS: Mapping[str, str] = MappingProxyType(
    {
        "linux/amd64": "qemu-x86_64",
        "linux/arm64": "qemu-aarch64",
        "linux/arm/v7": "qemu-arm",
        "linux/riscv64": "qemu-riscv64",
    }
)
NATIVE: Mapping[str, str] = MappingProxyType(
    {
        "x86_64": "linux/amd64",
        "aarch64": "linux/arm64",
        "armv7l": "linux/arm/v7",
        "riscv64": "linux/riscv64",
    }
)


def native_platform() -> str:
    """Return this machine's own platform, as far as the lab knows it: `linux/` and the architecture.

    Raises:
        LabError: it is none that the lab has an image for.
    """
    name = machine.machine()
    if name not in NATIVE:
        raise LabError(f"the lab runs on {', '.join(NATIVE)}; this machine is {name}")
    return NATIVE[name]


def enable_foreign_programs(platforms: Sequence[str]) -> tuple[str, ...]:
    """Let this machine run the programs of these platforms; return what was done, a line each.

    What is enabled already, and the machine's own platform, are left alone.

    Raises:
        LabError: binfmt_misc cannot be mounted, or a handler is not known here.
    """
    done: list[str] = []
    if not (BINFMT_MISC / "register").exists():
        run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT_MISC)])
        done.append(f"mounted {BINFMT_MISC}")
    for platform in platforms:
        handler = HANDLERS[platform]
        if platform == native_platform() or is_enabled(handler):
            continue
        run(["update-binfmts", "--enable", handler])
        if not is_enabled(handler):
            raise LabError(
                f"the kernel does not take {handler}: apt-get install qemu-user-static binfmt-support"
            )
        done.append(f"enabled {handler}, which runs {platform}")
    return tuple(done)


def is_enabled(handler: str) -> bool:
    """Say whether the kernel hands programs to this handler, those in containers too."""
    try:
        return reaches_containers((BINFMT_MISC / handler).read_text(encoding="ascii"))
    except FileNotFoundError:
        return False


def reaches_containers(registration: str) -> bool:
    """Read a handler's file in binfmt_misc.

    Flag F: the kernel opened the interpreter when it was registered, so a container need not have it.
    """
    lines = registration.splitlines()
    flags = next((line.removeprefix("flags:") for line in lines if line.startswith("flags:")), "")
    return lines[:1] == ["enabled"] and "F" in flags
