"""What a state directory does, the one in memory and the one on disk alike."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from polyfleet_agent.adapters.statefile import DirectoryState
from polyfleet_agent.ports import Recovered, StateFailure, StateStore
from polyfleet_agent.testing import MemoryDisk, MemoryState
from polyfleet_shared.names import is_name
from polyfleet_shared.reasons import Reason


class Closable(StateStore, Protocol):
    """A state store that gives its directory up."""

    def close(self) -> None: ...


class StateWorld(Protocol):
    """A disk that outlives agents."""

    def open(self, machine_id: str = "machine") -> Closable: ...

    def tear_identity(self) -> None: ...

    def tear_desired(self) -> None: ...

    def tear_records(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self._disk = MemoryDisk()

    def open(self, machine_id: str = "machine") -> Closable:
        return MemoryState(self._disk, machine_id=machine_id)

    def tear_identity(self) -> None:
        self._disk.tear_identity()

    def tear_desired(self) -> None:
        self._disk.tear_desired()

    def tear_records(self) -> None:
        self._disk.tear_records()


class DirectoryWorld:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, machine_id: str = "machine") -> Closable:
        return DirectoryState(self._path, machine_id=machine_id)

    def tear_identity(self) -> None:
        self._tear("identity.json")

    def tear_desired(self) -> None:
        for path in self._path.glob("desired.json*"):
            self._tear(path.name)

    def tear_records(self) -> None:
        for path in self._path.glob("releases.json*"):
            self._tear(path.name)

    def _tear(self, name: str) -> None:
        path = self._path / name
        os.truncate(path, path.stat().st_size // 2)


@pytest.fixture(params=["memory", "directory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> StateWorld:
    return MemoryWorld() if request.param == "memory" else DirectoryWorld(tmp_path / "a" / "state")


@pytest.fixture
def start(world: StateWorld) -> Iterator[Callable[..., tuple[Closable, Recovered]]]:
    """Start an agent on the disk; the one before has ended."""
    running: list[Closable] = []

    def start(machine_id: str = "machine") -> tuple[Closable, Recovered]:
        for state in running:
            state.close()
        state = world.open(machine_id)
        running.append(state)
        return state, state.recover()

    yield start
    for state in running:
        state.close()


Start = Callable[..., tuple[Closable, Recovered]]


def test_the_first_start_makes_an_identity_without_a_word(start: Start) -> None:
    _, recovered = start()
    assert is_name(recovered.identity.incarnation)
    assert (recovered.identity.boot, recovered.desired, recovered.notices) == (1, None, ())


def test_every_start_is_counted_in_one_incarnation(start: Start) -> None:
    identities = [start()[1].identity for _ in range(3)]
    assert [identity.boot for identity in identities] == [1, 2, 3]
    assert len({identity.incarnation for identity in identities}) == 1


def test_the_document_that_was_saved_last_is_there_at_the_next_start(start: Start) -> None:
    state, _ = start()
    state.save_desired(b"old")
    state.save_desired(b"new")
    assert start()[1].desired == b"new"


def test_what_is_remembered_of_releases_is_there_at_the_next_start(start: Start) -> None:
    state, recovered = start()
    assert recovered.records is None
    state.save_desired(b"document")
    state.save_records(b"old")
    state.save_records(b"new")
    _, recovered = start()
    assert (recovered.desired, recovered.records) == (b"document", b"new")


def test_a_torn_memory_is_set_aside_and_leaves_the_document_alone(world: StateWorld, start: Start) -> None:
    state, _ = start()
    state.save_desired(b"document")
    state.save_records(b"old")
    state.save_records(b"new")
    world.tear_records()
    _, recovered = start()
    assert (recovered.desired, recovered.records) == (b"document", None)
    assert any("releases.json was torn" in notice for notice in recovered.notices)
    assert start()[1].notices == ()


def test_a_torn_document_is_set_aside_with_a_notice(world: StateWorld, start: Start) -> None:
    state, before = start()
    state.save_desired(b"old")
    state.save_desired(b"new")
    world.tear_desired()
    _, recovered = start()
    assert recovered.desired is None
    assert recovered.identity.incarnation == before.identity.incarnation
    assert any("desired.json was torn" in notice for notice in recovered.notices)
    assert start()[1].notices == ()


def test_a_torn_identity_begins_a_new_history_and_keeps_what_runs(world: StateWorld, start: Start) -> None:
    state, before = start()
    state.save_desired(b"document")
    world.tear_identity()
    _, recovered = start()
    assert recovered.identity.incarnation != before.identity.incarnation
    assert (recovered.identity.boot, recovered.desired) == (1, b"document")
    assert any("identity.json was torn" in notice for notice in recovered.notices)
    assert start()[1].identity.incarnation == recovered.identity.incarnation


def test_a_copy_on_another_machine_is_another_device_that_runs_the_same(start: Start) -> None:
    state, before = start("one")
    state.save_desired(b"document")
    _, recovered = start("two")
    assert recovered.identity.incarnation != before.identity.incarnation
    assert (recovered.identity.boot, recovered.desired) == (1, b"document")
    assert any("copied from another machine" in notice for notice in recovered.notices)
    assert start("two")[1].identity.boot == 2


def test_a_machine_that_does_not_know_its_id_stays_the_device_it_was(start: Start) -> None:
    _, before = start("one")
    assert start("")[1].identity.incarnation == before.identity.incarnation
    assert start("one")[1].identity.incarnation == before.identity.incarnation


def test_two_agents_never_share_a_directory(world: StateWorld, start: Start) -> None:
    state, before = start()
    with pytest.raises(StateFailure, match="in use by another agent") as caught:
        world.open().recover()
    assert caught.value.reason is Reason.STATE_UNUSABLE
    state.save_desired(b"document")
    _, after = start()
    assert (after.desired, after.identity.boot) == (b"document", before.identity.boot + 1)
