"""A line of the list, and what stands below a platform in its own architecture."""

from typing import Final

from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

OS: Final = "linux"
# The list travels in the inventory, and has up to thirty lines.
_MAX_FOUND: Final = 100

_CHAINS: Final[dict[str, tuple[str, ...]]] = {
    "amd64": ("v4", "v3", "v2", "v1"),
    "arm": ("v8", "v7", "v6", "v5"),
    "riscv64": ("rva23u64", "rva22u64", "rva20u64"),
}
# Each of v9 contains the one of v8 that is so many steps on (Arm ARM, A2.1).
V9_AHEAD: Final = 5
LAST_V8: Final = 9
LAST_V9: Final = LAST_V8 - V9_AHEAD


def make_entry(platform: Platform, fit: Fit, found: str) -> RunnablePlatform:
    """Only printable ASCII reaches `found`, since parts of it are names that anybody may have given."""
    printable = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in found)
    return RunnablePlatform(platform=platform, fit=fit, found=printable[:_MAX_FOUND])


def make_platform(architecture: str, variant: str | None = None) -> Platform:
    return Platform(os=OS, architecture=architecture, variant=variant)


def make_chain(platform: Platform, found: str) -> tuple[RunnablePlatform, ...]:
    """The platform as the native one, and the lower ones of its architecture, best first."""
    native = make_entry(platform, Fit.NATIVE, found)
    lower = (make_entry(each, Fit.COMPATIBLE, f"below {platform}") for each in list_below(platform))
    return (native, *lower)


def list_below(platform: Platform) -> tuple[Platform, ...]:
    """The lower platforms of the same architecture, best first; none below what is not known here."""
    if platform.architecture == "arm64":
        variants = _chain_arm64(platform.variant or "v8")
    else:
        variants = _CHAINS.get(platform.architecture, ())
    chain = tuple(
        Platform(os=platform.os, architecture=platform.architecture, variant=variant) for variant in variants
    )
    return chain[chain.index(platform) + 1 :] if platform in chain else ()


def _chain_arm64(variant: str) -> tuple[str, ...]:
    """From this variant down; of v9 through what it contains of v8."""
    minor = int(variant[3:]) if variant[:3] in ("v8.", "v9.") and variant[3:].isdecimal() else 0
    newer: tuple[str, ...] = ()
    if variant.startswith("v9") and minor <= LAST_V9:
        newer = tuple(name_variant(9, step) for step in range(minor, -1, -1))
        minor += V9_AHEAD
    return (*newer, *(name_variant(8, step) for step in range(min(minor, LAST_V8), -1, -1)))


def name_variant(major: int, minor: int) -> str:
    """`v9.2`, and `v9` for v9.0."""
    return f"v{major}.{minor}" if minor else f"v{major}"
