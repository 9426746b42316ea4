"""A device gets the child that it likes best among those that it can run, and never another."""

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import IndexChild
from polyfleet_controller.domain.platforms import Match, match
from polyfleet_shared.platforms import Platform, RunnablePlatform
from strategies import digests, platforms, runnable_platforms

# Few enough that devices and images often meet.
COMMON: Final = [
    Platform.parse(text)
    for text in (
        "linux/amd64",
        "linux/amd64/v2",
        "linux/amd64/v3",
        "linux/arm/v5",
        "linux/arm/v6",
        "linux/arm/v7",
        "linux/arm64",
        "linux/riscv64",
    )
]

children = st.builds(
    IndexChild,
    platform=st.sampled_from(COMMON) | platforms,
    child=digests,
    config=digests,
    size=st.integers(0, 10**12),
)
indexes = st.lists(children, max_size=8).map(tuple)
devices = st.lists(
    st.builds(replace, runnable_platforms, platform=st.sampled_from(COMMON) | platforms), max_size=6
).map(tuple)


def rank(device: tuple[RunnablePlatform, ...], found: Match | None) -> int:
    """Return the place in the device's preference of what it got; behind all if it got nothing."""
    if found is None:
        return len(device)
    return [runnable.platform for runnable in device].index(found.child.platform)


@given(device=devices, index=indexes)
def test_a_device_never_gets_a_child_that_it_cannot_run(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    found = match(device, index)
    runnable = {item.platform for item in device}
    assert found is None or (found.child in index and found.child.platform in runnable)
    assert (found is None) == runnable.isdisjoint(child.platform for child in index)


@given(device=devices, index=indexes)
def test_a_device_never_gets_a_worse_child_when_a_better_one_is_there(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    found = match(device, index)
    offered = {child.platform for child in index}
    better = [runnable.platform for runnable in device[: rank(device, found)]]
    assert offered.isdisjoint(better)


@given(device=devices, index=indexes)
def test_the_fit_is_the_one_that_the_device_states(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    found = match(device, index)
    assert found is None or device[rank(device, found)].fit is found.fit


@given(device=devices, index=indexes, addition=children, position=st.integers(0, 8))
def test_one_more_child_never_uncovers_a_device_nor_worsens_what_it_gets(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...], addition: IndexChild, position: int
) -> None:
    larger = (*index[:position], addition, *index[position:])
    assert rank(device, match(device, larger)) <= rank(device, match(device, index))


@given(device=devices, index=indexes, addition=runnable_platforms)
def test_one_more_platform_at_the_end_of_its_list_changes_nothing_for_a_covered_device(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...], addition: RunnablePlatform
) -> None:
    found = match(device, index)
    assert found is None or match((*device, addition), index) == found


@given(device=devices, index=indexes)
def test_of_two_children_for_one_platform_the_first_is_taken(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    later = tuple(replace(child, child=f"sha256:{'0' * 64}") for child in index)
    assert match(device, (*index, *later)) == match(device, index)
