"""No sequence of changes, by whatever source, takes from a device what only its inventory says."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from controlroom import HOST, Voice
from polyfleet_controller.domain.device_labels import PROTECTED, DeviceLabels, LabelChange, LabelSource
from polyfleet_controller.domain.labels import find_key_problems, find_value_problems
from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError
from polyfleet_controller.domain.taint_changes import TaintChange, TaintRemoval, TaintSetting, change_taints
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_shared.messages import Inventory
from polyfleet_shared.platforms import Platform

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
KEYS: Final = (
    *sorted(PROTECTED),
    "polyfleet.io/site",
    "polyfleet.io/tier",
    "topology.kubernetes.io/zone",
    "site",
    "no key",
)
VALUES: Final = ("amd64", "linux", "v2", "north", "south", "", "no value")

keys = st.sampled_from(KEYS)
values = st.sampled_from(VALUES)
said = st.dictionaries(keys, values, max_size=5)
label_changes = st.builds(
    LabelChange,
    set=said,
    remove=st.lists(keys, max_size=3).map(tuple),
    overwrite=st.booleans(),
)
platforms = st.sampled_from(("linux/amd64", "linux/amd64/v2", "linux/arm/v7")).map(Platform.parse)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    return replace(
        Voice().inventory(),
        platform=draw(platforms),
        host=replace(HOST, hostname=draw(st.sampled_from(("board", "", "no value")))),
        labels=draw(said),
    )


def apply(known: DeviceLabels, change: LabelChange) -> DeviceLabels:
    with contextlib.suppress(MarkRefusedError):
        return replace(known, operator=known.change(change))
    return known


@given(st.none() | inventories(), st.lists(label_changes | inventories(), max_size=6))
def test_nothing_but_the_inventory_changes_a_protected_label(
    first: Inventory | None, steps: list[LabelChange | Inventory]
) -> None:
    inventory, known = first, DeviceLabels.gather("edge-1", first, {})
    for step in steps:
        if isinstance(step, Inventory):
            inventory, known = step, DeviceLabels.gather("edge-1", step, known.operator)
        else:
            known = apply(known, step)
        protected = {key: value for key, value in known.counting.items() if key in PROTECTED}
        expected = {} if inventory is None else dict(known.inventory)
        assert protected == expected
        assert not known.operator.keys() & PROTECTED
        assert "polyfleet.io/tier" not in known.counting
        for key, value in known.counting.items():
            assert not find_key_problems(key)
            assert not find_value_problems(value)


@given(inventories(), st.lists(label_changes, max_size=6))
def test_what_counts_is_a_function_of_the_three_sources(
    inventory: Inventory, changes: list[LabelChange]
) -> None:
    known = DeviceLabels.gather("edge-1", inventory, {})
    for change in changes:
        known = apply(known, change)
    ignored = {label.key for label in known.ignored}
    configured = {key: value for key, value in inventory.labels.items() if key not in ignored}
    assert known.counting == {**configured, **known.operator, **known.inventory}
    assert known == DeviceLabels.gather("edge-1", inventory, known.operator)
    assert {label.key: label.value for label in known.explained} == known.counting
    sources: Mapping[LabelSource, Mapping[str, str]] = {
        LabelSource.INVENTORY: known.inventory,
        LabelSource.OPERATOR: known.operator,
        LabelSource.DEVICE: known.configured,
    }
    for label in known.explained:
        assert sources[label.source][label.key] == label.value


@given(inventories(), said, label_changes)
def test_setting_labels_again_changes_nothing(
    inventory: Inventory, before: Mapping[str, str], change: LabelChange
) -> None:
    known = apply(DeviceLabels.gather("edge-1", inventory, {}), LabelChange(set=before))
    once = apply(known, change)
    assert apply(once, change) == once
    assert apply(once, replace(change, overwrite=False)) == once


@given(inventories(), label_changes, label_changes)
def test_without_overwriting_no_value_is_lost_that_was_not_removed(
    inventory: Inventory, first: LabelChange, second: LabelChange
) -> None:
    known = apply(DeviceLabels.gather("edge-1", inventory, {}), first)
    after = apply(known, replace(second, overwrite=False))
    lost = {key for key, value in known.counting.items() if after.counting.get(key) != value}
    assert lost <= set(second.remove) & known.operator.keys()


@given(inventories(), label_changes, label_changes)
def test_what_conflicts_is_taken_when_it_is_meant(
    inventory: Inventory, first: LabelChange, second: LabelChange
) -> None:
    known = apply(DeviceLabels.gather("edge-1", inventory, {}), first)
    with contextlib.suppress(MarkRefusedError):
        try:
            known.change(replace(second, overwrite=False))
        except MarkConflictError:
            meant = replace(known, operator=known.change(replace(second, overwrite=True)))
            assert meant.counting.items() >= second.set.items()


taint_keys = st.sampled_from(("dedicated", "example.com/broken", "polyfleet.io/x", "no key"))
effects = st.sampled_from(Effect)
taint_changes = st.builds(
    TaintChange,
    set=st.lists(
        st.builds(TaintSetting, key=taint_keys, value=st.sampled_from(("", "a", "b", "-")), effect=effects),
        max_size=3,
    ).map(tuple),
    remove=st.lists(st.builds(TaintRemoval, key=taint_keys, effect=st.none() | effects), max_size=2).map(
        tuple
    ),
    overwrite=st.booleans(),
)


def mark(taints: tuple[Taint, ...], change: TaintChange, now: datetime) -> tuple[Taint, ...]:
    with contextlib.suppress(MarkRefusedError):
        return change_taints(taints, change, now=now)
    return taints


@given(st.lists(taint_changes, max_size=6))
def test_a_taint_is_as_old_as_its_value(changes: list[TaintChange]) -> None:
    taints: tuple[Taint, ...] = ()
    for minutes, change in enumerate(changes):
        now = START + timedelta(minutes=minutes)
        before, taints = taints, mark(taints, change, now)
        places = [(taint.key, taint.effect) for taint in taints]
        assert places == sorted(set(places))
        assert not any(key.startswith("polyfleet.io/") or find_key_problems(key) for key, _ in places)
        kept = set(before)
        assert all(taint in kept or taint.since == now for taint in taints)
        values = {(taint.key, taint.effect): taint.value for taint in before}
        assert all(taint in kept or values.get((taint.key, taint.effect)) != taint.value for taint in taints)
        assert mark(taints, change, now + timedelta(seconds=1)) == taints
