"""Files that survive power loss: written whole or not at all, and checked when they are read."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Final

from polyfleet_agent.ports import StateFailure
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.reasons import Reason

_TORN_INFIX: Final = ".torn-"
_TEMPORARY_SUFFIX: Final = ".tmp"
_KEPT_TORN: Final = 3
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_MAGIC: Final = b"polyfleet-state 1"


class TornFileError(PolyfleetError):
    """A file whose content is not what was written; the text says in which way."""


def state_failure(path: Path, error: OSError) -> StateFailure:
    """Wrap an error of the operating system; names the path."""
    reason = Reason.DISK_FULL if error.errno in _FULL else Reason.STATE_UNUSABLE
    return StateFailure(reason, f"{path}: {error.strerror or error}")


def write_file(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Replace the file: write beside it, fsync, rename, fsync the directory.

    What the file was before is then at `keep`. A crash between the two renames leaves it there alone.

    Raises:
        OSError: it could not be written; what there was is still there.
    """
    temporary = path.with_name(path.name + _TEMPORARY_SUFFIX)
    try:
        _write_synced(temporary, content)
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and new names in it last."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def seal_content(payload: bytes) -> bytes:
    """A payload with a line above it that tells whether it is whole."""
    return b"%b %b\n%b" % (_MAGIC, hashlib.sha256(payload).hexdigest().encode(), payload)


def read_sealed(path: Path) -> bytes | None:
    """The payload of a file written from `seal_content`; None if there is no file.

    Raises:
        TornFileError: the file is not whole.
        OSError: it could not be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    header, newline, payload = content.partition(b"\n")
    if not newline or not header.startswith(_MAGIC + b" "):
        raise TornFileError("it does not begin as it was written")
    if header.removeprefix(_MAGIC + b" ") != hashlib.sha256(payload).hexdigest().encode():
        raise TornFileError("its content does not match its checksum")
    return payload


def set_aside(path: Path) -> Path:
    """Rename a torn file so that a person can look at it; the newest few are kept. Gives its new name.

    Raises:
        OSError: it could not be.
    """
    torn = sorted(
        (int(suffix), found)
        for found in path.parent.glob(f"{path.name}{_TORN_INFIX}*")
        if (suffix := found.name.rpartition("-")[2]).isdecimal()
    )
    number = torn[-1][0] + 1 if torn else 1
    for _, oldest in torn[: max(0, len(torn) - _KEPT_TORN + 1)]:
        oldest.unlink()
    target = path.with_name(f"{path.name}{_TORN_INFIX}{number}")
    path.replace(target)
    return target


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
