"""Foreign programs that the kernel hands to an interpreter such as QEMU (admin-guide/binfmt-misc)."""

from dataclasses import dataclass
from typing import Final, Literal

from polyfleet_agent.core.platforms.entries import list_below, make_entry, make_platform
from polyfleet_agent.core.platforms.facts import Handler
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

_MACHINE_OFFSET: Final = 18
_CLASSES: Final = {32: 1, 64: 2}
_EXECUTABLE: Final = 2
_EXACT: Final = b"\xff\xff"


def _make_header(bits: Literal[32, 64], order: Literal["little", "big"], machine: int) -> bytes:
    """The first 20 bytes of a program: e_ident, e_type and e_machine (elf(5))."""
    ident = bytes((0x7F, 0x45, 0x4C, 0x46, _CLASSES[bits], 1 if order == "little" else 2, 1))
    return ident.ljust(16, b"\0") + _EXECUTABLE.to_bytes(2, order) + machine.to_bytes(2, order)


_PROGRAMS: Final[dict[str, bytes]] = {
    "amd64": _make_header(64, "little", 62),
    "386": _make_header(32, "little", 3),
    "arm64": _make_header(64, "little", 183),
    "arm": _make_header(32, "little", 40),
    "riscv64": _make_header(64, "little", 243),
    "ppc64le": _make_header(64, "little", 21),
    "s390x": _make_header(64, "big", 22),
    "loong64": _make_header(64, "little", 258),
    "mips64le": _make_header(64, "little", 8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """A program is the handler's if its first bytes, as far as the mask says, are the magic's."""

    magic: bytes
    mask: bytes

    def fits(self, program: bytes) -> bool:
        return all(
            (byte ^ wanted) & mask == 0
            for byte, wanted, mask in zip(program, self.magic, self.mask, strict=False)
        )

    @property
    def tells_machines_apart(self) -> bool:
        return self.mask[_MACHINE_OFFSET : _MACHINE_OFFSET + 2] == _EXACT


def list_emulated(handlers: tuple[Handler, ...]) -> tuple[RunnablePlatform, ...]:
    """What containers can run through these handlers; of an architecture its baseline, of arm v7 to v5."""
    entries: dict[Platform, RunnablePlatform] = {}
    patterns = [(handler, _read_pattern(handler.registration)) for handler in handlers]
    for architecture, program in _PROGRAMS.items():
        for handler, pattern in patterns:
            if pattern is not None and pattern.tells_machines_apart and pattern.fits(program):
                baseline = make_platform(architecture)
                for platform in (baseline, *list_below(baseline)):
                    found = f"binfmt_misc handler {handler.name}"
                    entries.setdefault(platform, make_entry(platform, Fit.EMULATED, found))
    return tuple(entries.values())


def _read_pattern(registration: str) -> _Pattern | None:
    """None of a handler that is off, goes by a file's name, or does not reach into containers.

    Flag F: the kernel opened the interpreter when it was registered, so a container need not have it.
    """
    lines = registration.splitlines()
    fields = {line.partition(" ")[0].rstrip(":"): line.partition(" ")[2] for line in lines}
    if lines[:1] != ["enabled"] or "F" not in fields.get("flags", "") or fields.get("offset") != "0":
        return None
    magic = _read_bytes(fields.get("magic", ""))
    mask = _read_bytes(fields["mask"]) if "mask" in fields else b"\xff" * len(magic)
    return _Pattern(magic=magic, mask=mask) if len(mask) == len(magic) else None


def _read_bytes(digits: str) -> bytes:
    """Nothing of what is no hexadecimal."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""
