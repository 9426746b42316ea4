"""A workload's releases: who cut them, what has become of them, and the way back to any."""

import json

import pytest

from controlroom import ControlRoom, Voice, manifest
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import Change, Sync


@pytest.fixture
def voice(room: ControlRoom) -> Voice:
    """A device that runs the second of two releases."""
    voice = Voice()
    room.enrol(voice)
    for number in ("1", "2"):
        room.workloads.apply(manifest(tag=number), by=f"operator-{number}", now=room.now)
        room.settle(voice)
    return voice


def history(room: ControlRoom) -> list[tuple[int, str, str]]:
    releases = room.releases.list("default", "hello", PageRequest()).items
    return [(release.revision, release.created_by, release.status) for release in releases]


def run_tag(room: ControlRoom) -> str:
    (container,) = json.loads(room.workload().manifest)["spec"]["template"]["spec"]["containers"]
    found: str = container["image"].rpartition(":")[2]
    return found


def test_an_earlier_release_comes_back_as_a_new_one_without_asking_a_registry(
    room: ControlRoom, voice: Voice
) -> None:
    asked = list(room.shelf.asked)
    restored = room.release_history.restore("default", "hello", 1, by="ada", now=room.now)
    assert (restored.change, restored.workload.generation, run_tag(room)) == (Change.CHANGED, 3, "1")
    room.settle(voice)
    assert voice.document is not None
    assert voice.document.workloads[0].release == restored.workload.release
    assert room.show(voice).device.sync is Sync.IN_SYNC
    assert room.shelf.asked == asked
    assert history(room) == [
        (3, "ada", "current"),
        (2, "operator-2", "rolled_out"),
        (1, "operator-1", "rolled_out"),
    ]


def test_what_is_the_newest_already_stays_as_it_is(room: ControlRoom, voice: Voice) -> None:
    room.release_history.restore("default", "hello", 1, by="ada", now=room.now)
    room.settle(voice)
    again = [
        room.release_history.restore("default", "hello", revision, by="eve", now=room.now)
        for revision in (1, 3)
    ]
    assert [applied.change for applied in again] == [Change.UNCHANGED, Change.UNCHANGED]
    assert len(history(room)) == 3


@pytest.mark.usefixtures("voice")
def test_a_release_is_shown_beside_the_one_before(room: ControlRoom) -> None:
    first, second = (room.release_history.show("default", "hello", revision) for revision in (1, 2))
    assert (first.previous, first.previous_manifest) == (None, None)
    assert (second.previous, second.previous_manifest) == (first.release.release, first.manifest)
    with pytest.raises(NotFoundError, match="there is no release 'default/hello 3'"):
        room.release_history.show("default", "hello", 3)


@pytest.mark.usefixtures("voice")
def test_a_release_on_its_way_says_so_until_another_takes_its_place(room: ControlRoom) -> None:
    room.workloads.apply(manifest(tag="3"), by="eve", now=room.now)
    on_its_way = history(room)[0]
    room.release_history.restore("default", "hello", 2, by="ada", now=room.now)
    assert (on_its_way, history(room)[1]) == ((3, "eve", "rolling_out"), (3, "eve", "superseded"))
