"""What a batch costs in statements, whatever its size, and in rows of assignments."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, Engine, event

from controlroom import PLATFORMS, ControlRoom, Voice, digest
from polyfleet_controller.services.ingest import Arrival
from polyfleet_controller.services.pages import PageRequest
from polyfleet_shared.messages import DocumentVersion
from polyfleet_shared.topics import Channel


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the statements of every engine by their first words; an executemany is one."""
    counted: Counter[str] = Counter()

    def count(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        counted[" ".join(statement.split()[:3])] += 1

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield counted
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def fleet(size: int) -> list[Voice]:
    return [Voice(name=f"dev-{n:03}", platform=PLATFORMS[n % 4]) for n in range(size)]


def cost(room: ControlRoom, batch: list[Arrival]) -> Counter[str]:
    with counting() as counted:
        room.receive(*batch)
    return counted


def test_a_batch_costs_the_same_statements_for_ten_devices_and_for_five_hundred(room: ControlRoom) -> None:
    """Everything that can happen in a batch, each for few devices and for many."""
    for number in range(3):
        room.apply(f"w{number}")
    few, many = fleet(10), [replace(voice, name=f"many-{n}", seqs={}) for n, voice in enumerate(fleet(500))]

    def both(make: Callable[[Voice], list[Arrival]]) -> None:
        small, large = (
            cost(room, [arrival for voice in voices for arrival in make(voice)]) for voices in (few, many)
        )
        assert small == large
        assert small.total() < 40

    both(lambda voice: list(voice.introduce()))
    documents = room.deliver_documents()
    for voice in (*few, *many):
        voice.obey(documents[voice.name])
    both(lambda voice: [voice.report()])
    both(lambda voice: [voice.report(workloads=())])
    both(lambda voice: [voice.tell(), voice.tell(), voice.measure(), voice.send(Channel.EVENT, b"?")])
    both(lambda voice: [replace(voice, platform="linux/mips").describe()])
    both(lambda voice: list(voice.reinstall("life-2").introduce()))
    assert room.devices.list(PageRequest(limit=1000)).next_cursor is None


def test_a_new_epoch_costs_the_same_for_all(room: ControlRoom) -> None:
    voices = fleet(100)
    room.enrol(*voices)

    def report_ahead(some: list[Voice], epoch: int) -> Counter[str]:
        seen = DocumentVersion(epoch=epoch, generation=1, digest=digest("forgotten"))
        counted = cost(room, [voice.report(observed=seen) for voice in some])
        room.settle(*voices)
        return counted

    assert report_ahead(voices[:10], 5) == report_ahead(voices, 9)
    assert room.show("dev-050").device.epoch == 10


def test_a_workload_costs_by_kinds_of_devices_and_not_by_devices(room: ControlRoom) -> None:
    room.enrol(*fleet(8))
    with counting() as small:
        room.apply("one")
        room.workloads.delete("default", "one", now=room.now)
    room.enrol(*(replace(voice, name=f"more-{voice.name}", seqs={}) for voice in fleet(200)))
    with counting() as large:
        room.apply("two")
        room.workloads.delete("default", "two", now=room.now)
    assert small == large


def test_a_changed_device_touches_its_own_assignments_only(room: ControlRoom) -> None:
    voices = fleet(20)
    room.enrol(*voices)
    room.apply()
    room.settle(*voices)
    written: list[int] = []

    def note(
        _connection: Connection, _cursor: object, statement: str, parameters: object, *_rest: object
    ) -> None:
        if "assignment" in statement and not statement.startswith("SELECT"):
            written.append(len(parameters) if isinstance(parameters, list) else 1)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        room.receive(voices[3].report(workloads=()), *(voice.report() for voice in voices[4:]))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert written == [1]


def test_a_page_of_workloads_counts_its_devices_in_one_statement(room: ControlRoom) -> None:
    room.enrol(*fleet(8))
    for number in range(20):
        room.apply(f"w{number}")
    with counting() as few:
        room.workloads.list(PageRequest(limit=2))
    with counting() as many:
        room.workloads.list(PageRequest(limit=20))
    assert few == many
