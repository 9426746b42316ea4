"""Quantities mean what Kubernetes means by them, in one form."""

import pytest

from polyfleet_controller.domain.quantities import InvalidQuantityError, Notation, Quantity


@pytest.mark.parametrize(
    ("text", "nanos", "canonical"),
    [
        ("0", 0, "0"),
        ("0Mi", 0, "0"),
        ("1", 10**9, "1"),
        ("+1", 10**9, "1"),
        ("1.", 10**9, "1"),
        (".5", 5 * 10**8, "500m"),
        ("0.5", 5 * 10**8, "500m"),
        ("500m", 5 * 10**8, "500m"),
        ("1000m", 10**9, "1"),
        ("100n", 100, "100n"),
        ("1u", 1000, "1u"),
        ("1500", 1500 * 10**9, "1500"),
        ("2000", 2000 * 10**9, "2k"),
        ("1e3", 1000 * 10**9, "1k"),
        ("1E3", 1000 * 10**9, "1k"),
        ("1E", 10**18 * 10**9, "1E"),
        ("12e-1", 1_200_000_000, "1200m"),
        ("64M", 64 * 10**6 * 10**9, "64M"),
        ("64Mi", 64 * 2**20 * 10**9, "64Mi"),
        ("1024Mi", 2**30 * 10**9, "1Gi"),
        ("0.5Gi", 2**29 * 10**9, "512Mi"),
        ("1023Ki", 1023 * 1024 * 10**9, "1023Ki"),
        ("0.0000000001", 1, "1n"),
    ],
)
def test_a_quantity_has_one_value_and_one_text(text: str, nanos: int, canonical: str) -> None:
    quantity = Quantity.parse(text)
    assert (quantity.nanos, str(quantity)) == (nanos, canonical)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "Mi",
        "1 Mi",
        "64MB",
        "64mb",
        "64K",
        "1KI",
        "0x10",
        "1_000",
        "1e",
        "1e1e1",
        "1ee3",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1\n",
    ],
)
def test_what_kubernetes_does_not_write_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantityError) as caught:
        Quantity.parse(text)
    assert str(caught.value) == (
        f"{text!r} is no quantity: write a number and a suffix as Kubernetes has them, "
        "for example 64Mi, 500m or 1.5"
    )


@pytest.mark.parametrize("text", ["-1", "-500m", "9223372036854775808", "8Ei", "1e999"])
def test_what_no_limit_can_be_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantityError) as caught:
        Quantity.parse(text)
    assert str(caught.value) == "a quantity is between 0 and 9223372036854775807"


def test_fractions_are_rounded_up_so_that_nobody_gets_less() -> None:
    quantity = Quantity.parse("1500u")
    assert (quantity.units, quantity.thousandths, quantity.is_whole) == (1, 2, False)


def test_the_notation_is_no_part_of_the_value() -> None:
    assert Quantity.parse("1Ki") == Quantity.parse("1024")
    assert Quantity.parse("1Ki").notation is Notation.BINARY
