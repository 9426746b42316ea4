"""The devices that an image is checked for, counted by the database."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from controlroom import ControlRoom, Voice, digest
from polyfleet_controller.domain.preflight import TargetGroup
from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.store.targets import count_unjudged, list_target_names, load_targets
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform

LABELS: tuple[dict[str, str], ...] = (
    {"site": "north", "tier": "a"},
    {"site": "south", "tier": "a"},
    {"site": "north"},
    {"spare": ""},
    {},
)


@pytest.fixture
def voices(room: ControlRoom) -> tuple[Voice, ...]:
    """Devices with these labels, of two kinds."""
    voices = tuple(
        Voice(name=f"dev-{n}", platform="linux/arm64" if n == 1 else "linux/amd64", labels=labels)
        for n, labels in enumerate(LABELS)
    )
    room.enrol(*voices)
    return voices


def targets(room: ControlRoom, selector: str = "") -> dict[str, tuple[int, tuple[str, ...]]]:
    """By platform: the number of devices, and their names."""
    chosen = Selector.parse(selector)
    with room.database.read() as connection:
        groups = load_targets(connection, chosen)
        names = list_target_names(connection, [group.platform_set for group in groups], chosen, limit=3)
    return {str(group.platform): (group.devices, names[group.platform_set]) for group in groups}


@pytest.mark.usefixtures("voices")
def test_devices_are_counted_by_kind_and_named_up_to_a_limit(room: ControlRoom) -> None:
    assert targets(room) == {
        "linux/amd64": (4, ("dev-0", "dev-2", "dev-3")),
        "linux/arm64": (1, ("dev-1",)),
    }
    assert targets(room, "site=north") == {"linux/amd64": (2, ("dev-0", "dev-2"))}
    assert targets(room, "kubernetes.io/arch in (arm64)") == {"linux/arm64": (1, ("dev-1",))}
    assert targets(room, "nothing") == {}


def test_devices_that_run_the_same_are_one_group(room: ControlRoom) -> None:
    voices = [Voice(name=f"dev-{n}") for n in range(5)]
    room.enrol(*voices)
    room.apply("one")
    room.apply("two", tag="2")
    room.settle(*voices[:3])
    voices[0].workloads = voices[0].workloads[:1]
    room.receive(voices[0].report())
    with room.database.read() as connection:
        groups = load_targets(connection)
    platforms = (RunnablePlatform(platform=Platform.parse("linux/amd64"), fit=Fit.NATIVE),)
    one, two = digest("1 linux/amd64"), digest("2 linux/amd64")
    (first,) = [group for group in groups if len(group.proven) == 1]
    assert first.proven <= {one, two}
    assert {(group.platforms, group.proven, group.devices) for group in groups} == {
        (platforms, frozenset(), 2),
        (platforms, first.proven, 1),
        (platforms, frozenset({one, two}), 2),
    }
    assert all(isinstance(group, TargetGroup) for group in groups)


def test_who_is_given_nothing_is_no_target_but_counted_apart(room: ControlRoom) -> None:
    silent, twin, stranger = Voice(name="silent"), Voice(name="twin"), Voice(name="stranger")
    room.receive(silent.connect(), silent.report())
    room.enrol(twin, stranger)
    room.receive(*twin.reinstall("life-2").introduce(), *twin.introduce())
    room.devices.delete("stranger", now=room.now)
    room.receive(*stranger.introduce())
    with room.database.read() as connection:
        assert (load_targets(connection), count_unjudged(connection)) == ((), 2)
        assert count_unjudged(connection, Selector.parse("!kubernetes.io/hostname")) == 1


values = st.lists(st.sampled_from(("north", "south", "a", "")), min_size=1, max_size=2).map(tuple)
keys = st.sampled_from(("site", "tier", "spare"))
selectors = st.builds(
    Selector,
    requirements=st.lists(
        st.one_of(
            st.builds(
                Requirement, key=keys, operator=st.sampled_from((Operator.IN, Operator.NOT_IN)), values=values
            ),
            st.builds(
                Requirement,
                key=keys,
                operator=st.sampled_from((Operator.EXISTS, Operator.DOES_NOT_EXIST)),
            ),
        ),
        max_size=3,
    ).map(tuple),
)


@pytest.mark.usefixtures("voices")
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(selector=selectors)
@example(selector=Selector.parse("site!=north,!spare"))
def test_the_database_selects_as_the_selector_does(room: ControlRoom, selector: Selector) -> None:
    with room.database.read() as connection:
        groups = load_targets(connection, selector)
        names = list_target_names(
            connection, [group.platform_set for group in groups], selector, limit=len(LABELS)
        )
    expected = {f"dev-{n}" for n, labels in enumerate(LABELS) if selector.matches(labels)}
    assert {name for found in names.values() for name in found} == expected
    assert sum(group.devices for group in groups) == len(expected)
