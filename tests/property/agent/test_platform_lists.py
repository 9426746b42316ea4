"""Whatever a machine says of itself, the list is in order, repeats nothing, and promises nothing rashly."""

import json
from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.core.platforms.entries import list_below
from polyfleet_agent.core.platforms.facts import Handler, MachineFacts
from polyfleet_agent.core.platforms.listing import list_platforms
from polyfleet_shared.codec import encode
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

MACHINES: Final = (
    *("x86_64", "i686", "aarch64", "armv8l", "armv7l", "armv6l", "armv5tejl", "riscv64", "s390x", "sparc64"),
)
WORDS: Final = (
    *("sse4_2", "popcnt", "cx16", "lahf_lm", "sse4_1", "ssse3", "pni", "avx2", "bmi2", "fma", "avx", "bmi1"),
    *("f16c", "abm", "movbe", "xsave", "avx512f", "avx512bw", "avx512vl", "avx512cd", "avx512dq"),
    *("atomics", "asimdrdm", "crc32", "dcpop", "jscvt", "fcma", "lrcpc", "paca", "pacg", "dit", "uscat"),
    *("ilrcpc", "flagm", "asimddp", "sb", "bti", "flagm2", "frint", "dcpodp", "i8mm", "bf16", "ecv", "wfxt"),
    *("mops", "hbc", "cssc", "rprfm", "sve2", "vfp", "vfpv3"),
)
EXTENSIONS: Final = (
    *("zba", "zbb", "zbs", "zicbom", "zicboz", "zfh", "zvbb", "zicond", "zfa", "zcb", "zcmop", "zimop"),
    *("zawrs", "zvfhmin", "v"),
)
PARTS: Final = ("0x926", "0xb76", "0xd03", "0xd08", "0xd0c", "0xd46", "0x022", "nonsense")
WIDE_MASK: Final = "ffffffffffffff00fffffffffffffffffeffffff"


def sets_of(names: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    """All up to some level, since these are in the order of the levels, and some of the rest."""
    levels = st.integers(0, len(names)).map(lambda count: frozenset(names[:count]))
    some = st.frozensets(st.sampled_from(names))
    return st.builds(frozenset.union, levels, some) | st.builds(frozenset.difference, levels, some)


word_sets = sets_of(WORDS)
extension_sets = sets_of(EXTENSIONS)


def write_core(words: frozenset[str], extensions: frozenset[str], part: str) -> str:
    listed = " ".join(sorted({"half", "fpu", *words}))
    isa = "_".join(("rv64imafdc", *sorted(extensions)))
    return (
        f"flags\t\t: {listed}\nFeatures\t: {listed}\nisa\t\t: {isa}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 7\nCPU part\t: {part}\n"
    )


cores = st.builds(write_core, word_sets, extension_sets, st.sampled_from(PARTS))
registrations = st.builds(
    lambda magic, mask, flags: f"enabled\nflags: {flags}\noffset 0\nmagic {magic.hex()}\nmask {mask}\n",
    st.binary(min_size=20, max_size=20)
    | st.sampled_from([2, 3, 21, 40, 62, 183, 243]).map(
        lambda number: bytes.fromhex("7f454c46020101000000000000000000") + bytes((2, 0, number, 0))
    ),
    st.just(WIDE_MASK) | st.text("0123456789abcdef", max_size=40),
    st.sampled_from(["F", "POCF", "P"]),
)
handlers = st.builds(Handler, name=st.text(max_size=300), registration=registrations | st.text())
machine_facts = st.builds(
    MachineFacts,
    machine=st.sampled_from(MACHINES) | st.text(max_size=300),
    bits=st.sampled_from([32, 64]) | st.integers(),
    cpuinfo=st.lists(cores, max_size=4).map("\n".join) | st.text(),
    abi=st.frozensets(st.sampled_from(["vsyscall32", "swp", "setend"]) | st.text()),
    command_line=st.sampled_from(["", "ia32_emulation=0", "ia32_emulation=1"]) | st.text(),
    kernel_config=st.sampled_from(["", "CONFIG_COMPAT=y\n"]) | st.text(),
    handlers=st.lists(handlers, max_size=12).map(tuple),
)
configured_platforms = st.none() | st.sampled_from(
    ["linux/amd64/v3", "linux/arm/v6", "linux/arm64/v9.4", "linux/arm64/v77", "linux/riscv64/rva23u64"]
).map(Platform.parse)


def listed_platforms(entries: tuple[RunnablePlatform, ...]) -> list[Platform]:
    return [entry.platform for entry in entries]


@given(facts=machine_facts, configured=configured_platforms, emulation=st.booleans())
def test_native_comes_first_then_compatible_then_emulated_and_nothing_twice(
    *, facts: MachineFacts, configured: Platform | None, emulation: bool
) -> None:
    entries = list_platforms(facts, configured=configured, emulation=emulation)
    fits = [entry.fit for entry in entries]
    assert fits == sorted(fits, key=list(Fit).index)
    assert fits.count(Fit.NATIVE) == 1
    assert emulation or Fit.EMULATED not in fits
    platforms = listed_platforms(entries)
    assert len(platforms) == len(set(platforms))


@given(facts=machine_facts, configured=configured_platforms, emulation=st.booleans())
def test_what_runs_a_platform_runs_all_below_it(
    *, facts: MachineFacts, configured: Platform | None, emulation: bool
) -> None:
    platforms = listed_platforms(list_platforms(facts, configured=configured, emulation=emulation))
    for position, platform in enumerate(platforms):
        lower = list_below(platform)
        assert set(lower) <= set(platforms)
        in_order = [platforms.index(each) for each in lower]
        assert in_order == sorted(in_order)
        # Only linux/arm/v8 may stand behind a lower one: behind v7, which a 32-bit userland is built for.
        assert all(index > position or str(platform) == "linux/arm/v8" for index in in_order)


@given(machine_facts, configured_platforms)
def test_every_line_says_how_it_was_found_and_all_of_them_are_short(
    facts: MachineFacts, configured: Platform | None
) -> None:
    entries = list_platforms(facts, configured=configured, emulation=True)
    assert all(entry.found and entry.found.isascii() and entry.found.isprintable() for entry in entries)
    assert len(json.dumps([encode(entry) for entry in entries], separators=(",", ":"))) < 4096


@given(
    facts=st.builds(MachineFacts, machine=st.sampled_from(MACHINES), bits=st.sampled_from([32, 64])),
    words=st.tuples(word_sets, word_sets),
    extensions=st.tuples(extension_sets, extension_sets),
    part=st.sampled_from(PARTS),
)
def test_more_features_take_nothing_away(
    facts: MachineFacts,
    words: tuple[frozenset[str], frozenset[str]],
    extensions: tuple[frozenset[str], frozenset[str]],
    part: str,
) -> None:
    poor = replace(facts, cpuinfo=write_core(words[0], extensions[0], part))
    rich = replace(facts, cpuinfo=write_core(words[0] | words[1], extensions[0] | extensions[1], part))
    assert set(listed_platforms(list_platforms(poor))) <= set(listed_platforms(list_platforms(rich)))


@given(st.sampled_from(MACHINES), st.sampled_from([32, 64]), st.lists(cores, min_size=1, max_size=4))
def test_a_machine_runs_what_each_of_its_cores_would_run_alone(
    machine: str, bits: int, every_core: list[str]
) -> None:
    facts = MachineFacts(machine=machine, bits=bits, abi=frozenset({"swp"}))
    together = set(listed_platforms(list_platforms(replace(facts, cpuinfo="\n".join(every_core)))))
    for core in every_core:
        assert together <= set(listed_platforms(list_platforms(replace(facts, cpuinfo=core))))
