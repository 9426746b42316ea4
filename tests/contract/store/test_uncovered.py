"""What becomes of devices for which the image has nothing, by the workload's own word."""

from datetime import timedelta

import pytest

from controlroom import PLATFORMS, REPOSITORY, ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.services.errors import DevicesUncoveredError, NotFoundError
from polyfleet_controller.services.image_views import OnUncovered
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Change, Standing, Sync
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason

DOWN = RegistryFailure(Reason.REGISTRY_UNREACHABLE, "localhost:5000: connection refused")
SOME = ("linux/amd64", "linux/arm64")
REFUSAL = (
    f"{REPOSITORY}:1 has linux/amd64, linux/arm64: nothing that 2 of 4 devices can run: "
    "linux/arm/v7: 1 (dev-2); linux/riscv64: 1 (dev-3)"
)


@pytest.fixture
def voices(room: ControlRoom) -> tuple[Voice, ...]:
    """One device of each platform, and a tag that has only two of them."""
    room.shelf.answers["1"] = index("1", *SOME)
    voices = tuple(Voice(name=f"dev-{n}", platform=platform) for n, platform in enumerate(PLATFORMS))
    room.enrol(*voices)
    return voices


def releases(room: ControlRoom) -> list[tuple[int, str]]:
    """Revision and index of each, newest first."""
    listed = room.releases.list("default", "hello", PageRequest()).items
    return [(item.revision, item.index) for item in listed]


def standings(room: ControlRoom) -> dict[str, Standing]:
    return {item.device: item.standing for item in room.workload().placements}


# -- refuse


@pytest.mark.usefixtures("voices")
def test_a_manifest_that_leaves_devices_uncovered_is_refused_and_nothing_changes(room: ControlRoom) -> None:
    with pytest.raises(DevicesUncoveredError) as raised:
        room.apply()
    assert str(raised.value) == (
        f"{REFUSAL}. Nothing was changed: publish the image for these platforms, or set spec.onUncovered: "
        "hold, to let these devices wait for it, or exclude, to leave them out"
    )
    check = raised.value.check
    assert (check.devices, check.count_uncovered, check.on_uncovered) == (4, 2, OnUncovered.REFUSE)
    with pytest.raises(NotFoundError):
        room.workload()
    assert (room.deliver(), room.woken) == ((), 0)


def test_a_refused_change_leaves_the_release_in_force(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    room.apply(tag="2")
    room.settle(*voices)
    before = room.workload()
    with pytest.raises(DevicesUncoveredError):
        room.apply(tag="1")
    assert (room.workload(), room.deliver()) == (before, ())


def test_a_refusal_names_some_and_counts_all(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.enrol(*(Voice(name=f"star-{n:02}", platform="linux/riscv64") for n in range(13)))
    with pytest.raises(DevicesUncoveredError, match=r"riscv64: 13 \(star-00, .*, star-09 and 3 more\)"):
        room.apply()


def test_a_device_that_joins_later_is_held(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1", *SOME)
    room.enrol(Voice(name="dev-0"))
    room.apply()
    late = Voice(name="dev-9", platform="linux/riscv64")
    room.enrol(late)
    assert [item.standing for item in room.show(late).assignments] == [Standing.HELD]
    again = room.apply()
    assert again.change is Change.UNCHANGED
    assert again.preflight is not None
    assert again.preflight.count_uncovered == 1


def test_what_the_registry_answers_later_is_not_released_over_uncovered_devices(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    room.apply(tag="2")
    room.settle(*voices)
    room.shelf.answers["1"] = DOWN
    applied = room.apply(tag="1")
    assert (applied.preflight, applied.unanswered) == (
        None,
        Condition(reason=Reason.REGISTRY_UNREACHABLE, message=DOWN.message),
    )
    room.shelf.answers["1"] = index("1", *SOME)
    room.pass_time(seconds=2)
    room.releases.resolve_pending(now=room.now)
    view = room.workload().workload
    assert view.condition == Condition(reason=Reason.NO_MATCHING_PLATFORM, message=REFUSAL)
    assert (view.generation, view.observed_generation) == (2, 1)
    assert set(standings(room).values()) == {Standing.RUNNING}
    assert room.deliver() == ()
    room.shelf.answers["1"] = index("1")
    room.pass_time(minutes=1)
    assert room.releases.resolve_pending(now=room.now) is None
    room.settle(*voices)
    assert releases(room) == [(2, digest("index 1")), (1, digest("index 2"))]
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.IN_SYNC}


@pytest.mark.usefixtures("voices")
def test_a_tag_that_leaves_devices_uncovered_is_looked_at_ever_more_rarely(room: ControlRoom) -> None:
    room.shelf.answers["1"] = DOWN
    room.apply()
    room.shelf.answers["1"] = index("1", *SOME)
    waits = []
    for _ in range(11):
        due = room.releases.resolve_pending(now=room.now)
        assert due is not None
        waits.append(due - room.now)
        room.now = due
    assert waits[-2:] == [timedelta(minutes=15)] * 2


# -- hold


def test_held_devices_are_told_and_the_others_run(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    applied = room.apply(on_uncovered="hold")
    room.settle(*voices)
    assert applied.change is Change.CREATED
    assert applied.preflight is not None
    assert [gap.names for gap in applied.preflight.uncovered] == [("dev-2",), ("dev-3",)]
    assert standings(room) == {
        "dev-0": Standing.RUNNING,
        "dev-1": Standing.RUNNING,
        "dev-2": Standing.HELD,
        "dev-3": Standing.HELD,
    }


# -- exclude


def test_excluded_devices_have_no_part_in_it(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    applied = room.apply(on_uncovered="exclude")
    room.settle(*voices)
    assert applied.preflight is not None
    assert applied.preflight.on_uncovered is OnUncovered.EXCLUDE
    assert standings(room) == {"dev-0": Standing.RUNNING, "dev-1": Standing.RUNNING}
    assert room.show("dev-3").device.sync is Sync.IN_SYNC
    late = Voice(name="dev-9", platform="linux/riscv64")
    room.enrol(late)
    assert room.show(late).assignments == ()


@pytest.mark.parametrize("before", ["refuse", "hold"])
def test_devices_that_an_image_covers_no_more_are_taken_out(
    room: ControlRoom, voices: tuple[Voice, ...], before: str
) -> None:
    room.apply(tag="2", on_uncovered=before)
    room.settle(*voices)
    room.apply(tag="1", on_uncovered="exclude")
    room.settle(*voices)
    assert standings(room) == {"dev-0": Standing.RUNNING, "dev-1": Standing.RUNNING}
    assert voices[3].document is not None
    assert (voices[3].document.workloads, voices[3].document.held) == ((), ())
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.IN_SYNC}
    room.apply(tag="1", on_uncovered="hold")
    room.settle(*voices)
    assert standings(room)["dev-3"] is Standing.HELD
    room.apply(tag="2", on_uncovered="exclude")
    room.settle(*voices)
    assert set(standings(room).values()) == {Standing.RUNNING}
    assert len(standings(room)) == 4


# -- a tag that moved


def test_the_same_manifest_again_releases_what_its_tag_names_now(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    room.shelf.answers["1"] = index("1")
    first = room.apply()
    room.settle(*voices)
    assert room.apply().change is Change.UNCHANGED
    room.shelf.answers["1"] = index("moved")
    again = room.apply()
    assert (again.change, again.workload.generation) == (Change.MOVED, 1)
    assert again.workload.release != first.workload.release
    assert releases(room) == [(2, digest("index moved")), (1, digest("index 1"))]
    room.settle(*voices)
    assert {item.child for item in room.workload().placements} == {
        digest(f"moved {platform}") for platform in PLATFORMS
    }


@pytest.mark.usefixtures("voices")
def test_a_tag_that_moved_and_lost_a_platform_is_refused(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1")
    room.apply()
    room.shelf.answers["1"] = index("moved", *SOME)
    with pytest.raises(DevicesUncoveredError):
        room.apply()
    assert releases(room) == [(1, digest("index 1"))]


@pytest.mark.usefixtures("voices")
def test_a_registry_that_does_not_answer_leaves_the_release_of_the_same_manifest(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1")
    first = room.apply()
    room.shelf.answers["1"] = DOWN
    again = room.apply()
    assert (again.change, again.workload, again.preflight, again.unanswered) == (
        Change.UNCHANGED,
        first.workload,
        None,
        Condition(reason=Reason.REGISTRY_UNREACHABLE, message=DOWN.message),
    )
    assert room.releases.resolve_pending(now=room.now) is None


def test_a_digest_needs_no_registry_once_it_has_a_release(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    document = manifest(on_uncovered="hold")
    container = document["spec"]["template"]["spec"]["containers"][0]
    container["image"] = f"{REPOSITORY}@{digest('index pinned')}"
    room.workloads.apply(document, now=room.now)
    room.settle(*voices)
    room.shelf.asked.clear()
    again = room.workloads.apply(document, now=room.now)
    container["env"] = [{"name": "A", "value": "b"}]
    changed = room.workloads.apply(document, now=room.now)
    assert (again.change, changed.change, changed.workload.observed_generation) == (
        Change.UNCHANGED,
        Change.CHANGED,
        2,
    )
    assert again.preflight is not None
    assert room.shelf.asked == []


@pytest.mark.usefixtures("voices")
def test_new_labels_and_a_moved_tag_come_together(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1")
    room.apply()
    room.shelf.answers["1"] = index("moved")
    labelled = manifest()
    labelled["metadata"]["labels"] = {"team": "a"}
    applied = room.workloads.apply(labelled, now=room.now)
    assert (applied.change, applied.workload.generation, applied.workload.observed_generation) == (
        Change.CHANGED,
        2,
        2,
    )
    assert releases(room)[0] == (2, digest("index moved"))
