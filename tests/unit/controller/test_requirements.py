import pytest

from polyfleet_controller.domain.requirements import (
    InvalidRequirementError,
    Operator,
    Requirement,
    find_unmet,
)

LABELS = {"site": "berlin", "cores": "8", "name": "x"}


def requirement(text: str) -> Requirement:
    key, operator, *values = text.split()
    return Requirement(key=key, operator=Operator(operator), values=tuple(values))


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("site In berlin paris", True),
        ("site In paris", False),
        ("rack In a", False),
        ("site NotIn paris", True),
        ("site NotIn berlin", False),
        ("rack NotIn a", True),
        ("site Exists", True),
        ("rack Exists", False),
        ("rack DoesNotExist", True),
        ("site DoesNotExist", False),
        ("cores Gt 7", True),
        ("cores Gt 8", False),
        ("cores Lt 9", True),
        ("cores Lt 8", False),
        ("name Gt 1", False),
        ("name Lt 1", False),
        ("rack Lt 1", False),
    ],
)
def test_labels_meet_a_requirement_as_in_kubernetes(text: str, *, met: bool) -> None:
    assert requirement(text).matches(LABELS) == met


@pytest.mark.parametrize(
    "text", ["a In", "a NotIn", "a Exists b", "a DoesNotExist b", "a Gt", "a Gt 1 2", "a Lt x"]
)
def test_an_operator_with_values_that_it_has_no_use_for_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequirementError):
        requirement(text)


def test_the_first_requirement_that_is_not_met_is_found() -> None:
    found = tuple(map(requirement, ["site Exists", "rack Exists", "site In paris"]))
    assert find_unmet(found, LABELS) == found[1]
    assert find_unmet(found[:1], LABELS) is None


def test_a_requirement_reads_like_a_sentence() -> None:
    assert [str(requirement(text)) for text in ("site In a b", "site Exists", "cores Gt 4")] == [
        "site in (a,b)",
        "site",
        "cores>4",
    ]
