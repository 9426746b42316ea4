"""The one way for a test to wait for something that nobody signals."""

from collections.abc import Callable

import pytest

from polyfleet_controller.lab import deadlines


def wait_until(
    condition: Callable[[], object],
    *,
    timeout: float = 20,
    describe: Callable[[], str] | str = "the condition",
) -> None:
    """Return once the condition holds; fail the test with the description after `timeout` seconds without.

    A description that is called tells how things stand at that moment.
    """
    if not deadlines.wait_until(lambda: bool(condition()), seconds=timeout):
        text = describe if isinstance(describe, str) else describe()
        pytest.fail(f"not within {timeout:g} s: {text}", pytrace=True)
