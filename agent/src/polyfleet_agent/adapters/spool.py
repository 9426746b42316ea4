"""Events on disk, from what happened until the controller has committed it."""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, assert_never

from polyfleet_agent.adapters.durable import state_failure, sync_directory, write_file
from polyfleet_agent.adapters.journal import Checkpoint, Damaged, Entry, Forgotten, read_entries, write_entry
from polyfleet_agent.core.eventlog import EventLog, SpoolLimits
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.ports import StateFailure
from polyfleet_shared.messages import Acknowledgement, Event, EventKind, Stamp

_LOG: Final = logging.getLogger(__name__)

# A file is rewritten when it holds more than twice what is needed, and so much besides.
_SLACK_BYTES: Final = 64 * 1024
# Where a lost file's numbers are not known: no boot gives so many, so this boot's are new.
_SEQS_PER_BOOT: Final = 1_000_000


class FileSpool:
    """An append-only journal, synced with every event, rewritten now and then. Used by one thread."""

    def __init__(self, path: Path, incarnation: str, boot: int, *, limits: SpoolLimits | None = None) -> None:
        """Open the journal, or begin one.

        Raises:
            StateFailure: it cannot be read or written.
        """
        self._path = path
        self._log = EventLog(incarnation, boot, limits or SpoolLimits())
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            sync_directory(path.parent)
            content = path.read_bytes()
            # What a crash left half written would spoil the next line.
            self._size = content.rfind(b"\n") + 1
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            raise state_failure(path, error) from error
        whole = self._load(content)
        if not whole or len(content) != self._size:
            self._begin_anew()

    def append(self, happening: Happening, at: datetime) -> Event:
        event = self._log.draw(happening, at)
        try:
            self._write(event)
        except StateFailure:
            self._log.count_drops(1)
            raise
        self._log.keep(event)
        if self._log.trim() or self._log.untold:
            self._tell_drops(at)
        self._tidy()
        return event

    def pending(self) -> tuple[Event, ...]:
        return self._log.pending()

    def acknowledge(self, acknowledgement: Acknowledgement) -> None:
        if acknowledgement.incarnation != self._log.incarnation or not self._log.forget(acknowledgement.seq):
            return
        with contextlib.suppress(StateFailure):  # then the controller sees the events twice, and knows them
            self._write(self._forgotten(), sync=False)
        self._tidy()

    def close(self) -> None:
        """Close the file; the end of the process does the same."""
        os.close(self._descriptor)

    # -- reading

    def _load(self, content: bytes) -> bool:
        """Take what the file holds; say whether it can be continued as it is."""
        reader = _Reader(self._log)
        for entry in read_entries(content):
            reader.take(entry)
        reader.finish()
        if reader.damaged:
            _LOG.warning("%s: %d lines were damaged; the events in them are lost", self._path, reader.damaged)
        return reader.whole

    # -- writing

    def _write(self, entry: Entry, *, sync: bool = True) -> None:
        """Append a line, wholly or not at all."""
        line = memoryview(write_entry(entry))
        size = len(line)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            if sync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            # What was half written would spoil the next line.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            raise state_failure(self._path, error) from error
        self._size += size

    def _tell_drops(self, at: datetime) -> None:
        event = self._log.draw_drops(at)
        try:
            self._write(self._forgotten(), sync=False)
            self._write(event)
        except StateFailure:
            return  # told with the next event that the disk takes
        self._log.keep(event)
        self._log.untold = 0

    def _forgotten(self) -> Forgotten:
        return Forgotten(
            incarnation=self._log.incarnation, seq=self._log.forgotten, dropped=self._log.dropped
        )

    def _tidy(self) -> None:
        if self._size > 2 * self._log.bytes + _SLACK_BYTES:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Write the file as short as it can be; a disk that refuses keeps the long one."""
        try:
            self._rewrite()
        except OSError as error:
            _LOG.debug("%s is not rewritten: %s", self._path, error)

    def _rewrite(self) -> None:
        content = b"".join(write_entry(entry) for entry in self._entries())
        write_file(self._path, content)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(content)

    def _entries(self) -> Iterator[Entry]:
        log = self._log
        yield Checkpoint(
            incarnation=log.incarnation, last=log.last, forgotten=log.forgotten, dropped=log.dropped
        )
        yield from log.pending()


class _Reader:
    """Puts a file's entries into a log, and stands in for what was lost.

    The controller acknowledges events without a gap, so a lost one is replaced by one that says so.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._anchored = False  # whether the file tells which numbers were given
        self._floor = 0  # at least this one was
        self._foreign = 0
        self._unaccounted = 0
        self.damaged = 0

    @property
    def whole(self) -> bool:
        return self._anchored and not self.damaged and not self._foreign

    def take(self, entry: Entry | Damaged) -> None:
        match entry:
            case Damaged():
                if not entry.torn:  # what is torn was never given to anybody
                    self.damaged += 1
                    self._unaccounted += 1
            case Event():
                if entry.stamp.incarnation == self._log.incarnation:
                    self._take_event(entry)
                else:
                    self._foreign += 1  # nobody will acknowledge it any more
            case Checkpoint() | Forgotten():
                if entry.incarnation == self._log.incarnation:
                    self._take_position(entry)
            case _:
                assert_never(entry)

    def finish(self) -> None:
        log = self._log
        log.count_drops(self._foreign)
        if not self._anchored:
            first = log.boot * _SEQS_PER_BOOT if log.boot > 1 else 0
            log.last = log.forgotten = first
            return
        given = max(self._floor, log.last + self._unaccounted)
        pending = log.pending()
        if pending:
            self._stand_in(given + 1, at=pending[-1].at)
        else:
            log.last = log.forgotten = given

    def _take_position(self, entry: Checkpoint | Forgotten) -> None:
        log = self._log
        log.dropped = entry.dropped
        if isinstance(entry, Forgotten):
            log.forget(entry.seq)
        else:
            self._anchored = True
            log.last = log.forgotten = entry.forgotten
            self._floor = entry.last

    def _take_event(self, event: Event) -> None:
        log, seq = self._log, event.stamp.seq
        if not self._anchored:
            self._anchored = True
            log.last = log.forgotten = seq - 1
        if seq > log.last:
            self._stand_in(seq, at=event.at)
            log.keep(event)
            self._unaccounted = 0

    def _stand_in(self, end: int, *, at: datetime) -> None:
        """For every number that is missing before `end`."""
        for seq in range(self._log.last + 1, end):
            self._log.keep(
                Event(
                    stamp=Stamp(incarnation=self._log.incarnation, boot=self._log.boot, seq=seq),
                    kind=EventKind.EVENTS_DROPPED,
                    at=at,
                    message="an event was lost: its line in the device's journal was damaged",
                )
            )
