"""Whatever is lost, repeated or delayed: the newest of each channel decides, and each event is kept once."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlroom import ControlRoom, Voice
from polyfleet_controller.services.ingest import Arrival
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import DeviceDetail
from polyfleet_controller.store.database import Database
from polyfleet_shared.messages import Condition, Phase
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import Channel, parse_topic

STATES = (Channel.PRESENCE, Channel.INVENTORY, Channel.REPORTED, Channel.TELEMETRY)


@dataclass(frozen=True)
class Enrolled:
    """A database with a device that runs two workloads, and the device; tests get copies of both."""

    path: Path
    voice: Voice

    @contextmanager
    def copy(self) -> Iterator[tuple[ControlRoom, Voice]]:
        with tempfile.TemporaryDirectory() as directory:
            database = Database(f"sqlite:///{shutil.copy(self.path, directory)}")
            yield ControlRoom(database), deepcopy(self.voice)
            database.close()


@pytest.fixture(scope="module")
def enrolled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Enrolled:
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("enrolled")))
    database = Database(f"sqlite:///{path}")
    room, voice = ControlRoom(database), Voice()
    room.enrol(voice)
    room.apply("one")
    room.apply("two")
    room.settle(voice)
    database.close()
    return Enrolled(path=path, voice=voice)


def reboot(voice: Voice) -> Arrival:
    voice.boot += 1
    voice.connection = 0
    voice.seqs = {Channel.EVENT: voice.seqs.get(Channel.EVENT, 0)}
    return voice.connect()


def relabel(voice: Voice) -> Arrival:
    voice.labels = {"n": str(len(voice.labels.get("n", "")) + 1) * 2}
    return voice.describe()


def fail(voice: Voice) -> Arrival:
    first, *others = voice.workloads
    broken = replace(first, phase=Phase.BACKING_OFF, reason=Reason.CRASH_LOOP, containers=())
    return voice.report(workloads=(broken, *others))


def complain(voice: Voice) -> Arrival:
    return voice.report(conditions=(Condition(reason=Reason.DISK_FULL, message="0 bytes free"),))


ACTS: tuple[Callable[[Voice], Arrival], ...] = (
    Voice.connect,
    Voice.disconnect,
    Voice.describe,
    Voice.report,
    Voice.measure,
    Voice.tell,
    reboot,
    relabel,
    fail,
    complain,
    lambda voice: voice.report(observed=None),
    lambda voice: voice.report(workloads=()),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """What a device does, in which order what of it arrives, and where the batches are cut."""
    acts = draw(st.lists(st.integers(0, len(ACTS) - 1), min_size=1, max_size=15))
    order = draw(st.lists(st.integers(0, len(acts) - 1), min_size=1, max_size=25))
    cuts = draw(st.lists(st.integers(0, len(order)), max_size=3))
    return acts, order, sorted(cuts)


def channel(arrival: Arrival) -> Channel:
    return parse_topic(arrival.topic).channel


def batches(arrivals: Sequence[Arrival], cuts: list[int]) -> list[Sequence[Arrival]]:
    places = [0, *cuts, len(arrivals)]
    return [arrivals[start:end] for start, end in pairwise(places)]


def state(room: ControlRoom) -> DeviceDetail:
    return replace(room.show("dev-1"), events=())


def kept(room: ControlRoom) -> list[int]:
    return sorted(event.seq for event in room.events.list("dev-1", PageRequest()).items)


@given(deliveries())
def test_the_newest_of_each_channel_decides(
    enrolled: Enrolled, delivery: tuple[list[int], list[int], list[int]]
) -> None:
    acts, order, cuts = delivery
    with enrolled.copy() as (room, voice):
        said = [ACTS[act](voice) for act in acts]
        arrived = [said[position] for position in order]
        for batch in batches(arrived, cuts):
            room.receive(*batch)
        outcome = state(room)
        events = kept(room)
    with enrolled.copy() as (room, voice):
        said = [ACTS[act](voice) for act in acts]
        newest = {channel(said[position]): said[position] for position in sorted(order)}
        room.receive(*(newest[item] for item in STATES if item in newest))
        assert outcome == state(room)
    told = sorted({position for position in order if channel(said[position]) is Channel.EVENT})
    places = [position for position in range(len(said)) if channel(said[position]) is Channel.EVENT]
    assert events == [places.index(position) + 1 for position in told]


@given(deliveries())
def test_no_event_is_acknowledged_that_is_not_kept_and_a_resend_completes_them(
    enrolled: Enrolled, delivery: tuple[list[int], list[int], list[int]]
) -> None:
    acts, order, cuts = delivery
    with enrolled.copy() as (room, voice):
        told = [voice.tell() for _ in acts]
        for batch in batches([told[position] for position in order], cuts):
            for _, acknowledgement in room.receive(*batch).acknowledgements:
                assert kept(room)[: acknowledgement.seq] == list(range(1, acknowledgement.seq + 1))
        (final,) = room.receive(*told).acknowledgements
        assert final[1].seq == len(told)
        assert kept(room) == list(range(1, len(told) + 1))
