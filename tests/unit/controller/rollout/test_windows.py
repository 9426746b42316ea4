"""Maintenance windows, by the clock of the device."""

from datetime import UTC, datetime

import pytest

from polyfleet_controller.domain.rollout.strategy import InvalidStrategyError, Schedule, Window
from polyfleet_controller.domain.rollout.windows import Calendar

HOUR = 60 * 60


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def window(schedule: str, seconds: int = HOUR) -> Window:
    return Window(schedule=Schedule.parse(schedule), duration_seconds=seconds)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-11-27T01:59:59Z", "2026-11-27T02:00:00Z"),
        ("2026-11-27T02:00:00Z", None),
        ("2026-11-27T02:59:59Z", None),
        ("2026-11-27T03:00:00Z", "2026-11-28T02:00:00Z"),
    ],
)
def test_a_window_is_open_from_its_schedule_on_for_as_long_as_it_says(now: str, opening: str | None) -> None:
    expected = None if opening is None else at(opening)
    assert Calendar((window("0 2 * * *"),), at(now)).find_opening("") == expected


@pytest.mark.parametrize(
    ("zone", "now", "opening"),
    [
        ("Asia/Tokyo", "2026-11-26T17:30:00Z", None),
        ("Europe/Berlin", "2026-11-26T17:30:00Z", "2026-11-27T01:00:00Z"),
        ("Nowhere/Atoll", "2026-11-26T17:30:00Z", "2026-11-27T02:00:00Z"),  # not known: UTC
        ("", "2026-11-26T17:30:00Z", "2026-11-27T02:00:00Z"),
        ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"),  # two o'clock is left out there
        ("Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z"),  # and comes twice here
    ],
)
def test_it_is_the_devices_own_clock_that_counts(zone: str, now: str, opening: str | None) -> None:
    expected = None if opening is None else at(opening)
    assert Calendar((window("0 2 * * *"),), at(now)).find_opening(zone) == expected


def test_of_several_windows_one_is_enough() -> None:
    windows = (window("0 2 * * *"), window("30 12 * * 1-5"))
    assert Calendar(windows, at("2026-11-27T13:00:00Z")).find_opening("") is None
    assert Calendar(windows, at("2026-11-27T12:00:00Z")).find_opening("") == at("2026-11-27T12:30:00Z")
    assert Calendar((), at("2026-11-28T12:00:00Z")).find_opening("") is None


@pytest.mark.parametrize(
    "text", ["", "2", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "a b c d e", "0 2 * * 8"]
)
def test_what_is_no_schedule_or_never_comes_is_refused(text: str) -> None:
    with pytest.raises(InvalidStrategyError, match="is no schedule"):
        Schedule.parse(text)
