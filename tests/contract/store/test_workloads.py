"""From a manifest to the documents of a fleet."""

from datetime import timedelta

import pytest

from controlroom import PLATFORMS, REPOSITORY, START, ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Change, PlatformCount, Standing, Sync
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from polyfleet_shared.workloads import HeldWorkload

MISSING = RegistryFailure(Reason.IMAGE_NOT_FOUND, "localhost:5000/hello:1: there is no such tag")
DOWN = RegistryFailure(Reason.REGISTRY_UNREACHABLE, "localhost:5000: connection refused")


@pytest.fixture
def voices(room: ControlRoom) -> tuple[Voice, ...]:
    """One device of each platform, with its first document."""
    voices = tuple(Voice(name=f"dev-{n}", platform=platform) for n, platform in enumerate(PLATFORMS))
    room.enrol(*voices)
    return voices


def count(platform: str, **counts: int) -> PlatformCount:
    numbers = {"devices": 1, "running": 0, "completed": 0, "failing": 0, "held": 0} | counts
    return PlatformCount(platform=Platform.parse(platform), **numbers)


def test_every_platform_runs_its_own_child(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    applied = room.apply(env=[{"name": "A", "value": "b"}])
    assert (applied.change, room.woken) == (Change.CREATED, 1)
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.BEHIND}
    room.settle(*voices)
    detail = room.workload()
    assert detail.workload.platforms == tuple(
        count(platform, running=1)
        for platform in ("linux/amd64", "linux/arm/v7", "linux/arm64", "linux/riscv64")
    )
    assert [(item.device, item.child, item.standing) for item in detail.placements] == [
        (f"dev-{n}", digest(f"1 {platform}"), Standing.RUNNING) for n, platform in enumerate(PLATFORMS)
    ]
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.IN_SYNC}
    assert voices[0].document is not None
    (container,) = voices[0].document.workloads[0].containers
    assert (container.env[0].name, container.image.size) == ("A", 1000)


@pytest.mark.usefixtures("voices")
def test_the_same_manifest_again_changes_nothing(room: ControlRoom) -> None:
    first = room.apply()
    room.deliver()
    room.pass_time(hours=1)
    again = room.apply()
    assert (again.change, again.workload) == (Change.UNCHANGED, first.workload)
    assert (room.deliver(), room.shelf.asked) == ((), ["1", "1"])


def test_a_changed_manifest_cuts_a_new_release(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    first = room.apply()
    room.settle(*voices)
    room.pass_time(minutes=5)
    second = room.apply(tag="2")
    assert (second.change, second.workload.generation, second.workload.observed_generation) == (
        Change.CHANGED,
        2,
        2,
    )
    releases = room.releases.list("default", "hello", PageRequest()).items
    assert [(item.release, item.revision, item.image, item.index) for item in releases] == [
        (second.workload.release, 2, f"{REPOSITORY}:2", digest("index 2")),
        (first.workload.release, 1, f"{REPOSITORY}:1", digest("index 1")),
    ]
    assert [item.created_at for item in releases] == [START + timedelta(minutes=5), START]
    assert {item.standing for item in room.workload().placements} == {Standing.PENDING}
    room.settle(*voices)
    assert {item.standing for item in room.workload().placements} == {Standing.RUNNING}


@pytest.mark.usefixtures("voices")
def test_a_change_of_labels_alone_restarts_nothing(room: ControlRoom) -> None:
    first = room.apply()
    room.deliver()
    labelled = manifest()
    labelled["metadata"]["labels"] = {"team": "a"}
    applied = room.workloads.apply(labelled, now=room.now)
    assert (applied.change, applied.workload.release) == (Change.CHANGED, first.workload.release)
    assert (applied.workload.generation, applied.workload.observed_generation) == (2, 2)
    assert room.deliver() == ()


def test_a_device_that_the_image_does_not_cover_is_held_and_told_why(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    image = room.shelf.answers["1"] = index("1", "linux/amd64", "linux/arm64")
    uid = room.apply(on_uncovered="hold").workload.uid
    room.settle(*voices)
    riscv64 = room.show("dev-3")
    message = (
        "the image has nothing for this kind of processor, only linux/amd64, linux/arm64; this device runs "
        f"linux/riscv64 ({REPOSITORY}@{image.index})"
    )
    held = Condition(reason=Reason.NO_MATCHING_PLATFORM, message=message)
    assert (riscv64.device.sync, riscv64.assignments[0].held) == (Sync.HELD, held)
    assert voices[3].document is not None
    assert voices[3].document.held == (
        HeldWorkload(
            uid=uid,
            namespace="default",
            name="hello",
            reason=Reason.NO_MATCHING_PLATFORM,
            message=message,
        ),
    )
    assert room.workload().workload.platforms == (
        count("linux/amd64", running=1),
        count("linux/arm/v7", held=1),
        count("linux/arm64", running=1),
        count("linux/riscv64", held=1),
    )
    room.shelf.answers["2"] = index("2")
    room.apply(tag="2")
    room.settle(*voices)
    assert room.show("dev-3").device.sync is Sync.IN_SYNC


def test_a_missing_tag_is_accepted_shown_and_heals_by_itself(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    room.shelf.answers["1"] = MISSING
    applied = room.apply()
    why = Condition(reason=Reason.IMAGE_NOT_FOUND, message=MISSING.message)
    assert (applied.change, applied.workload.condition, applied.workload.release) == (
        Change.CREATED,
        why,
        None,
    )
    room.settle(*voices)
    assert {item.held for item in room.workload().placements} == {why}
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.HELD}
    assert voices[0].document is not None
    assert [item.reason for item in voices[0].document.held] == [Reason.IMAGE_NOT_FOUND]

    due = room.releases.resolve_pending(now=room.now)
    assert due == START + timedelta(seconds=2)
    assert room.shelf.asked == ["1"]
    room.pass_time(seconds=2)
    assert room.releases.resolve_pending(now=room.now) == room.now + timedelta(seconds=4)
    assert room.deliver() == ()
    del room.shelf.answers["1"]
    room.pass_time(seconds=4)
    assert room.releases.resolve_pending(now=room.now) is None
    room.settle(*voices)
    assert room.workload().workload.condition is None
    assert {view.sync for view in room.devices.list(PageRequest()).items} == {Sync.IN_SYNC}


@pytest.mark.usefixtures("voices")
def test_a_registry_is_asked_less_and_less_often(room: ControlRoom) -> None:
    room.shelf.answers["1"] = DOWN
    room.apply()
    waits = []
    for _ in range(7):
        due = room.releases.resolve_pending(now=room.now)
        assert due is not None
        waits.append((due - room.now).total_seconds())
        room.now = due
    assert waits == [2, 4, 8, 16, 32, 60, 60]


@pytest.mark.usefixtures("voices")
def test_applying_again_asks_the_registry_at_once(room: ControlRoom) -> None:
    room.shelf.answers["1"] = MISSING
    room.apply()
    del room.shelf.answers["1"]
    applied = room.apply()
    assert (applied.change, applied.workload.condition) == (Change.UNCHANGED, None)
    assert room.releases.resolve_pending(now=room.now) is None


def test_an_older_release_stays_in_force_while_the_newest_has_none(
    room: ControlRoom, voices: tuple[Voice, ...]
) -> None:
    first = room.apply()
    room.settle(*voices)
    room.shelf.answers["2"] = DOWN
    second = room.apply(tag="2")
    assert (second.workload.release, second.workload.condition) == (
        first.workload.release,
        Condition(reason=Reason.REGISTRY_UNREACHABLE, message=DOWN.message),
    )
    assert (second.workload.generation, second.workload.observed_generation) == (2, 1)
    assert room.deliver() == ()
    assert {item.standing for item in room.workload().placements} == {Standing.RUNNING}


@pytest.mark.usefixtures("voices")
def test_of_two_manifests_at_once_the_one_that_is_written_last_is_in_force(room: ControlRoom) -> None:
    room.shelf.meanwhile = lambda: room.apply(tag="2")
    applied = room.apply(tag="1")
    assert (applied.change, applied.workload.generation) == (Change.CHANGED, 2)
    assert [item.image for item in room.releases.list("default", "hello", PageRequest()).items] == [
        f"{REPOSITORY}:1",
        f"{REPOSITORY}:2",
    ]


@pytest.mark.usefixtures("voices")
def test_an_answer_for_an_older_manifest_is_no_release_of_a_newer_one(room: ControlRoom) -> None:
    room.shelf.answers = {"1": MISSING, "2": DOWN}
    room.apply(tag="1")
    del room.shelf.answers["1"]
    room.shelf.meanwhile = lambda: room.apply(tag="2")
    room.pass_time(seconds=2)
    room.releases.resolve_pending(now=room.now)
    view = room.workload().workload
    assert (view.generation, view.observed_generation, view.release) == (2, 0, None)
    assert view.condition == Condition(reason=Reason.REGISTRY_UNREACHABLE, message=DOWN.message)


@pytest.mark.usefixtures("voices")
def test_new_labels_do_not_make_up_for_a_missing_release(room: ControlRoom) -> None:
    room.shelf.answers["1"] = MISSING
    room.apply()
    labelled = manifest()
    labelled["metadata"]["labels"] = {"team": "a"}
    view = room.workloads.apply(labelled, now=room.now).workload
    assert (view.generation, view.observed_generation, view.release) == (2, 0, None)
    assert view.condition is not None


def test_a_deleted_workload_is_stopped_everywhere(room: ControlRoom, voices: tuple[Voice, ...]) -> None:
    room.apply("one")
    room.apply("two")
    room.settle(*voices)
    room.workloads.delete("default", "one", now=room.now)
    documents = room.deliver_documents()
    assert {tuple(item.name for item in document.workloads) for document in documents.values()} == {("two",)}
    with pytest.raises(NotFoundError, match="there is no workload 'default/one'"):
        room.workload("one")
    with pytest.raises(NotFoundError):
        room.releases.list("default", "one", PageRequest())
    assert [item.name for item in room.show("dev-0").assignments] == ["two"]


@pytest.mark.usefixtures("voices")
def test_a_workload_of_a_former_name_is_another_one(room: ControlRoom) -> None:
    first = room.apply()
    room.workloads.delete("default", "hello", now=room.now)
    second = room.apply()
    assert (second.change, second.workload.uid != first.workload.uid) == (Change.CREATED, True)


def test_a_device_that_comes_later_gets_what_is_in_force(room: ControlRoom) -> None:
    room.apply("one")
    room.apply("two")
    room.shelf.answers["3"] = DOWN
    room.apply("three", tag="3")
    voice = Voice()
    room.enrol(voice)
    assert [(item.name, item.standing) for item in room.show(voice).assignments] == [
        ("one", Standing.RUNNING),
        ("three", Standing.HELD),
        ("two", Standing.RUNNING),
    ]


def test_what_does_not_fit_into_a_document_leaves_the_old_one_in_force(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    large = [{"name": f"V{n}", "value": "x" * 1000} for n in range(150)]
    room.apply("one", env=large)
    room.settle(voice)
    room.apply("two", env=large)
    assert room.deliver() == ()
    detail = room.show(voice)
    (condition,) = detail.device.conditions
    assert (condition.reason, detail.device.sync) == (Reason.OVERSIZED_DOCUMENT, Sync.FAILING)
    assert condition.message.endswith("bytes are more than the 262144 allowed")
    assert [(item.name, item.standing) for item in detail.assignments] == [
        ("one", Standing.RUNNING),
        ("two", Standing.PENDING),
    ]
    room.apply("three")
    assert (room.deliver(), room.show(voice).device.conditions != ()) == ((), True)
    room.workloads.delete("default", "one", now=room.now)
    room.settle(voice)
    detail = room.show(voice)
    assert (detail.device.sync, detail.device.conditions) == (Sync.IN_SYNC, ())
    assert [item.name for item in detail.assignments] == ["three", "two"]


def test_a_document_that_fits_again_is_the_one_in_force(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    large = [{"name": f"V{n}", "value": "x" * 1000} for n in range(150)]
    room.apply("one", env=large)
    room.settle(voice)
    room.apply("two", env=large)
    room.workloads.delete("default", "two", now=room.now)
    assert room.deliver() == ()
    view = room.show(voice).device
    assert (view.sync, view.conditions) == (Sync.IN_SYNC, ())


def test_while_a_new_manifest_is_looked_up_the_old_one_is_in_force(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.shelf.answers["1"] = MISSING
    room.apply()
    seen: list[Condition | None] = []

    def move() -> None:
        voice.platform = "linux/arm64"
        room.receive(voice.describe())
        seen.extend(item.held for item in room.show(voice).assignments)

    room.shelf.meanwhile = move
    room.apply(tag="2")
    assert seen == [Condition(reason=Reason.IMAGE_NOT_FOUND, message=MISSING.message)]
    room.settle(voice)
    assert room.show(voice).device.sync is Sync.IN_SYNC


def test_a_device_whose_first_document_does_not_fit_says_so(room: ControlRoom) -> None:
    large = [{"name": f"V{n}", "value": "x" * 1000} for n in range(150)]
    room.apply("one", env=large)
    room.apply("two", env=large)
    voice = Voice()
    room.receive(*voice.introduce())
    view = room.show(voice).device
    assert [item.reason for item in view.conditions] == [Reason.OVERSIZED_DOCUMENT]
    assert room.deliver() == ()
    room.workloads.delete("default", "two", now=room.now)
    room.settle(voice)
    assert room.show(voice).device.sync is Sync.IN_SYNC


def test_workloads_are_listed_page_by_page(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    for name in ("c", "a", "b"):
        room.apply(name)
    room.settle(voice)
    first = room.workloads.list(PageRequest(limit=2))
    second = room.workloads.list(PageRequest(limit=2, cursor=first.next_cursor))
    assert [[item.name for item in page.items] for page in (first, second)] == [["a", "b"], ["c"]]
    assert second.next_cursor is None
    assert first.items[0].platforms == (count("linux/amd64", running=1),)


@pytest.mark.usefixtures("voices")
def test_the_devices_of_a_workload_are_listed_page_by_page(room: ControlRoom) -> None:
    room.apply()
    first = room.workloads.get("default", "hello", PageRequest(limit=3))
    second = room.workloads.get("default", "hello", PageRequest(limit=3, cursor=first.next_cursor))
    assert [[item.device for item in page.placements] for page in (first, second)] == [
        ["dev-0", "dev-1", "dev-2"],
        ["dev-3"],
    ]
    assert (first.workload, second.next_cursor) == (second.workload, None)


def test_a_manifest_that_cannot_be_read_is_refused_with_its_paths(room: ControlRoom) -> None:
    wrong = manifest(imagePullPolicy="Always")
    wrong["spec"]["selector"] = {}
    with pytest.raises(DecodeError) as raised:
        room.workloads.apply(wrong, now=room.now)
    assert {problem.path for problem in raised.value.problems} == {
        "spec.selector",
        "spec.template.spec.containers[0].imagePullPolicy",
    }
    assert room.workloads.list(PageRequest()).items == ()
