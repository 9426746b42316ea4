"""RISC-V: the application profiles for user mode, from the ISA string (RVA20U64, RVA22U64, RVA23U64)."""

import re
from typing import Final

from polyfleet_agent.core.platforms.cpuinfo import find_values
from polyfleet_agent.core.platforms.entries import make_chain, make_platform
from polyfleet_agent.core.platforms.facts import MachineFacts
from polyfleet_agent.core.platforms.levels import Level, climb, explain
from polyfleet_shared.platforms import RunnablePlatform

# Of what a profile makes mandatory, that without which an instruction is illegal. The rest is hints, which do
# nothing where they are unknown (Zihintpause, Zihintntl, Zicbop), promises on time and memory (Zkt, Zvkt,
# Ziccif, Ziccrse, Ziccamoa, Zicclsm, Za64rs, Zic64b), counters that programs ask for (Zicntr, Zihpm), and
# Supm, which they switch on. Kernels name these late or never.
LEVELS: Final = (
    Level(variant="rva20u64", needs=()),
    Level(
        variant="rva22u64",
        needs=("zba", "zbb", "zbs", "zicbom", "zicboz", "zfhmin", "m", "a", "f", "d", "c"),
    ),
    Level(
        variant="rva23u64",
        needs=("v", "zvbb", "zicond", "zfa", "zcb", "zcmop", "zimop", "zawrs", "zvfhmin"),
    ),
)
_IMPLIED: Final[dict[str, tuple[str, ...]]] = {
    "g": ("m", "a", "f", "d", "zicsr", "zifencei"),
    "b": ("zba", "zbb", "zbs"),
    "zfh": ("zfhmin",),
    "zvfh": ("zvfhmin",),
}

_BASE: Final = re.compile(r"rv64([a-z0-9]*)")
_VERSION: Final = re.compile(r"[0-9]+(p[0-9]+)?")
_NAME_VERSION: Final = re.compile(r"[0-9]+p[0-9]+$")


def list_riscv64(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """The highest profile that all harts have, and the lower ones."""
    features = _find_common_extensions(facts.cpuinfo)
    reached = climb(LEVELS, features)
    return make_chain(make_platform("riscv64", LEVELS[reached].variant), explain(LEVELS, reached, features))


def read_isa(isa: str) -> frozenset[str]:
    """The extensions in an ISA string as `rv64imafdc_zicsr_zba`, with what they imply; versions dropped."""
    base, *names = isa.strip().lower().split("_")
    found = _BASE.fullmatch(base)
    if found is None:
        return frozenset()
    letters = _VERSION.sub("", found[1])
    extensions = {*letters, *(_NAME_VERSION.sub("", name) for name in names)} - {""}
    implied = (also for name in extensions for also in _IMPLIED.get(name, ()))
    return frozenset(extensions.union(implied))


def _find_common_extensions(cpuinfo: str) -> frozenset[str]:
    """`isa` is what all harts share on newer kernels, `hart isa` one hart's own."""
    lines = find_values(cpuinfo, "isa") or find_values(cpuinfo, "hart isa")
    return frozenset.intersection(*(read_isa(line) for line in lines)) if lines else frozenset()
