"""ELF headers, made up: the beginnings of programs for any machine (System V ABI, chapter 4)."""

from typing import Final

MACHINES: Final = {
    "386": (3, 32, "little"),
    "amd64": (62, 64, "little"),
    "arm": (40, 32, "little"),
    "armbe": (40, 32, "big"),
    "arm64": (183, 64, "little"),
    "arm64be": (183, 64, "big"),
    "riscv": (243, 32, "little"),
    "riscv64": (243, 64, "little"),
    "s390": (22, 32, "big"),
    "s390x": (22, 64, "big"),
    "ppc64": (21, 64, "big"),
    "ppc64le": (21, 64, "little"),
    "mips": (8, 32, "big"),
    "mipsle": (8, 32, "little"),
    "mips64": (8, 64, "big"),
    "mips64le": (8, 64, "little"),
    "loong64": (258, 64, "little"),
}


def elf(architecture: str, *, loader: str | None = None, kind: int = 2) -> bytes:
    """The head of a program for this architecture; `kind` is e_type."""
    machine, bits, order = MACHINES[architecture]
    wide, big = bits == 64, order == "big"

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "big" if big else "little")

    word = 8 if wide else 4
    header_size, entry_size = (64, 56) if wide else (52, 32)
    name = b"" if loader is None else loader.encode() + b"\0"
    name_at = header_size + 2 * entry_size
    identity = b"\x7fELF" + bytes([2 if wide else 1, 2 if big else 1, 1]) + bytes(9)
    header = (
        identity
        + number(kind, 2)
        + number(machine, 2)
        + number(1, 4)
        + number(0x1000, word)
        + number(header_size, word)
        + number(0, word)
        + number(0, 4)
        + b"".join(
            number(value, 2) for value in (header_size, entry_size, 0 if loader is None else 2, 0, 0, 0)
        )
    )
    placed = [(1, 0, 0), (3, name_at, len(name))] if loader is not None else []
    entries = b"".join(
        number(kind_of, 4)
        + (number(0, 4) if wide else b"")
        + number(at, word)
        + number(0, word) * 2
        + number(size, word) * 2
        + (b"" if wide else number(0, 4))
        + number(0, word)
        for kind_of, at, size in placed
    )
    return header + entries + name
