"""What a look at a workload's devices costs the rollout machine: 10,000 of them, beside 1,000.

In milliseconds of the processor, without the store. A tenth of the devices are offline, all others do as they
are told. A look costs work in proportion to the devices: ten times as many are to take ten times as long.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from polyfleet_controller.domain.rollout.beginning import begin_rollout
from polyfleet_controller.domain.rollout.events import Looked, Sighting
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import Rollout, RolloutStatus
from polyfleet_controller.domain.rollout.strategy import DEFAULT_STRATEGY
from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.platforms import Platform

SMALL: Final = 1_000
LARGE: Final = 10_000
ROUNDS: Final = 5
PLATFORMS: Final = tuple(map(Platform.parse, ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/riscv64")))
BASE, TARGET = 1, 2


def test_rollout_machine() -> None:
    """Print what looks cost."""
    small, large = measure(SMALL), measure(LARGE)
    print("\na look of the rollout machine, in milliseconds of the processor")
    print(f"{SMALL:42,} {LARGE:12,}    ratio")
    for what in small:
        print(f"  {what:25}{small[what]:15.1f} {large[what]:12.1f} {large[what] / small[what]:8.1f}")


def measure(devices: int) -> dict[str, float]:
    """By kind of look, the median over whole rollouts."""
    rounds = [roll_out(devices) for _ in range(ROUNDS)]
    return {what: median(figures[what] for figures in rounds) for what in rounds[0]}


def roll_out(devices: int) -> dict[str, float]:
    """The first look, the dearest of those that bring waves on, and one that finds nothing new."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    seen = {
        f"dev-{number}": Sighting(
            platform=PLATFORMS[number % len(PLATFORMS)],
            online=number % 10 != 0,
            revision=BASE,
            standing=Standing.RUNNING,
            available=True,
        )
        for number in range(devices)
    }
    rollout = begin_rollout(
        workload="w1",
        revision=TARGET,
        strategy=DEFAULT_STRATEGY,
        min_ready_seconds=10,
        progress_deadline_seconds=600,
        previous=None,
        base=BASE,
        at=now,
        by="bench",
    )
    taken: list[float] = []
    while rollout.status.is_open:
        rollout = look(rollout, seen, now, taken)
        seen = {
            device: replace(each, revision=rollout.members[device].revision) for device, each in seen.items()
        }
        now += timedelta(seconds=10)
    assert rollout.status is RolloutStatus.COMPLETED
    idle: list[float] = []
    look(rollout, seen, now, idle)
    return {"the first": taken[0], "the dearest after it": max(taken[1:]), "nothing new": idle[0]}


def look(rollout: Rollout, seen: dict[str, Sighting], now: datetime, taken: list[float]) -> Rollout:
    """Look once, and note what that took."""
    event = Looked(sightings=seen)
    began = time.process_time()
    after = react(rollout, event, now).rollout
    taken.append((time.process_time() - began) * 1000)
    return after
