"""What a machine can run, where real boards (test_boards.py) do not show it."""

import pytest

from polyfleet_agent.adapters.hostinfo import find_cpu_model
from polyfleet_agent.core.platforms.entries import list_below
from polyfleet_agent.core.platforms.facts import Handler, MachineFacts
from polyfleet_agent.core.platforms.listing import list_platforms
from polyfleet_agent.core.platforms.riscv import read_isa
from polyfleet_shared.platforms import Platform

QEMU_RISCV64 = """\
enabled
interpreter /usr/libexec/qemu-binfmt/riscv64-binfmt-P
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200f300
mask ffffffffffffff00fffffffffffffffffeffffff
"""
QEMU_ARM = QEMU_RISCV64.replace("464c02", "464c01").replace(
    "7f454c460201010000000000000000000200f300", "7f454c460101010000000000000000000200" + "2800"
)
QEMU_S390X = QEMU_RISCV64.replace(
    "magic 7f454c460201010000000000000000000200f300", "magic 7f454c4602020100000000000000000000020016"
).replace("fffffffffffffffffeffffff", "fffffffffffffffffffeffff")
QEMU_I386 = QEMU_RISCV64.replace(
    "magic 7f454c460201010000000000000000000200f300", "magic 7f454c460101010000000000000000000200" + "0300"
).replace("mask ffffffffffffff00", "mask fffffffffffefe00")


def show(facts: MachineFacts, *, configured: str = "", emulation: bool = False) -> list[str]:
    entries = list_platforms(
        facts, configured=Platform.parse(configured) if configured else None, emulation=emulation
    )
    return [f"{entry.platform} {entry.fit}" for entry in entries]


@pytest.mark.parametrize(
    ("machine", "bits", "platform"),
    [
        ("x86_64", 64, "linux/amd64"),
        ("x86_64", 32, "linux/386"),
        ("i686", 32, "linux/386"),
        ("i686", 64, "linux/amd64"),
        ("aarch64", 64, "linux/arm64"),
        ("aarch64", 32, "linux/arm/v7"),
        ("armv8l", 32, "linux/arm/v7"),
        ("armv8l", 64, "linux/arm64"),
        ("armv7l", 32, "linux/arm/v7"),
        ("armv6l", 32, "linux/arm/v6"),
        ("armv5tejl", 32, "linux/arm/v5"),
        ("armv4tl", 32, "linux/armv4tl"),
        ("armv7b", 32, "linux/armv7b"),
        ("riscv64", 64, "linux/riscv64"),
        ("ppc64le", 64, "linux/ppc64le"),
        ("s390x", 64, "linux/s390x"),
        ("loongarch64", 64, "linux/loong64"),
        ("mips64el", 64, "linux/mips64le"),
        ("sparc64", 64, "linux/sparc64"),
        ("", 64, "linux/unknown"),
        ("A machine!", 64, "linux/unknown"),
    ],
)
def test_the_userland_says_which_platform_a_machine_is(machine: str, bits: int, platform: str) -> None:
    assert show(MachineFacts(machine=machine, bits=bits))[0] == f"{platform} native"


def test_what_a_machine_is_called_is_told_in_plain_letters() -> None:
    [entry] = list_platforms(MachineFacts(machine="sp\x1b[31mé" + "x" * 200, bits=64))
    assert entry.found == ("the kernel says sp?[31m?" + "x" * 200)[:100]


@pytest.mark.parametrize(
    ("platform", "lower"),
    [
        ("linux/amd64", ()),
        ("linux/amd64/v3", ("linux/amd64/v2", "linux/amd64")),
        ("linux/amd64/v9", ()),
        ("linux/arm64", ()),
        ("linux/arm64/v8.2", ("linux/arm64/v8.1", "linux/arm64")),
        (
            "linux/arm64/v9.1",
            ("linux/arm64/v9", *(f"linux/arm64/v8.{step}" for step in range(6, 0, -1)), "linux/arm64"),
        ),
        ("linux/arm64/v9.4", None),
        ("linux/arm64/v9.5", ()),
        ("linux/arm64/v8.9", None),
        ("linux/arm64/v8.10", ()),
        ("linux/arm64/v9x", ()),
        ("linux/arm64/v10", ()),
        ("linux/riscv64/rva23u64", ("linux/riscv64/rva22u64", "linux/riscv64")),
        ("linux/arm/v8", ("linux/arm/v7", "linux/arm/v6", "linux/arm/v5")),
        ("linux/arm/v7", ("linux/arm/v6", "linux/arm/v5")),
        ("linux/arm/v6", ("linux/arm/v5",)),
        ("linux/arm/v5", ()),
        ("windows/amd64/v2", ("windows/amd64",)),
        ("linux/s390x", ()),
    ],
)
def test_below_a_platform_stand_the_lower_ones_of_its_architecture(
    platform: str, lower: tuple[str, ...] | None
) -> None:
    below = [str(each) for each in list_below(Platform.parse(platform))]
    if lower is None:  # the last of its line: everything from v8.9 down
        assert below[-9:] == [*(f"linux/arm64/v8.{step}" for step in range(8, 0, -1)), "linux/arm64"]
    else:
        assert below == list(lower)


def test_a_configured_platform_takes_the_place_of_what_would_be_found() -> None:
    facts = MachineFacts(machine="x86_64", bits=64, abi=frozenset({"vsyscall32"}))
    entries = list_platforms(facts, configured=Platform.parse("linux/amd64/v3"))
    assert [(str(entry.platform), entry.fit, entry.found) for entry in entries] == [
        ("linux/amd64/v3", "native", "configured in agent.toml"),
        ("linux/amd64/v2", "compatible", "below linux/amd64/v3"),
        ("linux/amd64", "compatible", "below linux/amd64/v3"),
    ]


def test_what_only_qemu_runs_comes_last_and_only_if_it_is_wanted() -> None:
    facts = MachineFacts(
        machine="aarch64",
        bits=64,
        handlers=(
            Handler(name="qemu-arm", registration=QEMU_ARM),
            Handler(name="qemu-i386", registration=QEMU_I386),
            Handler(name="qemu-riscv64", registration=QEMU_RISCV64),
            Handler(name="qemu-s390x", registration=QEMU_S390X),
        ),
    )
    assert show(facts) == ["linux/arm64 native"]
    assert show(facts, emulation=True) == [
        "linux/arm64 native",
        "linux/386 emulated",
        "linux/arm/v7 emulated",
        "linux/arm/v6 emulated",
        "linux/arm/v5 emulated",
        "linux/riscv64 emulated",
        "linux/s390x emulated",
    ]
    assert list_platforms(facts, emulation=True)[-1].found == "binfmt_misc handler qemu-s390x"
    assert show(facts, configured="linux/arm/v6", emulation=True)[:3] == [
        "linux/arm/v6 native",
        "linux/arm/v5 compatible",
        "linux/386 emulated",
    ]


def test_what_the_processor_runs_itself_is_not_listed_as_emulated_again() -> None:
    facts = MachineFacts(
        machine="x86_64",
        bits=64,
        abi=frozenset({"vsyscall32"}),
        handlers=(Handler(name="qemu-i386", registration=QEMU_I386),),
    )
    assert show(facts, emulation=True) == ["linux/amd64 native", "linux/386 compatible"]


@pytest.mark.parametrize(
    "registration",
    [
        QEMU_RISCV64.replace("enabled", "disabled"),
        QEMU_RISCV64.replace("POCF", "POC"),
        QEMU_RISCV64.replace("offset 0", "offset 4"),
        QEMU_RISCV64.replace("mask ffff", "mask zzzz"),
        QEMU_RISCV64.replace("mask ffff", "mask ff"),
        QEMU_RISCV64.replace("magic 7f45", "magic 7f46"),
        # Takes programs for any machine.
        QEMU_RISCV64.replace("feffffff", "feff0000"),
        "enabled\ninterpreter /usr/bin/wine\nflags: F\nextension .exe\n",
        "",
    ],
)
def test_a_handler_that_does_not_reach_into_containers_is_not_counted(registration: str) -> None:
    handler = Handler(name="qemu-riscv64", registration=registration)
    assert show(MachineFacts(machine="x86_64", bits=64, handlers=(handler,)), emulation=True) == [
        "linux/amd64 native"
    ]


def test_a_handler_without_a_mask_counts_every_byte() -> None:
    registration = QEMU_RISCV64.partition("mask")[0]
    handler = Handler(name="qemu-riscv64", registration=registration)
    assert show(MachineFacts(machine="x86_64", bits=64, handlers=(handler,)), emulation=True) == [
        "linux/amd64 native",
        "linux/riscv64 emulated",
    ]


@pytest.mark.parametrize(
    ("command_line", "config", "runs"),
    [
        ("quiet", "", True),
        ("quiet ia32_emulation=0", "", False),
        ("ia32_emulation=off", "", False),
        ("ia32_emulation=0 ia32_emulation=1", "", True),
        ("", "CONFIG_IA32_EMULATION_DEFAULT_DISABLED=y\n", False),
        ("ia32_emulation=on", "CONFIG_IA32_EMULATION_DEFAULT_DISABLED=y\n", True),
        ("", "# CONFIG_IA32_EMULATION_DEFAULT_DISABLED is not set\n", True),
    ],
)
def test_386_runs_where_32_bit_programs_are_not_switched_off(
    command_line: str, config: str, *, runs: bool
) -> None:
    facts = MachineFacts(
        machine="x86_64",
        bits=64,
        abi=frozenset({"vsyscall32"}),
        command_line=command_line,
        kernel_config=config,
    )
    assert ("linux/386 compatible" in show(facts)) is runs


@pytest.mark.parametrize(
    ("features", "platform", "found"),
    [
        ("half thumb vfp neon vfpv3", "linux/arm/v7", "the kernel says armv7l"),
        ("half thumb vfp vfpv3 vfpv3d16", "linux/arm/v7", "the kernel says armv7l"),
        ("half thumb vfp", "linux/arm/v6", "cpuinfo has no vfpv3, which v7 counts on"),
        ("half thumb", "linux/arm/v5", "cpuinfo has no vfpv3, which v7 counts on"),
        ("", "linux/arm/v7", "the kernel says armv7l"),
    ],
)
def test_a_processor_without_the_floating_point_unit_of_its_version_is_an_older_one(
    features: str, platform: str, found: str
) -> None:
    facts = MachineFacts(machine="armv7l", bits=32, cpuinfo=f"Features\t: {features}\n")
    native = list_platforms(facts)[0]
    assert (str(native.platform), native.found) == (platform, found)


def test_a_core_that_is_not_known_to_run_32_bit_programs_is_not_said_to() -> None:
    known, unknown = (
        "CPU implementer\t: 0x41\nCPU part\t: 0xd03\n",
        "CPU implementer\t: 0x41\nCPU part\t: 0xd46\n",
    )
    facts = MachineFacts(machine="aarch64", bits=64, cpuinfo=known, abi=frozenset({"swp"}))
    assert "linux/arm/v7 compatible" in show(facts)
    mixed = MachineFacts(machine="aarch64", bits=64, cpuinfo=known + unknown, abi=frozenset({"swp"}))
    assert show(mixed) == ["linux/arm64 native"]


@pytest.mark.parametrize(
    ("more", "variant"),
    [
        ("", "v8.5"),
        ("sve2", "v9"),
        ("sve2 i8mm bf16 ecv", "v9.1"),
        ("sve2 i8mm bf16 ecv wfxt", "v9.2"),
        ("sve2 i8mm bf16 ecv wfxt mops hbc", "v9.3"),
        ("i8mm bf16 ecv wfxt mops hbc", "v8.8"),
    ],
)
def test_v9_is_v8_five_steps_on_with_sve2(more: str, variant: str) -> None:
    features = (
        "atomics asimdrdm crc32 dcpop jscvt fcma lrcpc paca pacg dit uscat ilrcpc flagm asimddp "
        f"sb bti flagm2 frint dcpodp {more}"
    )
    facts = MachineFacts(machine="aarch64", bits=64, cpuinfo=f"Features\t: {features}\n")
    assert show(facts)[0] == f"linux/arm64/{variant} native"


@pytest.mark.parametrize(
    ("isa", "extensions"),
    [
        ("rv64imac_zba", {"i", "m", "a", "c", "zba"}),
        ("rv64gc", {"g", "c", "m", "a", "f", "d", "zicsr", "zifencei"}),
        ("RV64I2p1_M2p0_zba1p0", {"i", "m", "zba"}),
        ("rv64i2p1m2p0", {"i", "m"}),
        ("rv64ib_zfh_zvl128b", {"i", "b", "zba", "zbb", "zbs", "zfh", "zfhmin", "zvl128b"}),
        ("rv32imac_zba", set()),
        ("", set()),
        ("rv64", set()),
    ],
)
def test_an_isa_string_is_read_with_what_it_implies(isa: str, extensions: set[str]) -> None:
    assert read_isa(isa) == extensions


@pytest.mark.parametrize(
    ("cpuinfo", "model"),
    [
        ("processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nmodel\t\t: 85\n", "Intel(R) Xeon(R)"),
        (
            "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B\n",
            "Raspberry Pi 4 Model B",
        ),
        ("processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n", "sifive,u74-mc"),
        ("processor\t: 0\nmodel name\t:\nHardware\t: BCM2835\n", "BCM2835"),
        ("processor\t: 0\n", ""),
        ("", ""),
    ],
)
def test_the_processors_name_is_found_where_each_kernel_puts_it(cpuinfo: str, model: str) -> None:
    assert find_cpu_model(cpuinfo) == model
