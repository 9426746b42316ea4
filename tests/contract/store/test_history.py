"""No event is lost, none is kept twice, and none is acknowledged before it is kept."""

from controlroom import START, ControlRoom, Voice
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import EventView
from polyfleet_shared.messages import Acknowledgement, EventKind
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel


def acknowledged(seq: int, *, life: str = "life-1") -> tuple[tuple[str, Acknowledgement], ...]:
    return (("dev-1", Acknowledgement(incarnation=life, seq=seq)),)


def seqs(room: ControlRoom) -> list[int]:
    return [event.seq for event in room.events.list("dev-1", PageRequest(limit=1000)).items]


def test_an_event_is_kept_as_it_came(room: ControlRoom) -> None:
    voice = Voice()
    room.pass_time(seconds=3)
    told = voice.tell(
        EventKind.PULL_FAILED,
        workload="w1",
        release="hello-1",
        reason=Reason.IMAGE_NOT_FOUND,
        message="no such tag",
        size=2**40,
        seconds=1.5,
    )
    assert room.receive(told).acknowledgements == acknowledged(1)
    assert room.show(voice).events == (
        EventView(
            device="dev-1",
            seq=1,
            kind="pull_failed",
            at=START,
            received_at=room.now,
            workload="w1",
            release="hello-1",
            reason=Reason.IMAGE_NOT_FOUND,
            message="no such tag",
            size=2**40,
            seconds=1.5,
        ),
    )


def test_a_repeated_event_is_kept_once_and_acknowledged_again(room: ControlRoom) -> None:
    voice = Voice()
    first, second = voice.tell(), voice.tell()
    assert room.receive(first, second, first).acknowledgements == acknowledged(2)
    assert room.receive(first).acknowledgements == acknowledged(2)
    assert seqs(room) == [2, 1]


def test_nothing_behind_a_gap_is_acknowledged_until_it_is_filled(room: ControlRoom) -> None:
    voice = Voice()
    first, lost, third, fourth = (voice.tell() for _ in range(4))
    assert room.receive(first, third).acknowledgements == acknowledged(1)
    assert room.receive(fourth).acknowledgements == acknowledged(1)
    assert room.receive(lost).acknowledgements == acknowledged(4)
    assert sorted(seqs(room)) == [1, 2, 3, 4]


def test_events_before_the_first_that_is_here_are_not_acknowledged(room: ControlRoom) -> None:
    voice = Voice()
    first, second = voice.tell(), voice.tell()
    assert room.receive(second).acknowledgements == ()
    assert room.receive(first).acknowledgements == acknowledged(2)


def test_what_the_device_keeps_no_more_is_not_waited_for(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(voice.tell())
    for _ in range(5):
        voice.tell()
    assert room.receive(voice.tell(after=6)).acknowledgements == acknowledged(7)
    assert room.receive(voice.tell(after=100)).acknowledgements == acknowledged(8)


def test_an_event_that_cannot_be_read_is_noted_and_blocks_nothing(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(voice.tell())
    stamp = voice.stamp(Channel.EVENT)
    bad = b'{"version":1,"kind":"sung","stamp":{"incarnation":"life-1","boot":1,"seq":%d}}' % stamp.seq
    outcome = room.receive(voice.send(Channel.EVENT, bad), voice.tell())
    assert outcome.acknowledgements == acknowledged(3)
    assert len(outcome.refusals) == 1
    refused = next(event for event in room.show(voice).events if event.seq == 2)
    assert (refused.kind, refused.message) == ("refused", outcome.refusals[0].message)


def test_the_newest_thousand_events_of_each_device_are_kept(room: ControlRoom) -> None:
    noisy, quiet = Voice(), Voice(name="dev-2")
    room.receive(quiet.tell())
    for _ in range(3):
        room.receive(*(noisy.tell() for _ in range(400)))
    assert seqs(room) == list(range(1200, 200, -1))
    assert room.events.list("dev-1", PageRequest(limit=1000)).next_cursor is None
    assert len(room.events.list("dev-2", PageRequest()).items) == 1
    assert room.receive(noisy.tell()).acknowledgements == acknowledged(1201)


def test_each_life_is_acknowledged_for_itself(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(voice.tell(), voice.tell())
    rebuilt = voice.reinstall("life-2")
    assert room.receive(rebuilt.tell()).acknowledgements == acknowledged(1, life="life-2")
    assert seqs(room) == [1, 2, 1]


def test_a_history_is_read_page_by_page_while_it_grows(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(*(voice.tell() for _ in range(5)))
    first = room.events.list("dev-1", PageRequest(limit=2))
    room.receive(voice.tell())
    second = room.events.list("dev-1", PageRequest(limit=2, cursor=first.next_cursor))
    third = room.events.list("dev-1", PageRequest(limit=2, cursor=second.next_cursor))
    pages = [[event.seq for event in page.items] for page in (first, second, third)]
    assert (pages, third.next_cursor) == ([[5, 4], [3, 2], [1]], None)
