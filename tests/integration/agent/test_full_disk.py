"""The agent's files on a disk that is full, and then is not."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.adapters.statefile import DirectoryState
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.ports import StateFailure
from polyfleet_shared.messages import EventKind
from polyfleet_shared.reasons import Reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HAPPENING = Happening(kind=EventKind.STARTED, message="x" * 500)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def fill(disk: Path) -> Path:
    """Take all that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return filler


def refusal(act: Callable[[], object]) -> tuple[Reason, str]:
    with pytest.raises(StateFailure) as caught:
        act()
    return caught.value.reason, caught.value.message


def test_a_document_that_does_not_fit_leaves_the_one_before(disk: Path) -> None:
    directory = disk / "state"
    state = DirectoryState(directory, machine_id="machine")
    state.recover()
    state.save_desired(b"old")
    filler = fill(disk)
    reason, message = refusal(lambda: state.save_desired(b"new" * 10_000))
    assert reason is Reason.DISK_FULL
    assert message == f"{directory}/desired.json: No space left on device"
    filler.unlink()
    state.close()
    again = DirectoryState(directory, machine_id="machine")
    assert again.recover().desired == b"old"
    again.save_desired(b"new" * 10_000)
    again.close()


def test_events_that_do_not_fit_are_told_once_there_is_room(disk: Path) -> None:
    spool = FileSpool(disk / "events", "one", 1)
    first = spool.append(HAPPENING, NOW)
    filler = fill(disk)
    kept = 1
    with contextlib.suppress(StateFailure):
        while True:  # the last page of the file has some room still
            spool.append(HAPPENING, NOW)
            kept += 1
    reason, _ = refusal(lambda: spool.append(HAPPENING, NOW))
    assert reason is Reason.DISK_FULL
    filler.unlink()
    event = spool.append(HAPPENING, NOW)
    assert event.stamp.seq == kept + 1
    pending = spool.pending()
    assert pending[0] == first
    assert pending[-1].message == "2 events were dropped, 2 since this device's history began"
    spool.close()
    again = FileSpool(disk / "events", "one", 2)
    assert again.pending() == pending
    again.close()


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    state = DirectoryState(blocked / "state", machine_id="machine")
    reason, message = refusal(state.recover)
    assert reason is Reason.STATE_UNUSABLE
    assert message == f"{blocked}/state: Not a directory"
