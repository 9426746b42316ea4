"""The spool's file: a checked line for each thing that happened.

A line is eight hexadecimal digits (the CRC-32 of the rest), a space, and a JSON object with one of the keys
`checkpoint` (where a rewritten file begins), `event`, and `forgotten` (acknowledged or dropped).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.codec import UnknownFields, decode, encode
from polyfleet_shared.json_text import DecodeError, dump_json, parse_json
from polyfleet_shared.messages import Event

_CHECKSUM_LENGTH: Final = 8
_LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`last` is the seq given last, `forgotten` the one up to which no event is kept any more.

    `dropped` counts the events that were never delivered.
    """

    incarnation: str
    last: int
    forgotten: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """As in a checkpoint."""

    incarnation: str
    seq: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A line that is not as it was written; `torn` if the file ends in its middle."""

    torn: bool


Entry = Checkpoint | Event | Forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    checkpoint: Checkpoint | None = None
    event: Event | None = None
    forgotten: Forgotten | None = None


def write_entry(entry: Entry) -> bytes:
    """The line, with its end."""
    text = dump_json(encode(_wrap(entry)))
    return b"%08x %b\n" % (zlib.crc32(text), text)


def read_entries(content: bytes) -> Iterator[Entry | Damaged]:
    """Everything in a file, in order; what cannot be read is told and passed over."""
    *lines, rest = content.split(b"\n")
    for line in lines:
        yield _read_line(line) or Damaged(torn=False)
    if rest:
        # All that is missing may be the line's end.
        yield _read_line(rest) or Damaged(torn=True)


def _wrap(entry: Entry) -> _Line:
    match entry:
        case Checkpoint():
            return _Line(checkpoint=entry)
        case Event():
            return _Line(event=entry)
        case Forgotten():
            return _Line(forgotten=entry)


def _read_line(line: bytes) -> Entry | None:
    checksum, _, text = line.partition(b" ")
    if len(checksum) != _CHECKSUM_LENGTH or checksum != b"%08x" % zlib.crc32(text):
        return None
    try:
        read = decode(_Line, parse_json(text, limit=_LONGEST_LINE), unknown=UnknownFields.IGNORE)
    except DecodeError:
        return None  # of a kind that only a newer agent knows
    return read.checkpoint or read.event or read.forgotten
