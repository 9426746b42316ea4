"""A selector selects by what its requirements say, however it is written."""

import contextlib
from collections.abc import Mapping
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.selectors import InvalidSelectorError, Selector

KEYS: Final = ("site", "tier", "example.com/site", "in", "notin")
VALUES: Final = ("north", "a", "b", "in", "")

label_sets = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
keys = st.sampled_from(KEYS)
values = st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(tuple)
requirements = st.one_of(
    st.builds(Requirement, key=keys, operator=st.sampled_from((Operator.IN, Operator.NOT_IN)), values=values),
    st.builds(Requirement, key=keys, operator=st.sampled_from((Operator.EXISTS, Operator.DOES_NOT_EXIST))),
)
selectors = st.builds(Selector, requirements=st.lists(requirements, max_size=4).map(tuple))


@given(selectors)
def test_a_selector_is_read_as_it_is_written(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


@given(selectors, label_sets)
def test_all_requirements_must_hold(selector: Selector, labels: Mapping[str, str]) -> None:
    assert selector.matches(labels) == all(
        Selector(requirements=(requirement,)).matches(labels) for requirement in selector.requirements
    )


@given(requirements, label_sets)
def test_a_requirement_and_its_contrary_never_agree(
    requirement: Requirement, labels: Mapping[str, str]
) -> None:
    contrary = {
        Operator.IN: Operator.NOT_IN,
        Operator.NOT_IN: Operator.IN,
        Operator.EXISTS: Operator.DOES_NOT_EXIST,
        Operator.DOES_NOT_EXIST: Operator.EXISTS,
    }[requirement.operator]
    other = Requirement(key=requirement.key, operator=contrary, values=requirement.values)
    assert requirement.matches(labels) is not other.matches(labels)


@given(keys, values, label_sets)
def test_a_value_that_is_in_is_there(key: str, chosen: tuple[str, ...], labels: Mapping[str, str]) -> None:
    found = Requirement(key=key, operator=Operator.IN, values=chosen).matches(labels)
    assert found == (key in labels and labels[key] in chosen)


@given(st.text(st.sampled_from("ab/.!=(), in\t\n"), max_size=30) | st.text(max_size=30))
def test_any_text_is_a_selector_or_is_refused(text: str) -> None:
    selector = Selector()
    with contextlib.suppress(InvalidSelectorError):
        selector = Selector.parse(text)
    assert Selector.parse(str(selector)) == selector
