"""A workload whose containers are of several images: pinned, covered, proven and looked at one by one."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from controlroom import REPOSITORY, ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.services.errors import DevicesUncoveredError
from polyfleet_controller.services.moved_tags import MovedTags
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Applied, Change, Standing
from polyfleet_controller.store.tables import ASSIGNMENT, RELEASE
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import Reason

SIDE = ("linux/amd64", "linux/arm64")
FIRST = (*SIDE, "linux/riscv64")
GONE = RegistryFailure(Reason.IMAGE_NOT_FOUND, "there is no such tag")
DOWN = RegistryFailure(Reason.REGISTRY_UNREACHABLE, "no answer")


@pytest.fixture
def voices(room: ControlRoom) -> tuple[Voice, ...]:
    """One that runs all images natively, one that runs two only in QEMU, and one that the second lacks."""
    room.shelf.answers |= {"2": index("2", *SIDE), "3": index("3", *FIRST)}
    voices = (
        Voice(name="both", platform="linux/arm64"),
        Voice(name="emulates", platform="linux/arm/v7", platforms=("linux/arm/v7", "linux/amd64")),
        Voice(name="one", platform="linux/riscv64"),
    )
    room.enrol(*voices)
    return voices


def apply(room: ControlRoom, on_uncovered: str = "hold") -> Applied:
    """The first container is of tag 1, the second of tag 2, and the init container of tag 3."""
    document = manifest(on_uncovered=on_uncovered)
    pod = document["spec"]["template"]["spec"]
    pod["containers"].append({"name": "side", "image": f"{REPOSITORY}:2"})
    pod["initContainers"] = [{"name": "first", "image": f"{REPOSITORY}:3"}]
    return room.workloads.apply(document, now=room.now)


def placements(room: ControlRoom) -> dict[str, tuple[Standing, tuple[str | None, ...]]]:
    return {
        item.device: (item.standing, (item.child, *item.other_children))
        for item in room.workload().placements
    }


def running(platform: str, side: str) -> tuple[Standing, tuple[str, ...]]:
    children = (digest(f"1 {platform}"), digest(f"2 {side}"), digest(f"3 {side}"))
    return Standing.RUNNING, children


RUNNING = {
    "both": running("linux/arm64", "linux/arm64"),
    "emulates": running("linux/arm/v7", "linux/amd64"),
    "one": (Standing.HELD, (None,)),
}


def test_each_device_runs_a_child_of_every_image_or_is_held(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    applied = apply(room)
    room.settle(*voices)
    assert placements(room) == RUNNING
    (gap,) = [item.held for item in room.workload().placements if item.held is not None]
    assert gap.message.startswith(f"{REPOSITORY}:2: the image has nothing for this kind of processor")
    check = applied.preflight
    assert check is not None
    assert [(each.image, len(each.offers)) for each in check.others] == [
        (f"{REPOSITORY}:2", 2),
        (f"{REPOSITORY}:3", 3),
    ]
    gets = {
        str(each.platform): [str(each.image_platform), *(str(other.image_platform) for other in each.others)]
        for each in check.covered
    }
    assert gets == {
        "linux/arm64": ["linux/arm64"] * 3,
        "linux/arm/v7": ["linux/arm/v7", "linux/amd64", "linux/amd64"],
    }
    (release,) = room.releases.list("default", "hello", PageRequest()).items
    assert [release.image, *(other.image for other in release.others)] == [
        f"{REPOSITORY}:{number}" for number in (1, 2, 3)
    ]
    assert applied.workload.other_images == (f"{REPOSITORY}:2", f"{REPOSITORY}:3")


def test_all_images_of_a_workload_are_checked_together_or_one_by_its_name(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    apply(room)
    hello = ("default", "hello")
    whole = room.preflights.check(workload=hello, now=room.now)
    assert [whole.image, *(each.image for each in whole.others)] == [
        f"{REPOSITORY}:{number}" for number in (1, 2, 3)
    ]
    assert (whole.devices, whole.count_uncovered) == (len(voices), 1)
    room.shelf.answers["4"] = index("4", *SIDE)
    other = ImageReference.parse(f"{REPOSITORY}:4")
    alone = room.preflights.check(other, workload=hello, now=room.now)
    assert (alone.image, alone.others, alone.count_uncovered) == (f"{REPOSITORY}:4", (), 1)


def test_a_container_of_the_other_images_child_proves_nothing(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    apply(room)
    room.settle(*voices)
    both = voices[0]
    (report,) = both.workloads
    main, side = report.containers
    swapped = replace(side, image_id=main.image_id, child=main.child)
    both.workloads = (replace(report, containers=(main, swapped)),)
    room.receive(both.report())
    assert placements(room)["both"][0] is Standing.PENDING


@pytest.mark.usefixtures("voices")
def test_a_refusal_names_all_images_and_what_they_have(room: ControlRoom) -> None:
    with pytest.raises(DevicesUncoveredError) as raised:
        apply(room, on_uncovered="refuse")
    everything = "linux/amd64, linux/arm64, linux/arm/v7, linux/riscv64"
    assert str(raised.value).startswith(
        f"{REPOSITORY}:1 has {everything}; {REPOSITORY}:2 has linux/amd64, linux/arm64; {REPOSITORY}:3 has "
        "linux/amd64, linux/arm64, linux/riscv64: not all containers have something that 1 of 3 devices can "
        "run: linux/riscv64: 1 (one)"
    )


@pytest.mark.usefixtures("voices")
def test_an_image_that_is_left_out_of_reach_leaves_the_workload_without_a_release(room: ControlRoom) -> None:
    room.shelf.answers["3"] = GONE
    applied = apply(room)
    assert (applied.unanswered, applied.workload.release) == (applied.workload.condition, None)
    del room.shelf.answers["3"]
    room.pass_time(seconds=10)
    room.releases.resolve_pending(now=room.now)
    assert room.workload().release is not None


def look(room: ControlRoom, moved_tags: MovedTags) -> None:
    """Twice: the first look at a workload only begins its pause."""
    moved_tags.look(now=room.now)
    room.pass_time(minutes=15)
    moved_tags.look(now=room.now)


@pytest.fixture
def moved_tags(room: ControlRoom) -> MovedTags:
    return MovedTags(room.database, room.shelf, lambda: None, interval=timedelta(minutes=15))


def test_held_devices_go_on_when_the_tag_of_any_image_gains_their_platform(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    apply(room)
    room.settle(*voices)
    room.shelf.answers["2"] = index("2", *SIDE, "linux/riscv64")
    look(room, moved_tags)
    room.settle(*voices)
    assert placements(room) == {**RUNNING, "one": running("linux/riscv64", "linux/riscv64")}


def test_a_child_in_use_that_is_another_in_any_image_keeps_held_devices_waiting(
    room: ControlRoom, voices: tuple[Voice, ...], moved_tags: MovedTags
) -> None:
    apply(room)
    room.settle(*voices)
    room.shelf.answers |= {"2": index("2", *SIDE, "linux/riscv64"), "3": index("4", *FIRST)}
    look(room, moved_tags)
    room.settle(*voices)
    assert placements(room) == RUNNING


def test_no_release_is_cut_while_one_tag_names_no_image(room: ControlRoom, moved_tags: MovedTags) -> None:
    one = Voice(name="one", platform="linux/riscv64")
    room.shelf.answers["2"] = index("2", *SIDE)
    room.enrol(one)
    apply(room)
    room.settle(one)
    room.shelf.answers |= {"2": index("2"), "1": GONE}
    look(room, moved_tags)
    assert placements(room) == {"one": (Standing.HELD, (None,))}
    assert len(room.releases.list("default", "hello", PageRequest()).items) == 1
    del room.shelf.answers["1"]
    look(room, moved_tags)
    room.settle(one)
    assert placements(room)["one"][0] is Standing.RUNNING


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"2": index("2", "linux/amd64")}, "2 no longer has linux/arm64 (1 device)"),
        (
            {"1": GONE, "2": index("2", "linux/amd64")},
            (
                "1 no longer has linux/arm/v7 (1 device), linux/arm64 (1 device): there is no such tag; "
                f"{REPOSITORY}:2 no longer has linux/arm64 (1 device)"
            ),
        ),
        ({"3": index("3", "linux/arm64")}, "3 no longer has linux/amd64 (1 device)"),
        ({"1": GONE, "3": DOWN}, None),
    ],
    ids=["one tag", "two tags", "the last tag", "one is not known"],
)
def test_the_alarm_says_which_image_lost_what(
    room: ControlRoom,
    voices: tuple[Voice, ...],
    moved_tags: MovedTags,
    answers: dict[str, Any],
    message: str | None,
) -> None:
    apply(room)
    room.settle(*voices)
    room.shelf.answers |= answers
    look(room, moved_tags)
    alarm = room.workload().workload.alarm
    assert (None if alarm is None else alarm.message) == (message and f"{REPOSITORY}:{message}")


def test_the_same_manifest_again_is_a_new_release_only_if_a_tag_has_moved(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    apply(room)
    room.settle(*voices)
    assert apply(room).change is Change.UNCHANGED
    room.shelf.answers["3"] = index("4")
    assert apply(room).change is Change.MOVED


def test_a_failure_of_a_build_is_kept_for_the_image_that_it_is_about(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    apply(room)
    room.settle(*voices)
    emulates = voices[1]
    (report,) = emulates.workloads
    main, side = report.containers
    emulates.workloads = (
        replace(
            report,
            phase=Phase.BACKING_OFF,
            reason=Reason.ILLEGAL_INSTRUCTION,
            container="side",
            containers=(main, replace(side, running=False, exit_code=132)),
        ),
    )
    room.receive(emulates.report())
    assert [item.child for item in room.workload().failures] == [digest("2 linux/amd64")]


def test_rows_of_a_version_that_knew_one_image_of_a_workload_are_read(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    room.apply(on_uncovered="hold")
    room.settle(*voices)
    before = (placements(room), room.workload().release)
    with room.database.begin() as connection:
        (resolved,) = connection.execute(select(RELEASE.c.resolved)).scalars()
        (named,) = json.loads(resolved)["images"]
        connection.execute(update(RELEASE).values(resolved=json.dumps(named["image"])))
        connection.execute(update(ASSIGNMENT).values(containers=None))
    assert (placements(room), room.workload().release) == before
    room.receive(*(voice.report() for voice in voices))
    assert placements(room) == before[0]
