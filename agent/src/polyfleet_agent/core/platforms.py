"""Which platforms a machine can run, from what its kernel and its userland say."""

from dataclasses import dataclass
from typing import Final

from polyfleet_shared.platforms import Fit, InvalidPlatformError, Platform, RunnablePlatform

_OS: Final = "linux"
_WORD_64: Final = 64

# GOARCH of what `uname -m` says, by the userland's word size: a 32-bit userland on a 64-bit kernel is a
# 32-bit machine to everything that is installed on it.
_ARCHITECTURES: Final[dict[str, tuple[str, str]]] = {
    "x86_64": ("amd64", "386"),
    "i386": ("386", "386"),
    "i486": ("386", "386"),
    "i586": ("386", "386"),
    "i686": ("386", "386"),
    "aarch64": ("arm64", "arm/v7"),
    "armv8l": ("arm/v7", "arm/v7"),  # a 64-bit kernel that plays a 32-bit one
    "armv7l": ("arm/v7", "arm/v7"),
    "armv6l": ("arm/v6", "arm/v6"),
    "armv5tel": ("arm/v5", "arm/v5"),
    "armv5tejl": ("arm/v5", "arm/v5"),
    "riscv64": ("riscv64", "riscv64"),
    "ppc64le": ("ppc64le", "ppc64le"),
    "s390x": ("s390x", "s390x"),
    "loongarch64": ("loong64", "loong64"),
}

# An ARM processor runs what was built for the earlier ones, best first.
_LOWER_ARM: Final[dict[str, tuple[str, ...]]] = {"v8": ("v7", "v6", "v5"), "v7": ("v6", "v5"), "v6": ("v5",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """`machine` as `uname -m` has it; `bits` is the word size of the userland, 32 or 64."""

    machine: str
    bits: int


def detect_platform(facts: MachineFacts) -> Platform:
    """The machine's own platform; one that is not known here by the kernel's name for it."""
    wide, narrow = _ARCHITECTURES.get(facts.machine, (facts.machine, facts.machine))
    try:
        return Platform.parse(f"{_OS}/{wide if facts.bits >= _WORD_64 else narrow}")
    except InvalidPlatformError:
        return Platform(os=_OS, architecture="unknown")


def list_runnable(platform: Platform) -> tuple[RunnablePlatform, ...]:
    """What a machine of this platform runs, in order of preference: its own, then compatible lower ones."""
    native = RunnablePlatform(platform=platform, fit=Fit.NATIVE)
    if platform.architecture != "arm" or platform.variant is None:
        return (native,)
    lower = tuple(
        RunnablePlatform(
            platform=Platform(os=platform.os, architecture="arm", variant=variant), fit=Fit.COMPATIBLE
        )
        for variant in _LOWER_ARM.get(platform.variant, ())
    )
    return (native, *lower)
