"""However a spool's file is cut or spoiled, what is whole in it survives."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_agent.adapters.spool import FileSpool
from polyfleet_agent.core.happenings import Happening
from polyfleet_shared.messages import Acknowledgement, Event, EventKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Append:
    message: str


@dataclass(frozen=True)
class Acknowledge:
    seq: int


operations = st.lists(
    st.one_of(
        st.builds(Append, st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)),
        st.builds(Acknowledge, st.integers(1, 12)),
    ),
    max_size=12,
)


@dataclass(frozen=True)
class Written:
    """A spool's file after some operations: its size and what was pending after each."""

    content: bytes
    given: int
    states: list[tuple[int, list[Event]]]


def write(path: Path, steps: list[Append | Acknowledge]) -> Written:
    spool = FileSpool(path, "one", 1)
    states = [(path.stat().st_size, list(spool.pending()))]
    given_last = 0
    for step in steps:
        match step:
            case Append(message):
                happening = Happening(kind=EventKind.STARTED, message=message)
                given_last = spool.append(happening, NOW).stamp.seq
            case Acknowledge(seq):
                spool.acknowledge(Acknowledgement(incarnation="one", seq=seq))
        states.append((path.stat().st_size, list(spool.pending())))
    spool.close()
    return Written(content=path.read_bytes(), given=given_last, states=states)


def goes_on(path: Path, pending: list[Event]) -> FileSpool:
    """Whatever it holds, a spool gives the next number, and keeps it over another start."""
    spool = FileSpool(path, "one", 2)
    before = list(spool.pending())
    event = spool.append(Happening(kind=EventKind.EXITED), NOW)
    if pending:
        assert event.stamp.seq == before[-1].stamp.seq + 1
    spool.close()
    again = FileSpool(path, "one", 3)
    assert list(again.pending()) == [*before, event]
    return again


@given(operations, st.data())
def test_a_file_that_ends_anywhere_holds_what_was_whole_by_then(
    steps: list[Append | Acknowledge], data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "events"
        written = write(path, steps)
        end = data.draw(st.integers(0, len(written.content)))
        path.write_bytes(written.content[:end])
        spool = FileSpool(path, "one", 2)
        # The newline at the end of a line may be missing.
        expected = [pending for size, pending in written.states if size - 1 <= end]
        assert list(spool.pending()) == (expected[-1] if expected else [])
        spool.close()
        goes_on(path, expected[-1] if expected else []).close()


@given(operations, st.data())
def test_a_spoiled_byte_costs_one_line_at_most_and_no_number_is_given_twice(
    steps: list[Append | Acknowledge], data: st.DataObject
) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "events"
        written = write(path, steps)
        content = bytearray(written.content)
        places = [place for place, byte in enumerate(content) if byte != ord("\n")]
        place = data.draw(st.sampled_from(places))
        content[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != ord("\n")))
        path.write_bytes(bytes(content))
        spool = FileSpool(path, "one", 2)
        pending = {event.stamp.seq: event for event in spool.pending()}
        assert list(pending) == sorted(pending)
        assert not pending or len(pending) == max(pending) - min(pending) + 1
        lost = [
            event
            for event in written.states[-1][1]
            if pending.get(event.stamp.seq, event).kind is not event.kind
        ]
        assert len(lost) <= 1
        new = spool.append(Happening(kind=EventKind.EXITED), NOW)
        assert new.stamp.seq > written.given
        spool.close()
