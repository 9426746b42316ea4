"""A tag that moves lets held devices go on or raises an alarm, and changes nothing that runs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from controlroom import PLATFORMS, REPOSITORY, ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.domain.images import ResolvedImage
from polyfleet_controller.domain.rollout.events import Retried, RolledBack
from polyfleet_controller.services.moved_tags import AlarmChange, MovedTags
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Alarm, Standing
from polyfleet_controller.store.database import transaction_number
from polyfleet_controller.store.tables import (
    ASSIGNMENT,
    CONTENT,
    DEVICE,
    OUTBOX,
    RELEASE,
    REPORT,
    WORKLOAD,
)
from polyfleet_shared.reasons import Reason

SOME = ("linux/amd64", "linux/arm64")


@pytest.fixture
def voices(room: ControlRoom) -> tuple[Voice, ...]:
    voices = tuple(Voice(name=f"dev-{n}", platform=platform) for n, platform in enumerate(PLATFORMS))
    room.enrol(*voices)
    return voices


@pytest.fixture
def moved_tags(room: ControlRoom) -> MovedTags:
    return MovedTags(room.database, room.shelf, lambda: None)


def look(room: ControlRoom, moved_tags: MovedTags, **pause: float) -> tuple[AlarmChange, ...]:
    """Twice: the first look at a workload only begins its pause."""
    before = moved_tags.look(now=room.now)
    room.pass_time(**(pause or {"seconds": 5}))
    return (*before, *moved_tags.look(now=room.now))


def look_later(room: ControlRoom, moved_tags: MovedTags) -> tuple[AlarmChange, ...]:
    return look(room, moved_tags, minutes=15)


def tables(room: ControlRoom) -> dict[str, list[Any]]:
    """All that decides what runs, and all that is on its way."""
    with room.database.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in (ASSIGNMENT, CONTENT, DEVICE, OUTBOX, RELEASE, REPORT, WORKLOAD)
        }


def standings(room: ControlRoom) -> dict[str, tuple[Standing, str | None]]:
    return {item.device: (item.standing, item.child) for item in room.workload().placements}


def test_held_devices_go_on_when_the_tag_gains_their_platform(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply(on_uncovered="hold")
    room.settle(*voices)
    before = standings(room)
    assert {standing for standing, _ in before.values()} == {Standing.RUNNING, Standing.HELD}
    room.shelf.answers["1"] = index("1", *PLATFORMS)
    look(room, moved_tags)
    room.settle(*voices)
    assert standings(room) == {
        voice.name: (Standing.RUNNING, digest(f"1 {voice.platform}")) for voice in voices
    }


def test_a_rollout_that_has_not_succeeded_everywhere_is_not_begun_anew_by_a_tag(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    room.shelf.answers["2"] = index("2", *SOME)
    room.apply(tag="1", on_uncovered="hold")
    room.settle(*voices)
    room.apply(tag="2", on_uncovered="hold")
    room.rollouts.steer("default", "hello", RolledBack(by="ada"), now=room.now)
    room.settle(*voices)
    before = standings(room)
    room.shelf.answers["2"] = index("2", *PLATFORMS)
    look(room, moved_tags)
    assert standings(room) == before
    room.rollouts.steer("default", "hello", Retried(by="ada"), now=room.now)
    room.settle(*voices)
    look_later(room, moved_tags)
    room.settle(*voices)
    assert {child for _, child in standings(room).values()} == {digest(f"2 {item}") for item in PLATFORMS}


def test_a_tag_that_changes_a_child_in_use_waits_for_an_operator(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply(on_uncovered="hold")
    room.settle(*voices)
    before = standings(room)
    room.shelf.answers["1"] = index("2", *PLATFORMS)
    look(room, moved_tags)
    assert (standings(room), room.deliver()) == (before, ())


@pytest.mark.parametrize(
    "answer",
    [
        index("1", *SOME),
        index("1", "linux/amd64"),
        RegistryFailure(Reason.IMAGE_NOT_FOUND, "there is no such tag"),
    ],
    ids=["unchanged", "lost a platform", "gone"],
)
def test_a_tag_that_helps_nobody_changes_nothing(
    room: ControlRoom,
    voices: tuple[Voice, ...],
    moved_tags: MovedTags,
    answer: ResolvedImage | RegistryFailure,
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply(on_uncovered="hold")
    room.settle(*voices)
    before = standings(room)
    room.shelf.answers["1"] = answer
    look(room, moved_tags)
    assert (standings(room), room.deliver()) == (before, ())


@pytest.fixture
def running(room: ControlRoom, voices: tuple[Voice, ...]) -> dict[str, list[Any]]:
    """A workload runs on all four platforms; what the tables say of that."""
    room.apply(on_uncovered="hold")
    room.settle(*voices)
    assert {standing for standing, _ in standings(room).values()} == {Standing.RUNNING}
    return tables(room)


GONE = RegistryFailure(Reason.IMAGE_NOT_FOUND, "localhost:5000 has no tag 1 in the repository hello")
LOST_ALL = (
    f"{REPOSITORY}:1 no longer has linux/amd64 (1 device), linux/arm/v7 (1 device), "
    f"linux/arm64 (1 device), linux/riscv64 (1 device): {GONE.message}"
)
LOST = f"{REPOSITORY}:1 no longer has linux/arm/v7 (1 device), linux/riscv64 (1 device)"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (index("1", *SOME), LOST),
        (index("2", *SOME), LOST),
        (index("2", *SOME, "linux/arm/v6", "linux/riscv64/rva22u64"), LOST),
        (
            GONE,
            LOST_ALL,
        ),
    ],
    ids=["fewer", "fewer and others", "others instead", "gone"],
)
def test_a_tag_that_loses_platforms_in_use_raises_an_alarm_and_changes_nothing_that_runs(
    room: ControlRoom,
    running: dict[str, list[Any]],
    moved_tags: MovedTags,
    answer: ResolvedImage | RegistryFailure,
    message: str,
) -> None:
    room.shelf.answers["1"] = answer
    changes = look_later(room, moved_tags)
    alarm = Alarm(reason=Reason.PLATFORM_LOST, message=message, since=room.now)
    assert changes == (AlarmChange(namespace="default", name="hello", alarm=alarm),)
    assert room.workload().workload.alarm == alarm
    assert (room.workload().workload.condition, tables(room), room.deliver()) == (None, running, ())


def test_an_alarm_lasts_is_told_once_and_counts_anew(
    room: ControlRoom, running: dict[str, list[Any]], moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    look_later(room, moved_tags)
    raised = room.workload().workload.alarm
    newcomer = Voice(name="dev-9", platform="linux/riscv64")
    room.enrol(newcomer)
    assert look_later(room, moved_tags) == ()
    assert raised is not None
    assert room.workload().workload.alarm == replace(
        raised, message=LOST.replace("linux/riscv64 (1 device)", "linux/riscv64 (2 devices)")
    )


@pytest.mark.parametrize("answer", [index("1"), index("3")], ids=["as before", "with other children"])
def test_an_alarm_is_withdrawn_when_the_tag_has_the_platforms_again(
    room: ControlRoom, running: dict[str, list[Any]], moved_tags: MovedTags, answer: ResolvedImage
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    look_later(room, moved_tags)
    room.shelf.answers["1"] = answer
    assert look_later(room, moved_tags) == (AlarmChange(namespace="default", name="hello", alarm=None),)
    assert (room.workload().workload.alarm, tables(room)) == (None, running)


@pytest.mark.usefixtures("running")
def test_an_alarm_is_withdrawn_when_no_device_runs_the_platform_any_more(
    room: ControlRoom, moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", "linux/amd64", "linux/arm64", "linux/arm/v7")
    look_later(room, moved_tags)
    assert room.workload().workload.alarm is not None
    room.devices.delete("dev-3", now=room.now)
    look_later(room, moved_tags)
    assert room.workload().workload.alarm is None


@pytest.mark.usefixtures("running")
def test_a_new_release_ends_the_alarm_about_the_one_before(room: ControlRoom, moved_tags: MovedTags) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    look_later(room, moved_tags)
    assert room.workload().workload.alarm is not None
    room.apply(on_uncovered="hold", env=[{"name": "A", "value": "b"}])
    assert room.workload().workload.alarm is None
    look_later(room, moved_tags)
    assert room.workload().workload.alarm is None


def test_a_platform_that_nobody_runs_is_no_loss(room: ControlRoom, moved_tags: MovedTags) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply(on_uncovered="hold")
    room.settle(voice)
    room.shelf.answers["1"] = index("2", "linux/amd64")
    assert look_later(room, moved_tags) == ()
    assert room.workload().workload.alarm is None


@pytest.mark.parametrize(
    "reason", [Reason.REGISTRY_UNREACHABLE, Reason.REGISTRY_DENIED, Reason.DIGEST_MISMATCH]
)
def test_a_registry_that_does_not_say_raises_no_alarm_and_withdraws_none(
    room: ControlRoom, running: dict[str, list[Any]], moved_tags: MovedTags, reason: Reason
) -> None:
    answer = RegistryFailure(reason, "localhost:5000 does not say")
    room.shelf.answers["1"] = answer
    assert look_later(room, moved_tags) == ()
    assert room.workload().workload.alarm is None
    room.shelf.answers["1"] = index("1", *SOME)
    look_later(room, moved_tags)
    alarm = room.workload().workload.alarm
    room.shelf.answers["1"] = answer
    assert look_later(room, moved_tags) == ()
    assert (room.workload().workload.alarm, tables(room)) == (alarm, running)


@pytest.mark.usefixtures("running")
def test_a_look_at_a_tag_that_has_not_moved_writes_nothing(room: ControlRoom, moved_tags: MovedTags) -> None:
    """A transaction that may write makes ingest forget what it knows of the fleet."""
    room.shelf.answers["1"] = index("1", *SOME)
    look_later(room, moved_tags)
    with room.database.begin() as connection:
        before = transaction_number(connection)
    look_later(room, moved_tags)
    with room.database.begin() as connection:
        assert transaction_number(connection) == before + 1


@pytest.mark.usefixtures("running")
def test_what_happens_to_the_workload_meanwhile_goes_before_what_the_tag_names(
    room: ControlRoom, moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.shelf.meanwhile = lambda: room.workloads.delete("default", "hello", now=room.now)
    assert look_later(room, moved_tags) == ()
    room.apply(on_uncovered="hold", tag="1")
    room.shelf.meanwhile = lambda: room.apply(tag="2")
    assert look_later(room, moved_tags) == ()
    assert room.workload().workload.alarm is None


def test_an_image_that_is_named_by_its_digest_is_not_looked_at(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    pinned = manifest()
    container = pinned["spec"]["template"]["spec"]["containers"][0]
    container["image"] = f"{REPOSITORY}@{digest('index 1')}"
    room.workloads.apply(pinned, now=room.now)
    room.settle(*voices)
    room.shelf.asked.clear()
    look_later(room, moved_tags)
    assert room.shelf.asked == []


@pytest.mark.usefixtures("voices")
def test_a_registry_that_does_not_answer_is_asked_once_at_a_time(
    room: ControlRoom, moved_tags: MovedTags
) -> None:
    for number in range(20):
        room.apply(f"w{number}", tag=str(number))
        room.shelf.answers[str(number)] = RegistryFailure(Reason.REGISTRY_UNREACHABLE, "it is silent")
    room.shelf.asked.clear()
    look_later(room, moved_tags)
    assert len(room.shelf.asked) == 1


@pytest.mark.usefixtures("voices")
def test_tags_are_looked_at_all_over_the_interval_each_once(room: ControlRoom, moved_tags: MovedTags) -> None:
    for number in range(60):
        room.apply(f"w{number}", tag=str(number))
    room.shelf.asked.clear()
    moved_tags.look(now=room.now)
    most = 0
    for _ in range(15):
        asked = len(room.shelf.asked)
        room.pass_time(minutes=1)
        moved_tags.look(now=room.now)
        most = max(most, len(room.shelf.asked) - asked)
    assert sorted(room.shelf.asked, key=int) == [str(number) for number in range(60)]
    assert most < 20


@pytest.mark.usefixtures("voices")
def test_a_tag_that_nobody_waits_for_is_looked_at_once_in_each_interval(room: ControlRoom) -> None:
    moved_tags = MovedTags(room.database, room.shelf, lambda: None, interval=timedelta(minutes=10))
    room.apply(on_uncovered="hold")
    room.shelf.asked.clear()
    for _ in range(24 * 60 + 10):
        moved_tags.look(now=room.now)
        room.pass_time(minutes=1)
    assert 144 <= len(room.shelf.asked) <= 145


@pytest.mark.usefixtures("voices")
def test_a_tag_that_devices_wait_for_is_looked_at_soon_and_then_ever_more_rarely(
    room: ControlRoom, moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply(on_uncovered="hold")
    room.shelf.asked.clear()
    for _ in range(24 * 60):
        room.pass_time(minutes=1)
        moved_tags.look(now=room.now)
    assert 90 <= len(room.shelf.asked) <= 110
    room.shelf.answers["1"] = index("1", *PLATFORMS)
    room.apply(on_uncovered="hold", env=[{"name": "A", "value": "b"}])
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply(on_uncovered="hold", env=[{"name": "A", "value": "c"}])
    room.shelf.asked.clear()
    look(room, moved_tags)
    assert room.shelf.asked == []
    moved_tags.look(now=room.now + timedelta(minutes=15))
    assert room.shelf.asked == ["1"]
