"""How long a device waits before it connects again."""

from random import Random

import pytest

from polyfleet_agent.adapters.mqtt_backoff import Backoff


class Longest(Random):
    """Draws the longest wait."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the shortest does not matter
        return b


class Shortest(Random):
    """Draws the shortest wait."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the longest does not matter
        return a


def waits(*, times: int, taken_over: bool, rng: Random) -> list[float]:
    backoff, drawn = Backoff(), []
    for _ in range(times):
        backoff = backoff.after(taken_over=taken_over, stood=0)
        drawn.append(backoff.draw_delay(rng))
    return drawn


def test_failures_wait_longer_and_longer_up_to_a_minute() -> None:
    assert waits(times=8, taken_over=False, rng=Longest()) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_jitter_is_full() -> None:
    assert waits(times=8, taken_over=False, rng=Shortest()) == [0] * 8


def test_an_evicted_client_stays_away_for_at_least_half_a_minute() -> None:
    assert waits(times=5, taken_over=True, rng=Shortest()) == [30] * 5
    assert waits(times=5, taken_over=True, rng=Longest()) == [60, 120, 240, 300, 300]


@pytest.mark.parametrize(("stood", "wait"), [(0, 8), (59, 8), (60, 1)])
def test_only_a_connection_that_stood_ends_a_streak_of_failures(stood: float, wait: float) -> None:
    backoff = Backoff(failures=3).after(taken_over=False, stood=stood)
    assert backoff.draw_delay(Longest()) == wait


@pytest.mark.parametrize(("stood", "wait"), [(0, 240), (300, 240), (900, 60)])
def test_only_a_long_peace_ends_a_streak_of_evictions(stood: float, wait: float) -> None:
    backoff = Backoff(evictions=2, evicted=True).after(taken_over=True, stood=stood)
    assert backoff.draw_delay(Longest()) == wait


def test_a_lost_connection_after_an_eviction_waits_as_others_do() -> None:
    backoff = Backoff().after(taken_over=True, stood=0).after(taken_over=False, stood=0)
    assert backoff == Backoff(failures=1, evictions=1)
    assert backoff.draw_delay(Longest()) == 1
