"""What ingest remembers from batch to batch changes nothing: one that reads all anew says the same."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlroom import ControlRoom, Voice
from polyfleet_controller.services.ingest import Arrival, Ingest
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import DeviceDetail
from polyfleet_controller.store.database import Database
from polyfleet_shared.messages import DocumentVersion

NAMES = ("dev-1", "dev-2", "dev-3")
AHEAD = DocumentVersion(epoch=3, generation=7, digest="sha256:" + "e" * 64)


def rebuild(voice: Voice) -> Arrival:
    """The device begins a new life; the old one's order is forgotten."""
    number = int(voice.incarnation.removeprefix("life-")) + 1
    voice.incarnation, voice.boot, voice.connection, voice.seqs = f"life-{number}", 1, 0, {}
    return voice.connect()


SAYINGS: tuple[Callable[[Voice], Arrival], ...] = (
    Voice.connect,
    lambda voice: voice.disconnect() if voice.connection else voice.connect(),
    Voice.describe,
    Voice.report,
    Voice.tell,
    Voice.measure,
    rebuild,
    lambda voice: voice.report(observed=AHEAD),
    lambda voice: replace(voice.report(), payload=b'{"version": 1}'),
)
batches = st.lists(st.tuples(st.integers(0, 2), st.integers(0, len(SAYINGS) - 1)), min_size=1, max_size=8)
OPERATORS: tuple[Callable[[ControlRoom], object], ...] = (
    lambda room: room.apply("one", tag="1"),
    lambda room: room.apply("one", tag="2"),
    lambda room: _try_delete(room, "dev-2"),
    lambda room: _try_admit(room, "dev-2"),
)


class Carried(Enum):
    """A step of its own among messages and operators' doings."""

    ON = "on"


Step: TypeAlias = list[tuple[int, int]] | Callable[[ControlRoom], object] | Carried
steps = st.lists(st.one_of(batches, st.sampled_from(OPERATORS), st.just(Carried.ON)), max_size=12)


def _try_delete(room: ControlRoom, name: str) -> None:
    if name in {item.name for item in room.devices.list(PageRequest()).items}:
        room.devices.delete(name, now=room.now)


def _try_admit(room: ControlRoom, name: str) -> None:
    if name in {item.name for item in room.devices.list(PageRequest()).items}:
        room.devices.admit(name, now=room.now)


@dataclass(frozen=True)
class Fleet:
    """A database with three devices that run a workload, and the devices; each example gets copies."""

    path: Path
    voices: tuple[Voice, ...]


@pytest.fixture(scope="module")
def fleet(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    path = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("fleet")))
    database = Database(f"sqlite:///{path}")
    room, voices = ControlRoom(database), tuple(Voice(name=name) for name in NAMES)
    room.enrol(*voices)
    room.apply("one", tag="1")
    room.settle(*voices)
    database.close()
    return Fleet(path=path, voices=voices)


def look(room: ControlRoom) -> Sequence[DeviceDetail]:
    return [room.show(item.name) for item in room.devices.list(PageRequest()).items]


@settings(max_examples=60)
@given(steps=steps)
def test_memory_changes_nothing(fleet: Fleet, steps: list[Step]) -> None:
    with ExitStack() as stack:
        remembering, forgetful = (_open_copy(fleet.path, stack) for _ in range(2))
        voices = deepcopy(fleet.voices)
        for step in steps:
            for room in (remembering, forgetful):
                room.pass_time(seconds=1)
            match step:
                case Carried.ON:
                    _carry_on(remembering, forgetful, voices)
                case list():
                    _receive(remembering, forgetful, [SAYINGS[act](voices[who]) for who, act in step])
                case _:
                    step(remembering)
                    step(forgetful)
            assert look(remembering) == look(forgetful)


def _open_copy(path: Path, stack: ExitStack) -> ControlRoom:
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    database = Database(f"sqlite:///{shutil.copy(path, directory)}")
    stack.callback(database.close)
    return ControlRoom(database)


def _receive(remembering: ControlRoom, forgetful: ControlRoom, arrivals: Sequence[Arrival]) -> None:
    forgetful.ingest = Ingest(forgetful.database)
    outcomes = [room.receive(*arrivals) for room in (remembering, forgetful)]
    assert outcomes[0] == outcomes[1]


def _carry_on(remembering: ControlRoom, forgetful: ControlRoom, voices: Sequence[Voice]) -> None:
    """The devices get their documents, and do what these say, without another word before that."""
    documents = remembering.deliver_documents()
    assert documents == forgetful.deliver_documents()
    heard = [voice for voice in voices if voice.name in documents]
    for voice in heard:
        voice.obey(documents[voice.name])
    if heard:
        _receive(remembering, forgetful, [voice.report() for voice in heard])
