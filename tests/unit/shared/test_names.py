"""One pattern for every name."""

import pytest

from polyfleet_shared.names import InvalidNameError, check_name, is_name


@pytest.mark.parametrize("text", ["a", "7", "a-b", "a--b", "0a", "a" * 63])
def test_a_label_in_lower_case_is_a_name(text: str) -> None:
    assert is_name(text)
    assert check_name("device name", text) == text


@pytest.mark.parametrize("text", ["", "A", "-", "a-", "-a", "a.b", "a b", "a\n", "a" * 64, "é", "٣"])
def test_anything_else_is_refused_with_its_kind_and_the_rule(text: str) -> None:
    assert not is_name(text)
    with pytest.raises(InvalidNameError, match="is no device name: use 1 to 63 of a-z, 0-9 and '-'"):
        check_name("device name", text)


def test_a_long_name_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidNameError) as caught:
        check_name("device name", "x" * 100_000)
    assert len(str(caught.value)) < 300
