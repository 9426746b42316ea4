"""What a spool does, the one in memory and the one on disk alike."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.core.eventlog import SpoolLimits
from polyfleet_agent.core.happenings import Happening
from polyfleet_agent.ports import EventSpool
from polyfleet_agent.testing import MemoryDisk, MemorySpool
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import dump_json
from polyfleet_shared.messages import Acknowledgement, Event, EventKind, Stamp
from polyfleet_shared.reasons import Reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HAPPENING = Happening(
    kind=EventKind.PULL_FAILED,
    workload="w1",
    release="r1",
    reason=Reason.DISK_FULL,
    message="no space left on device: ü",
    size=7,
    seconds=0.5,
)


class Open(Protocol):
    """Opens the spool as an agent's start does; the agent before it has ended."""

    def __call__(
        self, boot: int = 1, *, incarnation: str = "one", limits: SpoolLimits | None = None
    ) -> EventSpool: ...


@pytest.fixture(params=["memory", "file"])
def open_spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    disk, files = MemoryDisk(), list[FileSpool]()

    def open_spool(
        boot: int = 1, *, incarnation: str = "one", limits: SpoolLimits | None = None
    ) -> EventSpool:
        if request.param == "memory":
            return MemorySpool(disk, incarnation, boot, limits=limits)
        files.append(FileSpool(tmp_path / "events", incarnation, boot, limits=limits))
        return files[-1]

    yield open_spool
    for file in files:
        file.close()


def seqs(spool: EventSpool) -> list[int]:
    return [event.stamp.seq for event in spool.pending()]


def fill(spool: EventSpool, number: int) -> list[Event]:
    return [spool.append(HAPPENING, NOW + timedelta(seconds=count)) for count in range(number)]


def acknowledge(spool: EventSpool, seq: int, *, incarnation: str = "one") -> None:
    spool.acknowledge(Acknowledgement(incarnation=incarnation, seq=seq))


def test_an_event_says_what_happened_and_where_it_stands(open_spool: Open) -> None:
    spool = open_spool(boot=3)
    event = spool.append(HAPPENING, NOW)
    assert event == Event(
        stamp=Stamp(incarnation="one", boot=3, seq=event.stamp.seq),
        after=event.stamp.seq - 1,
        kind=EventKind.PULL_FAILED,
        at=NOW,
        workload="w1",
        release="r1",
        reason=Reason.DISK_FULL,
        message="no space left on device: ü",
        size=7,
        seconds=0.5,
    )
    assert spool.pending() == (event,)


def test_events_are_numbered_without_a_gap_and_kept_in_order(open_spool: Open) -> None:
    spool = open_spool()
    events = fill(spool, 5)
    assert [event.stamp.seq for event in events] == [1, 2, 3, 4, 5]
    assert list(spool.pending()) == events


def test_events_outlive_the_agent(open_spool: Open) -> None:
    events = fill(open_spool(), 3)
    again = open_spool(boot=2)
    assert list(again.pending()) == events
    assert again.append(HAPPENING, NOW).stamp == Stamp(incarnation="one", boot=2, seq=4)


def test_acknowledged_events_are_forgotten_and_the_rest_is_not_waited_for_before_them(
    open_spool: Open,
) -> None:
    spool = open_spool()
    fill(spool, 5)
    acknowledge(spool, 3)
    assert seqs(spool) == [4, 5]
    assert spool.pending()[0].after == 3
    assert spool.append(HAPPENING, NOW).after == 3


@pytest.mark.parametrize("seq", [3, 1, 6, 1000])
def test_an_old_or_impossible_acknowledgement_changes_nothing(open_spool: Open, seq: int) -> None:
    spool = open_spool()
    fill(spool, 5)
    acknowledge(spool, 3)
    before = spool.pending()
    acknowledge(spool, seq)
    assert spool.pending() == before


def test_an_acknowledgement_of_another_incarnation_changes_nothing(open_spool: Open) -> None:
    spool = open_spool()
    events = fill(spool, 2)
    acknowledge(spool, 2, incarnation="two")
    assert list(spool.pending()) == events


def test_numbers_go_on_although_everything_was_acknowledged(open_spool: Open) -> None:
    spool = open_spool()
    fill(spool, 5)
    acknowledge(spool, 5)
    assert spool.pending() == ()
    again = open_spool(boot=2)
    assert again.pending() == ()
    event = again.append(HAPPENING, NOW)
    assert (event.stamp.seq, event.after) == (6, 5)


def test_a_new_incarnation_starts_anew_and_tells_what_nobody_will_hear(open_spool: Open) -> None:
    fill(open_spool(), 4)
    spool = open_spool(incarnation="two")
    assert spool.pending() == ()
    event = spool.append(HAPPENING, NOW)
    assert event.stamp == Stamp(incarnation="two", boot=1, seq=1)
    assert [(item.kind, item.stamp.seq) for item in spool.pending()] == [
        (EventKind.PULL_FAILED, 1),
        (EventKind.EVENTS_DROPPED, 2),
    ]
    assert spool.pending()[1].message == "4 events were dropped, 4 since this device's history began"


@pytest.mark.parametrize(
    "limits",
    [SpoolLimits(events=20), SpoolLimits(bytes=5000)],
    ids=["events", "bytes"],
)
def test_a_full_spool_drops_the_oldest_and_tells_how_many(open_spool: Open, limits: SpoolLimits) -> None:
    spool = open_spool(limits=limits)
    fill(spool, 60)
    pending = spool.pending()
    assert len(pending) <= limits.events
    assert sum(len(dump_json(encode(event))) for event in pending) <= limits.bytes
    numbers = seqs(spool)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert pending[0].after == numbers[0] - 1
    told = [event for event in pending if event.kind is EventKind.EVENTS_DROPPED]
    assert told
    assert told[-1].message.endswith(f"{told[-1].after} since this device's history began")


def test_what_was_dropped_stays_dropped_over_a_restart(open_spool: Open) -> None:
    limits = SpoolLimits(events=10)
    spool = open_spool(limits=limits)
    fill(spool, 40)
    before = spool.pending()
    again = open_spool(boot=2, limits=limits)
    assert again.pending() == before


def test_a_long_life_keeps_counting(open_spool: Open) -> None:
    spool = open_spool()
    (first,) = fill(spool, 1)
    last = first.stamp.seq
    for boot in range(2, 6):
        for _ in range(100):
            last = spool.append(HAPPENING, NOW).stamp.seq
            acknowledge(spool, last - 1)
        assert seqs(spool) == [last]
        spool = open_spool(boot=boot)
    assert (last, seqs(spool)) == (401, [401])
