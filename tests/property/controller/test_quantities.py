"""A quantity's text reads back as the same quantity, and order is the order of amounts."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from polyfleet_controller.domain.quantities import InvalidQuantityError, Notation, Quantity

MAX = (2**63 - 1) * 10**9

quantities = st.builds(
    Quantity,
    nanos=st.integers(0, MAX) | st.integers(0, 10**6).map(lambda count: count * 2**20 * 10**9),
    notation=st.sampled_from(Notation),
)


@given(quantities)
def test_a_quantity_round_trips(quantity: Quantity) -> None:
    assert Quantity.parse(str(quantity)) == quantity


@given(quantities)
def test_the_text_is_the_only_one_of_its_notation(quantity: Quantity) -> None:
    assert str(Quantity.parse(str(quantity))) == str(quantity)


@given(quantities)
def test_rounding_never_gives_less_and_never_a_whole_unit_more(quantity: Quantity) -> None:
    exact = Fraction(quantity.nanos, 10**9)
    assert 0 <= quantity.units - exact < 1
    assert 0 <= quantity.thousandths - exact * 1000 < 1


@given(st.text(max_size=12) | st.text("0123456789.eE+-numkMGTPEi", max_size=12))
def test_any_text_is_a_quantity_or_is_refused(text: str) -> None:
    try:
        quantity = Quantity.parse(text)
    except InvalidQuantityError:
        return
    assert Quantity.parse(str(quantity)) == quantity
