"""A preflight counts every device once, whatever groups they come in, and never more bytes than there are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from image_examples import name_image
from polyfleet_controller.domain.coverage import sum_children
from polyfleet_controller.domain.images import IndexChild, Layer, NamedImage
from polyfleet_controller.domain.platforms import match
from polyfleet_controller.domain.preflight import TargetGroup, check_images, size_pull
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

PLATFORMS = [
    Platform.parse(text) for text in ("linux/amd64", "linux/amd64/v3", "linux/arm64", "linux/arm/v7")
]
LAYERS = [Layer(digest=f"layer-{n}", size=10**n) for n in range(5)]


def make_child(platform: Platform, number: int, layers: frozenset[Layer]) -> IndexChild:
    return IndexChild(
        platform=platform,
        child=f"{platform} {number}",
        config="",
        size=sum(layer.size for layer in layers),
        layers=tuple(sorted(layers, key=lambda layer: layer.digest)),
    )


layer_sets = st.frozensets(st.sampled_from(LAYERS), min_size=1)
children = st.builds(make_child, st.sampled_from(PLATFORMS), st.integers(0, 2), layer_sets)
indexes = st.lists(children, max_size=4, unique_by=lambda child: child.child).map(tuple)
image_lists = st.lists(indexes.map(lambda children: name_image(*children)), min_size=1, max_size=2).map(tuple)
known = st.dictionaries(st.sampled_from(["a", "b", "c"]), layer_sets.map(tuple), min_size=3)
platform_lists = st.lists(
    st.builds(RunnablePlatform, platform=st.sampled_from(PLATFORMS), fit=st.sampled_from(Fit)),
    min_size=1,
    max_size=3,
    unique_by=lambda item: item.platform,
).map(tuple)
groups = st.builds(
    lambda platforms, proven, devices: TargetGroup(
        platform_set=str(platforms), platforms=platforms, proven=proven, devices=devices
    ),
    platform_lists,
    st.frozensets(st.sampled_from(["a", "b", "c", "unknown"])),
    st.integers(1, 3),
)
fleets = st.lists(groups, max_size=6)


@given(image_lists, fleets, known)
def test_every_device_is_counted_once(
    images: tuple[NamedImage, ...], fleet: list[TargetGroup], layers: dict[str, tuple[Layer, ...]]
) -> None:
    found = check_images(images, fleet, layers)
    counted: Counter[tuple[Platform, tuple[str, ...] | None]] = Counter()
    for group in fleet:
        best = [match(group.platforms, each.image.children) for each in images]
        given = tuple(each.child.child for each in best if each is not None)
        counted[group.platform, given if len(given) == len(images) else None] += group.devices
    told: Counter[tuple[Platform, tuple[str, ...] | None]] = Counter()
    for covered in found.covered:
        told[covered.platform, tuple(each.child for each in covered.coverage.children)] += covered.devices
    for uncovered in found.uncovered:
        told[uncovered.platform, None] += uncovered.devices
    assert told == counted


@given(image_lists, fleets, known)
def test_groups_make_no_difference(
    images: tuple[NamedImage, ...], fleet: list[TargetGroup], layers: dict[str, tuple[Layer, ...]]
) -> None:
    singly = [
        TargetGroup(
            platform_set=group.platform_set, platforms=group.platforms, proven=group.proven, devices=1
        )
        for group in fleet
        for _ in range(group.devices)
    ]
    assert check_images(images, reversed(singly), layers) == check_images(images, fleet, layers)


@given(image_lists, fleets, known)
def test_what_is_pulled_is_within_what_there_is(
    images: tuple[NamedImage, ...], fleet: list[TargetGroup], layers: dict[str, tuple[Layer, ...]]
) -> None:
    for covered in check_images(images, fleet, layers).covered:
        assert 0 <= covered.pull.least <= covered.pull.most <= sum_children(covered.coverage.children)
        assert (
            covered.pull.least * covered.devices <= covered.pull.total <= covered.pull.most * covered.devices
        )


@given(children, st.frozensets(st.sampled_from(["a", "b", "c"])), known, st.sampled_from(["a", "b", "c"]))
def test_one_more_image_on_a_device_never_makes_it_pull_more(
    child: IndexChild, proven: frozenset[str], layers: dict[str, tuple[Layer, ...]], more: str
) -> None:
    assert size_pull([child], proven | {more}, layers) <= size_pull([child], proven, layers)
