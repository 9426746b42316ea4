"""A device gets the child that it likes best among those that it can run, and never another."""

from dataclasses import replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.images import IndexChild
from polyfleet_controller.domain.platforms import Lack, Match, Mismatch, choose_child, match
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
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
        "linux/arm64/v9",
        "linux/riscv64",
        "linux/riscv64/rva22u64",
        "windows/amd64",
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


@given(device=devices, index=indexes)
def test_a_device_gets_a_child_or_the_reason_why_none(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    choice = choose_child(device, index)
    if isinstance(choice, Match):
        assert match(device, index) == choice
    else:
        assert match(device, index) is None
        assert set(choice.nearest) <= {child.platform for child in index}
        assert str(choice)


@given(device=devices, index=indexes)
def test_the_reason_is_the_nearest_that_the_image_comes(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...]
) -> None:
    choice = choose_child(device, index)
    if not isinstance(choice, Mismatch):
        return
    runs = [item.platform for item in device]
    offered = [child.platform for child in index]
    same_system = {each for each in offered if any(each.os == other.os for other in runs)}
    same_kind = {
        each
        for each in same_system
        if any((each.os, each.architecture) == (other.os, other.architecture) for other in runs)
    }
    nearest = same_kind or same_system or set(offered)
    expected = {Lack.VARIANT: same_kind, Lack.ARCHITECTURE: same_system}.get(choice.lack, set(offered))
    assert set(choice.nearest) == nearest == expected


@given(device=devices, index=indexes, addition=children, position=st.integers(0, 8))
def test_one_more_child_never_uncovers_a_device(
    device: tuple[RunnablePlatform, ...], index: tuple[IndexChild, ...], addition: IndexChild, position: int
) -> None:
    larger = (*index[:position], addition, *index[position:])
    assert match(device, index) is None or match(device, larger) is not None


BASELINES: Final = [
    ("linux/amd64", "linux/amd64/v1"),
    ("linux/arm64", "linux/arm64/v8"),
    ("linux/arm64", "linux/arm64/8"),
    ("linux/arm", "linux/arm/v7"),
    ("linux/arm/v6", "linux/arm/6"),
    ("linux/riscv64", "linux/riscv64/rva20u64"),
    ("linux/x86_64", "linux/amd64"),
    ("linux/aarch64", "linux/arm64"),
]


@given(spelling=st.sampled_from(BASELINES).flatmap(st.permutations), fit=st.sampled_from(Fit), child=children)
def test_an_absent_variant_is_the_baseline_whoever_leaves_it_out(
    spelling: list[str], fit: Fit, child: IndexChild
) -> None:
    mine, theirs = map(Platform.parse, spelling)
    offered = replace(child, platform=theirs)
    assert choose_child((RunnablePlatform(platform=mine, fit=fit),), (offered,)) == Match(
        child=offered, fit=fit
    )
