"""What a moved tag loses is what devices run of it and it has no more: whatever the images and the fleet."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import ImageReference, IndexChild, ResolvedImage
from polyfleet_controller.domain.moved_tags import describe_loss, find_lost, releases_held_devices, renew
from polyfleet_controller.domain.platforms import match
from polyfleet_shared.platforms import Platform, RunnablePlatform
from strategies import digests, runnable_platforms

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
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


def use(fleet: list[Device], image: ResolvedImage) -> Counter[Platform]:
    """How many devices are given which of the image's platforms."""
    found = (match(device, image.children) for device in fleet)
    return Counter(item.child.platform for item in found if item is not None)


def offer(image: ResolvedImage) -> set[Platform]:
    return {child.platform for child in image.children}


@given(fleet=fleets, in_force=images, found=images)
def test_lost_is_what_is_in_use_and_not_offered_any_more(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    in_use = use(fleet, in_force)
    expected = {platform: in_use[platform] for platform in in_use.keys() - offer(found)}
    assert find_lost(in_use, found) == expected


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
    richer = replace(found, children=(*found.children, more))
    assert find_lost(in_use, richer).items() <= find_lost(in_use, found).items()


@given(fleet=fleets, in_force=images)
def test_a_tag_that_names_no_image_has_lost_all_that_is_in_use(
    fleet: list[Device], in_force: ResolvedImage
) -> None:
    in_use = use(fleet, in_force)
    assert find_lost(in_use, None) == in_use


@given(fleet=fleets, in_force=images, found=images)
def test_a_tag_that_lets_held_devices_go_on_has_lost_nothing(
    fleet: list[Device], in_force: ResolvedImage, found: ResolvedImage
) -> None:
    if releases_held_devices(in_force, found, fleet):
        assert find_lost(use(fleet, in_force), found) == {}


@given(fleet=fleets, looks=st.lists(st.none() | images, max_size=5), in_force=images)
def test_an_alarm_lasts_from_the_first_look_that_misses_something_to_the_one_that_does_not(
    fleet: list[Device], looks: list[ResolvedImage | None], in_force: ResolvedImage
) -> None:
    in_use, alarm, since = use(fleet, in_force), None, None
    for number, found in enumerate(looks):
        now = NOW + timedelta(minutes=number)
        lost = find_lost(in_use, found)
        alarm = renew(alarm, describe_loss(REFERENCE, lost, gone=""), now=now)
        since = (since or now) if lost else None
        assert (None if alarm is None else alarm.since) == since
        named = "" if alarm is None else alarm.message
        assert all(f"{platform} ({devices} device" in named for platform, devices in lost.items())


def test_an_alarm_says_what_is_missing_where_and_for_how_many() -> None:
    lost = find_lost(
        {
            Platform.parse("linux/riscv64"): 1,
            Platform.parse("linux/amd64"): 12,
            Platform.parse("linux/arm64"): 0,
        },
        None,
    )
    stated = [describe_loss(REFERENCE, lost, gone=gone) for gone in ("", "localhost:5000 has no tag 1")]
    message = "localhost:5000/hello:1 no longer has linux/amd64 (12 devices), linux/riscv64 (1 device)"
    assert [item.message for item in stated if item is not None] == [
        message,
        f"{message}: localhost:5000 has no tag 1",
    ]
