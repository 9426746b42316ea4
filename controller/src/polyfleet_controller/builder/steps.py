"""The step that a running `podman build` is at.

Podman 4.3 that is asked to end does so at once, and leaves the step's container behind, running. If it is the
step that ends, Podman gives up and tidies.
"""

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

# What Podman calls itself where it holds a step's container.
_KEEPER: Final = b"buildah-"


def end_step(podman: int) -> None:
    """Have the step of this process's build, if it is at one, end."""
    for process in _descendants(podman):
        if _program(process).startswith(_KEEPER):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


def _descendants(process: int) -> list[int]:
    """Find a process's children and theirs, by what each says of its parent (proc(5), stat)."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            stat = (place / "stat").read_text(encoding="ascii", errors="replace")
            parents[int(place.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [process]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found[1:]


def _program(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
