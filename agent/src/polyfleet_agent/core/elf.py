"""What the header of an ELF file says of the machine that it is built for (System V ABI, chapter 4).

Architectures are named as OCI names them: by GOARCH, with those that Go only reserves.
"""

from dataclasses import dataclass
from typing import Final

MAGIC: Final = b"\x7fELF"

_CLASSES: Final = {1: 32, 2: 64}
_ENCODINGS: Final = {1: False, 2: True}
_LITTLE, _BIG = False, True
_PROGRAM_TYPES: Final = frozenset({2, 3})  # executable, and position-independent executable
_INTERPRETER: Final = 3  # PT_INTERP
_LONGEST_PATH: Final = 4096

# e_machine, bits, big-endian
_ARCHITECTURES: Final[dict[tuple[int, int, bool], str]] = {
    (3, 32, _LITTLE): "386",
    (62, 64, _LITTLE): "amd64",
    (62, 32, _LITTLE): "amd64p32",
    (40, 32, _LITTLE): "arm",
    (40, 32, _BIG): "armbe",
    (183, 64, _LITTLE): "arm64",
    (183, 64, _BIG): "arm64be",
    (243, 32, _LITTLE): "riscv",
    (243, 64, _LITTLE): "riscv64",
    (22, 32, _BIG): "s390",
    (22, 64, _BIG): "s390x",
    (20, 32, _BIG): "ppc",
    (21, 64, _BIG): "ppc64",
    (21, 64, _LITTLE): "ppc64le",
    (8, 32, _BIG): "mips",
    (8, 32, _LITTLE): "mipsle",
    (8, 64, _BIG): "mips64",
    (8, 64, _LITTLE): "mips64le",
    (258, 64, _LITTLE): "loong64",
}
_KNOWN: Final = frozenset(_ARCHITECTURES.values())
_MACHINES: Final = {
    3: "80386",
    8: "MIPS",
    20: "PowerPC",
    21: "PowerPC64",
    22: "S/390",
    40: "ARM",
    62: "x86-64",
    183: "AArch64",
    243: "RISC-V",
    258: "LoongArch",
}
# What a 64-bit kernel of the family may well run.
_SMALLER_SIBLINGS: Final = {
    "amd64": frozenset({"386", "amd64p32"}),
    "arm64": frozenset({"arm"}),
    "riscv64": frozenset({"riscv"}),
    "s390x": frozenset({"s390"}),
    "ppc64": frozenset({"ppc"}),
    "mips64": frozenset({"mips"}),
    "mips64le": frozenset({"mipsle"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfHeader:
    """Of a program. `loader` is what the kernel starts in its place (PT_INTERP).

    It is None for a static program, and where it is named further into the file than was read.
    """

    machine: int
    bits: int
    big_endian: bool
    loader: str | None = None

    @property
    def architecture(self) -> str | None:
        """As OCI names it, None if it is none that has a name there."""
        return _ARCHITECTURES.get((self.machine, self.bits, self.big_endian))

    def suits(self, architecture: str) -> bool:
        """Whether an image for this architecture may hold it; true where nothing is known of that."""
        if architecture not in _KNOWN:
            return True
        own = self.architecture
        return own == architecture or own in _SMALLER_SIBLINGS.get(architecture, frozenset())

    def __str__(self) -> str:
        order = " big-endian" if self.big_endian else ""
        return f"ELF {self.bits}-bit{order} {_MACHINES.get(self.machine, f'machine {self.machine}')}"


def read_header(content: bytes) -> ElfHeader | None:
    """Read the beginning of a file; None if it is no program in ELF."""
    if len(content) < 20 or not content.startswith(MAGIC):  # noqa: PLR2004 - up to e_machine
        return None
    bits, big_endian = _CLASSES.get(content[4]), _ENCODINGS.get(content[5])
    if bits is None or big_endian is None:
        return None
    numbers = _Numbers(content=content, big_endian=big_endian)
    machine = numbers.read(18, 2)
    if numbers.read(16, 2) not in _PROGRAM_TYPES or not machine:
        return None
    loader = _read_loader(numbers, bits)
    return ElfHeader(machine=machine, bits=bits, big_endian=big_endian, loader=loader)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbers:
    content: bytes
    big_endian: bool

    def read(self, offset: int, size: int) -> int:
        """Nought beyond the end."""
        return int.from_bytes(self.content[offset : offset + size], "big" if self.big_endian else "little")


def _read_loader(numbers: _Numbers, bits: int) -> str | None:
    wide = bits == 64  # noqa: PLR2004
    table = numbers.read(32, 8) if wide else numbers.read(28, 4)
    entry_size = numbers.read(54 if wide else 42, 2)
    for number in range(numbers.read(56 if wide else 44, 2)):
        entry = table + number * entry_size
        if entry >= len(numbers.content):
            return None
        if numbers.read(entry, 4) == _INTERPRETER:
            start = numbers.read(entry + 8, 8) if wide else numbers.read(entry + 4, 4)
            size = numbers.read(entry + 32, 8) if wide else numbers.read(entry + 16, 4)
            return _read_path(numbers.content, start, size)
    return None


def _read_path(content: bytes, start: int, size: int) -> str | None:
    if size > _LONGEST_PATH or start + size > len(content):
        return None
    path = content[start : start + size].split(b"\0", 1)[0].decode(errors="replace")
    return path if path.startswith("/") else None
