"""x86: the levels of amd64 as the psABI has them (x86-64-ABI, "Micro-Architecture Levels"), and 386."""

from typing import Final

from polyfleet_agent.core.platforms.cpuinfo import find_common_words
from polyfleet_agent.core.platforms.entries import make_chain, make_entry, make_platform
from polyfleet_agent.core.platforms.facts import MachineFacts, is_built_in
from polyfleet_agent.core.platforms.levels import Level, climb, explain
from polyfleet_shared.platforms import Fit, RunnablePlatform

# In the kernel's words: `pni` is SSE3, `abm` is LZCNT. OSXSAVE has no word: a kernel that does not save the
# wide registers hides `xsave` and `avx`.
LEVELS: Final = (
    Level(variant="v1", needs=()),
    Level(variant="v2", needs=("sse4_2", "popcnt", "cx16", "lahf_lm", "sse4_1", "ssse3", "pni")),
    Level(variant="v3", needs=("avx2", "bmi2", "fma", "avx", "bmi1", "f16c", "abm", "movbe", "xsave")),
    Level(variant="v4", needs=("avx512f", "avx512bw", "avx512vl", "avx512cd", "avx512dq")),
)

_PARAMETER: Final = "ia32_emulation="
# As kstrtobool() reads them.
_YES: Final = ("1", "y", "Y", "t", "T", "on", "On", "oN", "ON")


def list_x86(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """What its userland is."""
    if facts.is_wide:
        return _list_amd64(facts)
    narrow = "a 32-bit userland on a 64-bit kernel (x86_64)"
    found = narrow if facts.machine == "x86_64" else f"the kernel says {facts.machine}"
    return make_chain(make_platform("386"), found)


def _list_amd64(facts: MachineFacts) -> tuple[RunnablePlatform, ...]:
    """Its own level, the lower ones, and 386 where the kernel runs 32-bit programs."""
    features = find_common_words(facts.cpuinfo, "flags")
    reached = climb(LEVELS, features)
    own = make_platform("amd64", LEVELS[reached].variant)
    chain = make_chain(own, explain(LEVELS, reached, features))
    if not _runs_ia32(facts):
        return chain
    found = "the kernel runs 32-bit programs, by abi/vsyscall32"
    return (*chain, make_entry(make_platform("386"), Fit.COMPATIBLE, found))


def _runs_ia32(facts: MachineFacts) -> bool:
    """Whether 32-bit programs are built in (only then vsyscall32 exists) and not switched off since."""
    if "vsyscall32" not in facts.abi:
        return False
    said = [word for word in facts.command_line.split() if word.startswith(_PARAMETER)]
    if said:
        return said[-1].removeprefix(_PARAMETER) in _YES
    return not is_built_in(facts, "CONFIG_IA32_EMULATION_DEFAULT_DISABLED")
