"""arm64: v8.1 to v9.3 from the words that the kernel has for features (arch/arm64/elf_hwcaps.rst)."""

from typing import Final

from polyfleet_agent.core.platforms.arm32 import list_beside_arm64, list_userland
from polyfleet_agent.core.platforms.cpuinfo import find_common_words
from polyfleet_agent.core.platforms.entries import (
    V9_AHEAD,
    make_chain,
    make_platform,
    name_variant,
)
from polyfleet_agent.core.platforms.facts import MachineFacts
from polyfleet_agent.core.platforms.levels import Level, climb, explain
from polyfleet_shared.platforms import RunnablePlatform

# What a level makes mandatory and a program can see. `ssbs` is not asked for: the kernel hides it on cores
# with an erratum (Neoverse V2 among them) whose instruction works all the same.
LEVELS: Final = (
    Level(variant="v8", needs=()),
    Level(variant="v8.1", needs=("atomics", "asimdrdm", "crc32")),
    Level(variant="v8.2", needs=("dcpop",)),
    Level(variant="v8.3", needs=("jscvt", "fcma", "lrcpc", "paca", "pacg")),
    Level(variant="v8.4", needs=("dit", "uscat", "ilrcpc", "flagm", "asimddp")),
    Level(variant="v8.5", needs=("sb", "bti", "flagm2", "frint", "dcpodp")),
    Level(variant="v8.6", needs=("i8mm", "bf16", "ecv")),
    Level(variant="v8.7", needs=("wfxt",)),
    Level(variant="v8.8", needs=("mops", "hbc")),
)
_V9: Final = "sve2"


def list_armv8(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """Of a machine with a 64-bit kernel: what its userland is."""
    return _list_arm64(facts) if facts.is_wide else list_userland(facts)


def _list_arm64(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """Its own level, the lower ones, and 32-bit ARM where the cores and the kernel run it."""
    features = find_common_words(facts.cpuinfo, "Features")
    reached = climb(LEVELS, features)
    found = explain(LEVELS, reached, features)
    variant = LEVELS[reached].variant
    minor = reached - V9_AHEAD
    if _V9 in features and minor >= 0:
        variant = name_variant(9, minor)
        found = f"cpuinfo has {_V9} and what v8.{minor + V9_AHEAD} asks for"
    return (*make_chain(make_platform("arm64", variant), found), *list_beside_arm64(facts))
