"""A tag that moves lets held devices go on, and changes nothing that runs."""

import pytest

from controlroom import PLATFORMS, ControlRoom, Voice, digest, index
from polyfleet_controller.domain.images import ResolvedImage
from polyfleet_controller.services.moved_tags import MovedTags
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Standing
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


def look(room: ControlRoom, moved_tags: MovedTags) -> None:
    """Twice: the first look at a workload only begins its pause."""
    moved_tags.look(now=room.now)
    room.pass_time(seconds=5)
    moved_tags.look(now=room.now)


def standings(room: ControlRoom) -> dict[str, tuple[Standing, str | None]]:
    return {item.device: (item.standing, item.child) for item in room.workload().placements}


def test_held_devices_go_on_when_the_tag_gains_their_platform(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply()
    room.settle(*voices)
    before = standings(room)
    assert {standing for standing, _ in before.values()} == {Standing.RUNNING, Standing.HELD}
    room.shelf.answers["1"] = index("1", *PLATFORMS)
    look(room, moved_tags)
    room.settle(*voices)
    assert standings(room) == {
        voice.name: (Standing.RUNNING, digest(f"1 {voice.platform}")) for voice in voices
    }


def test_a_tag_that_changes_a_child_in_use_waits_for_an_operator(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply()
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
    room.apply()
    room.settle(*voices)
    before = standings(room)
    room.shelf.answers["1"] = answer
    look(room, moved_tags)
    assert (standings(room), room.deliver()) == (before, ())


@pytest.mark.usefixtures("voices")
def test_a_tag_is_looked_at_ever_more_rarely_and_not_at_all_when_nobody_is_held(
    room: ControlRoom, moved_tags: MovedTags
) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.apply()
    room.shelf.asked.clear()
    for _ in range(24 * 60):
        room.pass_time(minutes=1)
        moved_tags.look(now=room.now)
    assert 90 <= len(room.shelf.asked) <= 110
    room.shelf.answers["1"] = index("1", *PLATFORMS)
    room.apply(env=[{"name": "A", "value": "b"}])
    room.shelf.asked.clear()
    room.pass_time(hours=1)
    moved_tags.look(now=room.now)
    assert room.shelf.asked == []
