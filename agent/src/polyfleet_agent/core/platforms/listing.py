"""The list: what is native, then what is compatible, then what is emulated, each best first."""

from typing import Final

from polyfleet_agent.core.platforms.arm32 import NAMES, list_arm
from polyfleet_agent.core.platforms.arm64 import list_armv8
from polyfleet_agent.core.platforms.binfmt import list_emulated
from polyfleet_agent.core.platforms.entries import OS, make_chain, make_platform
from polyfleet_agent.core.platforms.facts import MachineFacts
from polyfleet_agent.core.platforms.riscv import list_riscv64
from polyfleet_agent.core.platforms.x86 import list_x86
from polyfleet_shared.platforms import InvalidPlatformError, Platform, RunnablePlatform

# The 32-bit names also stand for a 64-bit kernel that plays a 32-bit one (setarch(8)).
_X86: Final = ("x86_64", "i386", "i486", "i586", "i686")
_ARMV8: Final = ("aarch64", "armv8l")
# GOARCH of what `uname -m` says, where the two differ and nothing more is to be found out.
_ARCHITECTURES: Final[dict[str, str]] = {"loongarch64": "loong64", "mips64el": "mips64le", "mipsel": "mipsle"}


def list_platforms(
    facts: MachineFacts, *, configured: Platform | None = None, emulation: bool = False
) -> tuple[RunnablePlatform, ...]:
    """All that the machine can run, without repetition; never empty.

    A `configured` platform takes the place of what would be found. `emulation` adds what only QEMU runs.
    """
    own = _list_own(facts) if configured is None else make_chain(configured, "configured in agent.toml")
    if not emulation:
        return own
    known = {entry.platform for entry in own}
    return (*own, *(entry for entry in list_emulated(facts.handlers) if entry.platform not in known))


def _list_own(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    if facts.machine in _X86:
        return list_x86(facts)
    if facts.machine in _ARMV8:
        return list_armv8(facts)
    if NAMES.fullmatch(facts.machine):
        return list_arm(facts)
    if facts.machine == "riscv64":
        return list_riscv64(facts)
    return _list_by_name(facts.machine)


def _list_by_name(machine: str) -> tuple[RunnablePlatform, ...]:
    found = f"the kernel says {machine}"
    try:
        own = Platform.parse(f"{OS}/{_ARCHITECTURES.get(machine, machine)}")
    except InvalidPlatformError:
        own = make_platform("unknown")
    return make_chain(own, found)
