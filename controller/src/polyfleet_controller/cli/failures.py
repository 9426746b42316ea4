"""How a command ends when it cannot do what it was asked."""

import sys
from enum import IntEnum
from typing import Final

from polyfleet_shared.errors import PolyfleetError

_PRINTABLE: Final = "\n\t"


class ExitCode(IntEnum):
    """What scripts can tell apart."""

    DONE = 0
    FAILED = 1
    INPUT = 2


class CommandError(PolyfleetError):
    """The message is shown as it is; it names the next step."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def tell(message: str) -> None:
    """Write a message for a person to stderr."""
    sys.stderr.write(f"{printable(message)}\n")
    sys.stderr.flush()


def printable(text: str) -> str:
    """The text with what could steer a terminal made visible: devices and images write some of it."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _PRINTABLE else letter.encode("unicode_escape").decode()
        for letter in text
    )
