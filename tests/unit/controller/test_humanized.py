"""Times and sizes as people say them."""

from datetime import UTC, datetime, timedelta

import pytest

from polyfleet_controller.cli.humanized import humanize_age, humanize_bytes, humanize_duration

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.9, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (600, "10 min"),
        (659, "10 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "23 h"),
        (90_000, "1 d 1 h"),
        (30 * 86_400, "30 d"),
    ],
)
def test_a_duration_has_as_much_as_one_wants_to_know(seconds: float, text: str) -> None:
    assert humanize_duration(seconds) == text


@pytest.mark.parametrize(
    ("ago", "text"), [(0.5, "just now"), (-0.5, "just now"), (180, "3 min ago"), (-180, "in 3 min")]
)
def test_an_age_tells_the_future_from_the_past(ago: float, text: str) -> None:
    assert humanize_age(NOW - timedelta(seconds=ago), NOW) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (12_345_678, "11.8 MiB"),
        (2**63 - 1, "8.0 EiB"),
        (2**70, "1024.0 EiB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(size: int, text: str) -> None:
    assert humanize_bytes(size) == text
