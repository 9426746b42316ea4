"""Selectors as kubectl takes them."""

import pytest

from polyfleet_controller.domain.requirements import Operator, Requirement
from polyfleet_controller.domain.selectors import InvalidSelectorError, Selector

LABELS = {"site": "north", "tier": "a", "empty": ""}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "site=north",
        "site == north",
        "site",
        "!retired",
        "! retired",
        "tier!=b",
        "missing!=b",
        "tier in (a, b)",
        "tier in(a)",
        "tier notin (b,c)",
        "missing notin (b)",
        "empty=",
        "empty in (,x)",
        "site=north,tier in (a,b),!retired",
    ],
)
def test_a_selector_that_holds(text: str) -> None:
    assert Selector.parse(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "site=south",
        "tier!=a",
        "missing",
        "!site",
        "tier in (b)",
        "tier notin (a,b)",
        "site=",
        "site=north,tier=b",
    ],
)
def test_a_selector_that_does_not_hold(text: str) -> None:
    assert not Selector.parse(text).matches(LABELS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=a", "'=a' is no selector: expected a label's key, got '='"),
        ("a=b c", "'a=b c' is no selector: expected a comma, got 'c'"),
        ("a,", "'a,' is no selector: expected a label's key, got the end"),
        ("a in b", "'a in b' is no selector: expected '(', got 'b'"),
        ("a in (b", "'a in (b' is no selector: expected ')', got the end"),
        ("a=(b)", "'a=(b)' is no selector: expected a value, got '('"),
        ("a>1", "'a>1': a label's key is 1 to 63 of letters, digits, '-', '_' and '.'"),
        ("Ab/x=1", "'Ab/x': what stands before '/' in a label's key is a domain name in lower case"),
        ("a=b*", "'a': a label's value is up to 63 of letters, digits, '-', '_' and '.'"),
        ("a" * 4097, "a selector has at most 4096 characters"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidSelectorError) as raised:
        Selector.parse(text)
    assert str(raised.value).startswith(message)


def test_a_selector_says_what_to_write() -> None:
    with pytest.raises(InvalidSelectorError, match=r"write key=value, key!=value, key in \(a,b\)"):
        Selector.parse("a b")


def test_a_selector_is_written_in_one_form() -> None:
    assert str(Selector.parse(" b in (y,x,y) , a==1,c notin(z), !d,e ")) == "b in (x,y),a=1,c!=z,!d,e"


def test_a_selector_compares_no_numbers() -> None:
    above = Requirement(key="floor", operator=Operator.GT, values=("1",))
    with pytest.raises(InvalidSelectorError, match="compares no numbers"):
        Selector(requirements=(above,))
