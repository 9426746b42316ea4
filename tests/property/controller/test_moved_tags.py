"""What a moved tag loses is what it leaves devices with nothing for: whatever the images and the fleet."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage, ResolvedImage
from polyfleet_controller.domain.moved_tags import (
    ImageUse,
    Loss,
    describe_loss,
    find_lost,
    join_losses,
    releases_held_devices,
    renew,
)
from polyfleet_controller.domain.platforms import match
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from strategies import digests, runnable_platforms

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST: Final = f"sha256:{'0' * 64}"
REFERENCE: Final = ImageReference.parse("localhost:5000/hello:1")
# Few enough that devices and images often meet.
COMMON: Final = [
    Platform.parse(text)
    for text in (
        "linux/amd64",
        "linux/amd64/v3",
        "linux/arm/v6",
        "linux/arm/v7",
        "linux/arm64",
        "linux/riscv64",
    )
]

children = st.builds(
    IndexChild,
    platform=st.sampled_from(COMMON),
    child=digests,
    config=digests,
    size=st.integers(0, 10**12),
)
images = st.builds(
    ResolvedImage,
    repository=st.just(REFERENCE.repository),
    index=digests,
    children=st.lists(children, max_size=6, unique_by=lambda child: child.platform).map(tuple),
)
Device = tuple[RunnablePlatform, ...]
fleets = st.lists(
    st.lists(
        st.builds(replace, runnable_platforms, platform=st.sampled_from(COMMON)), min_size=1, max_size=4
    ).map(tuple),
    max_size=6,
)


def use(fleet: list[Device], image: ResolvedImage) -> list[ImageUse]:
    """Which devices are given which of the image's platforms."""
    found = ((device, match(device, image.children)) for device in fleet)
    return [
        ImageUse(reference=REFERENCE, image_platform=item.child.platform, platforms=device, devices=1)
        for device, item in found
        if item is not None
    ]


def name(*images: ResolvedImage) -> tuple[NamedImage, ...]:
    return tuple(NamedImage(reference=REFERENCE, image=image) for image in images)


def count(in_use: list[ImageUse]) -> Counter[Platform]:
    return Counter(each.image_platform for each in in_use)


def offer(image: ResolvedImage) -> set[Platform]:
    return {child.platform for child in image.children}


@given(fleet=fleets, in_force=images, found=images)
def test_lost_is_what_leaves_a_device_with_nothing(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    stranded = [each for each in use(fleet, in_force) if match(each.platforms, found.children) is None]
    lost = find_lost(use(fleet, in_force), found)
    assert {platform: loss.devices for platform, loss in lost.items()} == count(stranded)


@given(fleet=fleets, in_force=images, found=images)
def test_all_devices_of_a_lost_platform_are_told_of(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    in_use = use(fleet, in_force)
    lost = find_lost(in_use, found)
    for platform, loss in lost.items():
        assert platform not in offer(found)
        assert loss.others.keys() <= offer(found)
        assert loss.devices + sum(loss.others.values()) == count(in_use)[platform]


@given(fleet=fleets, in_force=images, found=images)
def test_there_is_no_alarm_while_every_platform_in_use_is_offered(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    kept = tuple(child for child in in_force.children if child.platform not in offer(found))
    in_use = use(fleet, in_force)
    assert find_lost(in_use, replace(found, children=(*found.children, *kept))) == {}


@given(fleet=fleets, in_force=images, data=st.data())
def test_children_that_moved_are_no_loss(
    fleet: list[Device], in_force: ResolvedImage, data: st.DataObject
) -> None:
    moved = tuple(replace(child, child=data.draw(digests)) for child in in_force.children)
    assert find_lost(use(fleet, in_force), replace(in_force, children=moved)) == {}


@given(fleet=fleets, in_force=images, found=images, more=children)
def test_what_a_tag_gains_never_raises_an_alarm(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage, more: IndexChild
) -> None:
    in_use = use(fleet, in_force)
    richer, poorer = (
        {platform: loss.devices for platform, loss in find_lost(in_use, image).items()}
        for image in (replace(found, children=(*found.children, more)), found)
    )
    assert all(devices <= poorer.get(platform, 0) for platform, devices in richer.items())


@given(fleet=fleets, in_force=images)
def test_a_tag_that_names_no_image_has_lost_all_that_is_in_use(
    fleet: list[Device], in_force: ResolvedImage
) -> None:
    in_use = use(fleet, in_force)
    assert find_lost(in_use, None) == {
        platform: Loss(devices=devices, others={}) for platform, devices in count(in_use).items()
    }


@given(fleet=fleets, in_force=images, found=images)
def test_a_tag_that_lets_held_devices_go_on_has_lost_nothing(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    if releases_held_devices(name(in_force), name(found), fleet):
        assert find_lost(use(fleet, in_force), found) == {}


@given(fleet=fleets, in_force=st.tuples(images, images), found=st.tuples(images, images))
def test_a_release_of_several_images_takes_no_device_another_child_of_any(
    fleet: list[Device],
    in_force: tuple[ResolvedImage, ResolvedImage],
    found: tuple[ResolvedImage, ResolvedImage],
) -> None:
    def choose(device: Device, images: tuple[ResolvedImage, ResolvedImage]) -> list[str] | None:
        given = [match(device, image.children) for image in images]
        chosen = [item.child.child for item in given if item is not None]
        return chosen if len(chosen) == len(images) else None

    before = [choose(device, in_force) for device in fleet]
    after = [choose(device, found) for device in fleet]
    gains = any(was is None and now is not None for was, now in zip(before, after, strict=True))
    keeps = all(was in (None, now) for was, now in zip(before, after, strict=True))
    assert releases_held_devices(name(*in_force), name(*found), fleet) == (gains and keeps)


@given(fleet=fleets, looks=st.lists(st.none() | images, max_size=5), in_force=images)
def test_an_alarm_lasts_from_the_first_look_that_misses_something_to_the_one_that_does_not(
    fleet: list[Device], looks: list[ResolvedImage | None], in_force: ResolvedImage
) -> None:
    in_use, alarm, since = use(fleet, in_force), None, None
    for number, found in enumerate(looks):
        now = NOW + timedelta(minutes=number)
        lost = find_lost(in_use, found)
        alarm = renew(alarm, join_losses([describe_loss(REFERENCE, lost, gone="")]), now=now)
        since = (since or now) if lost else None
        assert (None if alarm is None else alarm.since) == since
        named = "" if alarm is None else alarm.message
        assert all(f"{platform} ({loss.devices} device" in named for platform, loss in lost.items())


def listing(*platforms: str) -> Device:
    """A device that runs these, best first."""
    return tuple(RunnablePlatform(platform=Platform.parse(text), fit=Fit.NATIVE) for text in platforms)


def offering(*platforms: str) -> ResolvedImage:
    return ResolvedImage(
        repository=REFERENCE.repository,
        index=DIGEST,
        children=tuple(
            IndexChild(platform=Platform.parse(text), child=DIGEST, config=DIGEST, size=1)
            for text in platforms
        ),
    )


def alarm_of(in_use: list[ImageUse], found: ResolvedImage | None, *, gone: str = "") -> str | None:
    loss = join_losses([describe_loss(REFERENCE, find_lost(in_use, found), gone=gone)])
    return None if loss is None else loss.message


def test_an_alarm_says_what_is_missing_where_and_for_how_many() -> None:
    in_use = [
        ImageUse(
            reference=REFERENCE,
            image_platform=Platform.parse(platform),
            platforms=listing(own, platform),
            devices=devices,
        )
        for platform, own, devices in (
            ("linux/riscv64", "linux/riscv64/rva22u64", 1),
            ("linux/amd64", "linux/amd64", 5),
            ("linux/amd64", "linux/amd64/v2", 7),
        )
    ]
    message = "localhost:5000/hello:1 no longer has linux/amd64 (12 devices), linux/riscv64 (1 device)"
    assert alarm_of(in_use, None) == message
    assert alarm_of(in_use, None, gone="localhost:5000 has no tag 1") == (
        f"{message}: localhost:5000 has no tag 1"
    )


def test_a_platform_that_is_offered_is_not_lost_to_a_device_that_changed_since() -> None:
    changed = ImageUse(
        reference=REFERENCE,
        image_platform=Platform.parse("linux/amd64"),
        platforms=listing("linux/riscv64"),
        devices=1,
    )
    assert alarm_of([changed], offering("linux/amd64")) is None


def test_a_platform_that_gives_way_to_another_is_no_loss_to_devices_that_run_both() -> None:
    both, plain = listing("linux/amd64/v3", "linux/amd64"), listing("linux/amd64")
    baseline, levels = offering("linux/amd64"), offering("linux/amd64/v3")
    assert alarm_of(use([both, both], baseline), levels) is None
    assert alarm_of(use([both, both], levels), baseline) is None
    assert alarm_of(use([both, plain, both], baseline), levels) == (
        "localhost:5000/hello:1 no longer has linux/amd64 (1 device; 2 more would get linux/amd64/v3)"
    )
