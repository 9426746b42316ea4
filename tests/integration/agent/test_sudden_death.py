"""An agent's disk after kill -9 in the middle of its writes."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.adapters.statefile import DirectoryState

# Each prints a number once what it stands for has been written.
SAVE_DOCUMENTS = """
import itertools, pathlib, sys
from polyfleet_agent.adapters.statefile import DirectoryState
state = DirectoryState(pathlib.Path(sys.argv[1]), machine_id="machine")
state.recover()
for number in itertools.count(1):
    state.save_desired(b"%d " % number * 5000)
    print(number, flush=True)
"""
APPEND_EVENTS = """
import datetime, itertools, pathlib, sys
from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.core.eventlog import SpoolLimits
from polyfleet_agent.core.happenings import Happening
from polyfleet_shared.messages import Acknowledgement, EventKind
spool = FileSpool(pathlib.Path(sys.argv[1]) / "events", "one", int(sys.argv[2]))
happening = Happening(kind=EventKind.STARTED, message="x" * 400)
for count in itertools.count(1):
    event = spool.append(happening, datetime.datetime.now(tz=datetime.UTC))
    if count % 40 == 0:  # so that the file is rewritten now and then
        spool.acknowledge(Acknowledgement(incarnation="one", seq=event.stamp.seq - 20))
    print(event.stamp.seq, flush=True)
"""


@contextmanager
def writer(program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def let_die(program: str, *arguments: str, after: int) -> int:
    """Run the program until it has told of so many writes, kill it, and give the last number it told."""
    with writer(program, *arguments) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(after)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
        return told[-1]


@pytest.mark.parametrize("after", [1, 2, 5, 17, 50])
def test_the_document_that_was_saved_last_survives(tmp_path: Path, after: int) -> None:
    last = let_die(SAVE_DOCUMENTS, str(tmp_path), after=after)
    state = DirectoryState(tmp_path, machine_id="machine")
    try:
        recovered = state.recover()
    finally:
        state.close()
    # The next one may have been written, and not told of.
    assert recovered.desired in {b"%d " % number * 5000 for number in (last, last + 1)}
    assert (recovered.identity.boot, recovered.notices) == (2, ())


def test_no_event_that_was_kept_is_lost_and_no_number_is_given_twice(tmp_path: Path) -> None:
    last = 0
    for boot, after in enumerate((1, 3, 120, 47, 300), start=1):
        told = let_die(APPEND_EVENTS, str(tmp_path), str(boot), after=after)
        assert told >= last + after
        last = told
    spool = FileSpool(tmp_path / "events", "one", 9)
    numbers = [event.stamp.seq for event in spool.pending()]
    spool.close()
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[-1] in (last, last + 1)
    assert len(numbers) >= 20
