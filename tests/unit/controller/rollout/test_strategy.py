"""How a rollout is to go: what can be said, and what is refused with its path."""

import pytest

from polyfleet_controller.domain.rollout.strategy import (
    Amount,
    InvalidStrategyError,
    Percentage,
    Strategy,
    find_pace_problems,
)
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, Problem


def test_the_default_is_a_canary_of_each_platform_then_a_tenth_a_half_and_all() -> None:
    assert [str(wave.devices) for wave in Strategy().waves] == ["1", "10%", "50%", "100%"]


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [
        ("1", 5, 1),
        ("7", 5, 5),
        ("1", 0, 0),
        ("10%", 5, 1),
        ("10%", 10, 1),
        ("10%", 11, 2),
        ("100%", 7, 7),
        ("1%", 0, 0),
    ],
)
def test_a_percentage_is_rounded_up_and_a_number_is_never_above_all(
    text: str, total: int, expected: int
) -> None:
    assert Amount.parse(text).of(total) == expected


@pytest.mark.parametrize("text", ["0", "-1", "0%", "101%", "1.5", "10 %", "", "%", "ten", "1000001"])
def test_what_is_no_number_of_devices_is_refused(text: str) -> None:
    with pytest.raises(InvalidStrategyError):
        Amount.parse(text)


@pytest.mark.parametrize("text", ["95", "0%", "101%", "9.5%", ""])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(InvalidStrategyError):
        Percentage.parse(text)


def test_all_that_is_wrong_is_told_with_its_path() -> None:
    with pytest.raises(DecodeError) as raised:
        decode(
            Strategy,
            {
                "waves": [{"devices": "5"}, {"devices": "2"}, {"devices": "10%"}, {"devices": "90%"}],
                "waveDeadlineSeconds": 0,
            },
        )
    assert raised.value.problems == (
        Problem(path="waves[1].devices", message="2 is not above 5"),
        Problem(path="waves[3].devices", message="the last wave is for all: write 100%"),
        Problem(path="waveDeadlineSeconds", message="expected 1 to 2592000, got 0"),
    )


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"waves": []}, Problem(path="waves", message="expected 1 to 32 waves, got 0")),
        (
            {"pulls": {"perTopology": 2}},
            Problem(path="pulls.topologyKey", message="perTopology and topologyKey go together"),
        ),
        (
            {"pulls": {"topologyKey": "site"}},
            Problem(path="pulls.perTopology", message="perTopology and topologyKey go together"),
        ),
        (
            {"pulls": {"perRegistry": 0}},
            Problem(path="pulls.perRegistry", message="expected 1 to 1000000, got 0"),
        ),
        (
            {"windows": {"switch": [{"schedule": "0 2 * * *", "durationSeconds": 59}]}},
            Problem(path="windows.switch[0].durationSeconds", message="expected 60 to 604800, got 59"),
        ),
        (
            {"windows": {"download": [{"schedule": "2 o'clock", "durationSeconds": 60}]}},
            Problem(
                path="windows.download[0].schedule",
                message='"2 o\'clock" is no schedule: write minute, hour, day, month and weekday as crontab '
                "has them, for example 0 2 * * 6",
            ),
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(document: object, problem: Problem) -> None:
    with pytest.raises(DecodeError) as raised:
        decode(Strategy, document)
    assert raised.value.problems == (problem,)


def test_a_device_has_longer_than_it_is_watched() -> None:
    assert find_pace_problems(10, 600) == ()
    assert find_pace_problems(600, 600) == (
        Problem(path="progressDeadlineSeconds", message="is to be above minReadySeconds, 600"),
    )
    assert find_pace_problems(-1, 0) == (
        Problem(path="minReadySeconds", message="expected 0 to 2592000, got -1"),
        Problem(path="progressDeadlineSeconds", message="expected 1 to 2592000, got 0"),
    )
