"""A terminal of one's own, to see what a program draws on it."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final

_PART: Final = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+")


@dataclass
class Terminal:
    """`file` is what a program writes to; `text` is all that has arrived once the terminal is closed."""

    file: IO[str]
    text: str = ""
    _parts: list[bytes] = field(default_factory=list)

    def read(self, leader: int) -> None:
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while content := os.read(leader, 65536):
                self._parts.append(content)
        self.text = b"".join(self._parts).decode()


@contextlib.contextmanager
def open_terminal(*, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
    """Open a terminal, and close it in the end."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    terminal = Terminal(file=os.fdopen(follower, "w", encoding="utf-8"))
    reader = threading.Thread(target=terminal.read, args=(leader,))
    reader.start()
    try:
        yield terminal
    finally:
        terminal.file.close()
        reader.join()
        os.close(leader)


def read_screen(text: str) -> list[str]:
    """What stands on the screen in the end: of all control sequences, rich's live display needs these."""
    lines, row, column = [""], 0, 0
    for part in _PART.findall(text):
        if part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part == "\r":
            column = 0
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1])
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines]
