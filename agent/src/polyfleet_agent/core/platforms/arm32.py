"""32-bit ARM: v5 to v7 on machines of their own, and beside arm64 where the cores run both."""

import re
from typing import Final

from polyfleet_agent.core.platforms.cpuinfo import find_common_words, find_parts, find_values
from polyfleet_agent.core.platforms.entries import list_below, make_chain, make_entry, make_platform
from polyfleet_agent.core.platforms.facts import MachineFacts, is_built_in
from polyfleet_shared.platforms import Fit, RunnablePlatform

# By implementer and part. What these are, the line "CPU architecture" does not say: ARM11 has ARMv7's
# memory system and calls itself 7, on every Raspberry Pi 1 and Zero.
_OLDER: Final[dict[tuple[int, int], tuple[str, int]]] = {
    (0x41, 0x926): ("ARM926", 5),
    (0x41, 0x946): ("ARM946", 5),
    (0x41, 0xA26): ("ARM1026", 5),
    (0x41, 0xB02): ("ARM11 MPCore", 6),
    (0x41, 0xB36): ("ARM1136", 6),
    (0x41, 0xB56): ("ARM1156", 6),
    (0x41, 0xB76): ("ARM1176", 6),
    (0x56, 0x131): ("Feroceon", 5),
}
# ARMv8 cores that run 32-bit programs (AArch32 at EL0) by their technical reference manuals. A core that is
# not here is not said to.
_BOTH: Final[dict[tuple[int, int], str]] = {
    (0x41, 0xD01): "Cortex-A32",
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD0E): "Cortex-A76AE",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4C): "Cortex-X1C",
    (0x51, 0x800): "Kryo-2xx-Gold",
    (0x51, 0x801): "Kryo-2xx-Silver",
    (0x51, 0x802): "Kryo-3xx-Gold",
    (0x51, 0x803): "Kryo-3xx-Silver",
    (0x51, 0x804): "Kryo-4xx-Gold",
    (0x51, 0x805): "Kryo-4xx-Silver",
}
# A kernel for arm64 has one of these where it was built to run 32-bit programs (CONFIG_COMPAT).
_COMPAT_SETTINGS: Final = frozenset({"cp15_barrier", "setend", "swp"})

# What the kernel calls a machine with a little-endian 32-bit kernel. OCI has no name for what is older.
NAMES: Final = re.compile(r"armv([5-7])[a-z]*l")
_NEWEST: Final = 7
# What images for a version count on: v7 is built for VFPv3, v6 for VFPv2, v5 for no floating point unit.
_FLOATING_POINT: Final[dict[int, str]] = {7: "vfpv3", 6: "vfp"}


def list_arm(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """Of a machine with a 32-bit kernel: the older of what its kernel and its cores say."""
    said = NAMES.fullmatch(facts.machine)
    version = _NEWEST if said is None else int(said[1])
    found = f"the kernel says {facts.machine}"
    parts = find_parts(facts.cpuinfo)
    older = sorted((_OLDER[part][1], *part) for part in parts if part in _OLDER)
    if older:
        version = min(version, older[0][0])
        found = _explain_part(*older[0], find_values(facts.cpuinfo, "CPU architecture"))
    features = find_common_words(facts.cpuinfo, "Features")
    lacking = _find_lacking(version, features)
    if lacking:
        version, found = lacking
    return _list_version(version, found, parts)


def list_userland(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """Of a 32-bit userland on a 64-bit kernel, which proves that the cores run both."""
    found = f"a 32-bit userland on a 64-bit kernel ({facts.machine})"
    return _list_version(_NEWEST, found, find_parts(facts.cpuinfo))


def list_beside_arm64(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """What an arm64 machine runs of 32-bit ARM; nothing unless all its cores and its kernel can."""
    parts = find_parts(facts.cpuinfo)
    has_compat = not _COMPAT_SETTINGS.isdisjoint(facts.abi) or is_built_in(facts, "CONFIG_COMPAT")
    if not parts or not parts <= _BOTH.keys() or not has_compat:
        return ()
    names = ", ".join(sorted({_BOTH[part] for part in parts}))
    best = make_platform("arm", "v8")
    return tuple(
        make_entry(platform, Fit.COMPATIBLE, f"the kernel runs 32-bit programs, and so does {names}")
        for platform in (best, *list_below(best))
    )


def _list_version(
    version: int, found: str, parts: frozenset[tuple[int, int]]
) -> tuple[RunnablePlatform, ...]:
    """Native as v7 what could be v8: it is what such a userland is built for, and v8 comes next."""
    native, *lower = make_chain(make_platform("arm", f"v{version}"), found)
    if version == _NEWEST and parts and parts <= _BOTH.keys():
        names = ", ".join(sorted({_BOTH[part] for part in parts}))
        newer = make_entry(make_platform("arm", "v8"), Fit.COMPATIBLE, f"{names} is ARMv8")
        return (native, newer, *lower)
    return (native, *lower)


def _explain_part(version: int, implementer: int, part: int, said: tuple[str, ...]) -> str:
    name = _OLDER[implementer, part][0]
    contradiction = f", although cpuinfo says {said[0]}" if said and said[0] == "7" else ""
    return f"{name} (part {part:#x}) is ARMv{version}{contradiction}"


def _find_lacking(version: int, features: frozenset[str]) -> tuple[int, str] | None:
    """A lower version for want of a floating point unit; None if nothing is missing, or nothing is known."""
    if not features:
        return None
    usable = version
    while usable in _FLOATING_POINT and _FLOATING_POINT[usable] not in features:
        usable -= 1
    if usable == version:
        return None
    return usable, f"cpuinfo has no {_FLOATING_POINT[version]}, which v{version} counts on"
