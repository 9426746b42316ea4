"""What a device finds out about an image is kept, and shown wherever the same child is meant to run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event

from controlroom import START, ControlRoom, Voice, digest, index
from polyfleet_controller.domain.image_failures import ImageFailure
from polyfleet_controller.services.views import Standing
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.image_failures import KEPT, load_image_failures, save_image_failures
from polyfleet_shared.messages import Phase
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

V2 = "linux/amd64/v2"
CHILD = digest("1 linux/amd64")
FOUND = ImageFailure(
    child=CHILD,
    platform=Platform.parse(V2),
    reason=Reason.ILLEGAL_INSTRUCTION,
    message="ended with exit code 132",
    device="edge-7",
    workload="w",
    seen_at=START,
)


def old_machine(name: str = "edge-7") -> Voice:
    return Voice(name=name, platform=V2, platforms=(V2, "linux/amd64"))


def fail(voice: Voice, reason: Reason = Reason.ILLEGAL_INSTRUCTION) -> None:
    """From now on the device reports that its workloads do not run, and why."""
    voice.workloads = tuple(
        replace(
            report,
            phase=Phase.BACKING_OFF,
            reason=reason,
            message="ended with exit code 132",
            containers=tuple(replace(item, running=False, exit_code=132) for item in report.containers),
        )
        for report in voice.workloads
    )


def known(room: ControlRoom, child: str = CHILD) -> tuple[ImageFailure, ...]:
    with room.database.read() as connection:
        return load_image_failures(connection, [child])


def run_and_fail(room: ControlRoom, voice: Voice, **changes: Reason) -> ImageFailure:
    """The device runs the workload, and fails in it; give what is to be known of that."""
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    fail(voice, **changes)
    room.pass_time(minutes=1)
    room.receive(voice.report())
    return replace(FOUND, workload=room.workload().workload.uid, seen_at=room.now)


def test_a_failure_is_known_with_the_device_and_shown_with_the_release(room: ControlRoom) -> None:
    expected = run_and_fail(room, old_machine())
    assert (known(room), room.workload().failures) == ((expected,), (expected,))


def test_the_same_child_is_known_in_another_workload_and_after_the_first_is_gone(room: ControlRoom) -> None:
    expected = run_and_fail(room, old_machine())
    room.workloads.delete("default", "hello", now=room.now)
    room.devices.delete("edge-7", now=room.now)
    room.apply("again")
    assert room.workload("again").failures == (expected,)


def test_another_image_has_no_such_failure(room: ControlRoom) -> None:
    run_and_fail(room, old_machine())
    room.apply("other", tag="2")
    assert room.workload("other").failures == ()


def test_that_a_device_runs_it_takes_back_nothing(room: ControlRoom) -> None:
    """Neither another device, nor the same one until it comes to the same instruction again."""
    voice = old_machine()
    expected = run_and_fail(room, voice)
    other = old_machine("edge-8")
    room.enrol(other)
    voice.workloads = other.workloads
    room.receive(voice.report())
    assert {item.standing for item in room.workload().placements} == {Standing.RUNNING}
    assert known(room) == (expected,)


def test_of_several_devices_that_fail_alike_the_newest_is_named(room: ControlRoom) -> None:
    first = run_and_fail(room, old_machine())
    other = old_machine("edge-8")
    room.enrol(other)
    fail(other)
    room.pass_time(minutes=1)
    room.receive(other.report())
    assert known(room) == (replace(first, device="edge-8", seen_at=room.now),)


def test_a_failure_of_another_kind_is_not_the_images(room: ControlRoom) -> None:
    run_and_fail(room, old_machine(), reason=Reason.OOM_KILLED)
    assert known(room) == ()


def test_a_device_that_works_by_an_older_document_speaks_of_what_it_had_then(room: ControlRoom) -> None:
    """The release is the same, but this machine was given another child of it since."""
    room.shelf.answers["1"] = index("1", "linux/amd64", V2)
    voice = Voice(name="edge-7", platform=V2, platforms=(V2, "linux/amd64"))
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    fail(voice)
    voice.workloads = tuple(replace(report, containers=()) for report in voice.workloads)
    voice.platform, voice.platforms = "linux/amd64", ()
    room.receive(voice.describe(), voice.report())
    assert (known(room), known(room, digest(f"1 {V2}"))) == ((), ())


@pytest.mark.parametrize("count", [1, 100])
def test_it_costs_nothing_until_there_is_something_to_keep(room: ControlRoom, count: int) -> None:
    voices = [old_machine(f"edge-{number}") for number in range(count)]
    room.enrol(*voices)
    room.apply()
    room.settle(*voices)
    assert statements(lambda: room.receive(*(voice.report() for voice in voices))) == []
    for voice in voices:
        fail(voice, Reason.EXITED)
    assert statements(lambda: room.receive(*(voice.report() for voice in voices))) == []
    for voice in voices:
        fail(voice)
    written = statements(lambda: room.receive(*(voice.report() for voice in voices)))
    assert [statement.split()[0] for statement in written] == ["INSERT", "DELETE"]


def statements(work: Callable[[], object]) -> list[str]:
    """What concerns the failures of images."""
    seen: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if "image_failure" in statement:
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return seen


def test_the_oldest_go_when_there_are_too_many(database: Database) -> None:
    def found(number: int) -> ImageFailure:
        return replace(FOUND, child=digest(f"{number:05}"), seen_at=START + timedelta(seconds=number))

    with database.begin() as connection:
        save_image_failures(connection, [found(number) for number in range(KEPT + 10)])
        save_image_failures(connection, [found(KEPT + 10)])
        kept = load_image_failures(connection, [digest(f"{number:05}") for number in range(KEPT + 20)])
    assert kept == tuple(found(number) for number in range(KEPT + 10, 10, -1))


def test_of_two_alike_the_newer_is_kept_in_whatever_order_they_come(database: Database) -> None:
    newer = replace(FOUND, device="edge-8", seen_at=START + timedelta(seconds=1))
    with database.begin() as connection:
        save_image_failures(connection, [newer, FOUND])
        assert load_image_failures(connection, [CHILD]) == (newer,)
