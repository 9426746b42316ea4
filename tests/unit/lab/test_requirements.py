"""What a machine lacks, and what it is told."""

import dataclasses
from pathlib import Path

import pytest

from polyfleet_controller.lab.requirements import (
    FILESYSTEMS,
    PACKAGES,
    MachineFacts,
    Shortfall,
    explain_shortfall,
    filesystem_of,
    find_shortfall,
)

COMPLETE = MachineFacts(
    root=True,
    debian=True,
    machine="x86_64",
    programs=frozenset(PACKAGES),
    filesystems=frozenset(FILESYSTEMS),
    workspace_filesystem="ext4",
)


def test_a_complete_machine_lacks_nothing() -> None:
    shortfall = find_shortfall(COMPLETE)
    assert shortfall == Shortfall(programs=(), packages=(), obstacles=())
    assert not shortfall


def test_a_missing_program_is_named_with_its_packages() -> None:
    facts = dataclasses.replace(COMPLETE, programs=frozenset(PACKAGES) - {"podman", "riscv64-linux-gnu-gcc"})
    assert find_shortfall(facts) == Shortfall(
        programs=("podman", "riscv64-linux-gnu-gcc"),
        packages=("gcc-riscv64-linux-gnu", "libc6-dev-riscv64-cross", "podman"),
        obstacles=(),
    )


@pytest.mark.parametrize(
    ("machine", "compiler", "packages"),
    [
        ("x86_64", "x86_64-linux-gnu-gcc", ("gcc", "libc6-dev")),
        ("aarch64", "x86_64-linux-gnu-gcc", ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross")),
        ("aarch64", "aarch64-linux-gnu-gcc", ("gcc", "libc6-dev")),
    ],
)
def test_a_machine_compiles_for_itself_with_its_own_compiler(
    machine: str, compiler: str, packages: tuple[str, ...]
) -> None:
    facts = dataclasses.replace(COMPLETE, machine=machine, programs=frozenset(PACKAGES) - {compiler})
    assert find_shortfall(facts).packages == packages


def test_a_machine_needs_no_emulator_of_itself() -> None:
    programs = frozenset(PACKAGES) - {"qemu-aarch64-static"}
    facts = dataclasses.replace(COMPLETE, machine="aarch64", programs=programs)
    assert not find_shortfall(facts)
    assert find_shortfall(dataclasses.replace(facts, machine="x86_64")).programs == ("qemu-aarch64-static",)


def test_one_native_platform_needs_no_foreign_programs() -> None:
    foreign = {"update-binfmts", "qemu-arm-static", "arm-linux-gnueabihf-gcc"}
    facts = dataclasses.replace(COMPLETE, programs=frozenset(PACKAGES) - foreign)
    assert not find_shortfall(facts, ["linux/amd64"])


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({"root": False}, "not root: namespaces and mounts need it; run this again with sudo"),
        (
            {"filesystems": frozenset({"overlay"})},
            "a kernel without binfmt_misc: use one that has it, as Debian's has",
        ),
        (
            {"workspace_filesystem": "overlay"},
            "temporary files on overlayfs, which cannot hold images: set TMPDIR to a directory on a disk",
        ),
    ],
)
def test_what_no_package_cures_is_an_obstacle(change: dict[str, object], obstacle: str) -> None:
    facts = dataclasses.replace(COMPLETE, **change)  # type: ignore[arg-type]  # one field of any type
    assert find_shortfall(facts).obstacles == (obstacle,)


def test_an_unknown_machine_is_told_which_ones_do() -> None:
    facts = dataclasses.replace(COMPLETE, machine="s390x")
    assert find_shortfall(facts).obstacles == (
        "a machine of the kind s390x: use one of x86_64, aarch64, armv7l, riscv64",
    )


def test_the_packages_are_those_that_set_up_installs() -> None:
    listed = (Path(__file__).parents[3] / "debian-packages.txt").read_text().splitlines()
    installed = {line.split()[0] for line in listed if line and not line.startswith(("#", "["))}
    assert {package for packages in PACKAGES.values() for package in packages} <= installed


SHORTFALL = Shortfall(programs=("ip", "podman"), packages=("iproute2", "podman"), obstacles=("not root",))


def test_debian_is_told_the_command_that_cures_it() -> None:
    assert explain_shortfall(SHORTFALL, debian=True) == (
        "not root\nmissing programs: ip, podman\ninstall them: apt-get install --yes iproute2 podman"
    )


def test_another_system_is_told_the_packages() -> None:
    assert explain_shortfall(SHORTFALL, debian=False) == (
        "not root\nmissing programs: ip, podman\n"
        "install what this system calls these packages of Debian: iproute2 podman"
    )


MOUNT_INFO = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:25 / /tmp rw,relatime - tmpfs tmpfs rw
31 30 0:26 / /tmp/inner rw,relatime - overlay overlay rw,lowerdir=/a
"""


@pytest.mark.parametrize(
    ("directory", "filesystem"),
    [("/var/tmp", "ext4"), ("/tmp", "tmpfs"), ("/tmp/inner/x", "overlay"), ("/tmp/innermost", "tmpfs")],  # noqa: S108 - names in a mount table
)
def test_the_filesystem_of_a_directory_is_that_of_the_innermost_mount(
    directory: str, filesystem: str
) -> None:
    assert filesystem_of(Path(directory), MOUNT_INFO) == filesystem
