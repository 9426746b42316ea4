"""What a machine can run."""

import pytest

from polyfleet_agent.adapters.hostinfo import find_cpu_model
from polyfleet_agent.core.platforms import MachineFacts, detect_platform, list_runnable
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform


@pytest.mark.parametrize(
    ("machine", "bits", "platform"),
    [
        ("x86_64", 64, "linux/amd64"),
        ("x86_64", 32, "linux/386"),
        ("i686", 32, "linux/386"),
        ("aarch64", 64, "linux/arm64"),
        ("aarch64", 32, "linux/arm/v7"),
        ("armv8l", 32, "linux/arm/v7"),
        ("armv7l", 32, "linux/arm/v7"),
        ("armv6l", 32, "linux/arm/v6"),
        ("armv5tejl", 32, "linux/arm/v5"),
        ("riscv64", 64, "linux/riscv64"),
        ("ppc64le", 64, "linux/ppc64le"),
        ("s390x", 64, "linux/s390x"),
        ("loongarch64", 64, "linux/loong64"),
        ("sparc64", 64, "linux/sparc64"),
        ("", 64, "linux/unknown"),
        ("A machine!", 64, "linux/unknown"),
    ],
)
def test_the_userland_says_which_platform_a_machine_is(machine: str, bits: int, platform: str) -> None:
    assert detect_platform(MachineFacts(machine=machine, bits=bits)) == Platform.parse(platform)


@pytest.mark.parametrize(
    ("platform", "lower"),
    [
        ("linux/amd64", ()),
        ("linux/arm64", ()),
        ("linux/riscv64", ()),
        ("linux/arm/v8", ("linux/arm/v7", "linux/arm/v6", "linux/arm/v5")),
        ("linux/arm/v7", ("linux/arm/v6", "linux/arm/v5")),
        ("linux/arm/v6", ("linux/arm/v5",)),
        ("linux/arm/v5", ()),
    ],
)
def test_a_machine_runs_its_own_platform_best_and_then_the_lower_ones(
    platform: str, lower: tuple[str, ...]
) -> None:
    native = RunnablePlatform(platform=Platform.parse(platform), fit=Fit.NATIVE)
    compatible = [RunnablePlatform(platform=Platform.parse(text), fit=Fit.COMPATIBLE) for text in lower]
    assert list_runnable(Platform.parse(platform)) == (native, *compatible)


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
