"""What a machine says of itself."""

from dataclasses import dataclass
from typing import Final

_WORD_64: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A file of binfmt_misc: its name, and the registration in it."""

    name: str
    registration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """In the words of its files, so that any machine can be replayed; empty where it says nothing.

    `machine` is what `uname -m` says, `bits` the word size of the userland (32 or 64), `cpuinfo` and
    `command_line` are files of /proc, `abi` the names in /proc/sys/abi, `kernel_config` the options that the
    kernel was built with, as in /boot/config-*, and `handlers` what stands in /proc/sys/fs/binfmt_misc.
    """

    machine: str
    bits: int
    cpuinfo: str = ""
    abi: frozenset[str] = frozenset()
    command_line: str = ""
    kernel_config: str = ""
    handlers: tuple[Handler, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Whether the userland has 64 bits. It decides, since all that is installed is built for it."""
        return self.bits >= _WORD_64


def is_built_in(facts: MachineFacts, option: str) -> bool:
    """Whether the kernel's configuration is known and has this option, `CONFIG_…`, switched on."""
    return f"{option}=y" in facts.kernel_config.splitlines()
