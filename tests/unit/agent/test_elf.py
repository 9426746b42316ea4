"""ELF headers: whose they are."""

import pytest

from elf_files import MACHINES, elf
from polyfleet_agent.core.elf import ElfHeader, read_header


@pytest.mark.parametrize("architecture", MACHINES)
@pytest.mark.parametrize("loader", [None, "/lib/ld-linux.so.3"])
def test_every_architectures_header_is_read(architecture: str, loader: str | None) -> None:
    header = read_header(elf(architecture, loader=loader))
    assert header is not None
    assert (header.architecture, header.loader) == (architecture, loader)


def test_a_header_says_what_it_is_in_the_words_of_file() -> None:
    told = {
        name: str(read_header(elf(name))) for name in ("amd64", "386", "arm", "armbe", "s390x", "riscv64")
    }
    assert told == {
        "amd64": "ELF 64-bit x86-64",
        "386": "ELF 32-bit 80386",
        "arm": "ELF 32-bit ARM",
        "armbe": "ELF 32-bit big-endian ARM",
        "s390x": "ELF 64-bit big-endian S/390",
        "riscv64": "ELF 64-bit RISC-V",
    }


# Of what each claim may hold: itself, and what a kernel of the family may well run.
SUITABLE = {
    "amd64": {"amd64", "386"},
    "386": {"386"},
    "arm64": {"arm64", "arm"},
    "arm": {"arm"},
    "riscv64": {"riscv64", "riscv"},
    "s390x": {"s390x", "s390"},
    "ppc64le": {"ppc64le"},
    "mips64le": {"mips64le", "mipsle"},
    "loong64": {"loong64"},
    "an-architecture-of-tomorrow": set(MACHINES),
}


@pytest.mark.parametrize("claimed", SUITABLE)
def test_a_program_suits_its_own_architecture_and_a_larger_sibling(claimed: str) -> None:
    headers = {name: read_header(elf(name)) for name in MACHINES}
    assert {name for name, header in headers.items() if header and header.suits(claimed)} == SUITABLE[claimed]


def test_a_machine_that_oci_has_no_name_for_suits_none_that_it_has() -> None:
    header = ElfHeader(machine=0xBEEF, bits=64, big_endian=False)
    assert (header.architecture, str(header)) == (None, "ELF 64-bit machine 48879")
    assert not any(header.suits(name) for name in MACHINES)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF",
        b"MZ" + bytes(100),
        b"\0asm" + bytes(100),
        elf("amd64", kind=1),  # an object file
        elf("amd64", kind=4),  # a core dump
        b"\x7fELF\x03" + elf("amd64")[5:],
        b"\x7fELF\x02\x07" + elf("amd64")[6:],
        elf("amd64")[:18] + bytes(2) + elf("amd64")[20:],
    ],
)
def test_what_is_no_program_in_elf_has_no_header(content: bytes) -> None:
    assert read_header(content) is None


def test_a_loader_that_is_named_beyond_what_was_read_is_not_known() -> None:
    whole = elf("arm64", loader="/lib/ld-linux-aarch64.so.1")
    header = read_header(whole[:-5])
    assert header is not None
    assert (header.architecture, header.loader) == ("arm64", None)
