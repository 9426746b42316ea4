"""How a workload's releases are rolled out, as its manifest says it in `spec.rollout`."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, Self

from cronsim import CronSim, CronSimError

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, Problem
from polyfleet_shared.workloads import UpdateMethod

DEFAULT_MIN_READY_SECONDS: Final = 10
DEFAULT_PROGRESS_DEADLINE_SECONDS: Final = 600
MAX_SECONDS: Final = 30 * 24 * 60 * 60

MAX_WAVES: Final = 32
_MAX_COUNT: Final = 1_000_000
_ALL: Final = 100
_COUNT: Final = re.compile(r"[1-9][0-9]{0,6}")
_PERCENTAGE: Final = re.compile(r"(?P<number>[1-9][0-9]{0,2})%")
_FIELDS_OF_A_SCHEDULE: Final = 5
_SHOWN: Final = 40
_SOME_DAY: Final = datetime(2000, 1, 1, tzinfo=UTC)


class InvalidStrategyError(PolyfleetError, ValueError):
    """Text that says nothing about how many devices, or when."""


def _find_range(path: str, value: int | None, least: int, most: int) -> Problem | None:
    if value is None or least <= value <= most:
        return None
    return Problem(path=path, message=f"expected {least} to {most}, got {value}")


def _find_lone(limit: int | None, key: str | None) -> Problem | None:
    if (limit is None) == (key is None):
        return None
    lacking = "perTopology" if limit is None else "topologyKey"
    return Problem(path=lacking, message="perTopology and topologyKey go together")


def _check(problems: tuple[Problem | None, ...]) -> None:
    found = tuple(problem for problem in problems if problem is not None)
    if found:
        raise DecodeError(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentage:
    """`95%`: a part of the devices, in whole percent from 1 to 100."""

    percent: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a percentage; raises InvalidStrategyError."""
        match = _PERCENTAGE.fullmatch(text)
        if match is None or int(match["number"]) > _ALL:
            raise InvalidStrategyError(f"{text[:_SHOWN]!r} is no percentage: write 1% to 100%")
        return cls(percent=int(match["number"]))

    def __str__(self) -> str:
        return f"{self.percent}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Some of a number of devices: `3`, or `10%` of them, rounded up. Never none of them."""

    count: int | None = None
    percent: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a number or a percentage; raises InvalidStrategyError."""
        if text.endswith("%"):
            return cls(percent=Percentage.parse(text).percent)
        if _COUNT.fullmatch(text) is None or int(text) > _MAX_COUNT:
            raise InvalidStrategyError(
                f"{text[:_SHOWN]!r} is no number of devices: write 1 to {_MAX_COUNT}, or 1% to 100%"
            )
        return cls(count=int(text))

    def of(self, total: int) -> int:
        """How many that is of `total`."""
        if self.percent is not None:
            return -(-total * self.percent // _ALL)
        return min(total, self.count or 0)

    def __str__(self) -> str:
        return f"{self.count}" if self.percent is None else f"{self.percent}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """So many devices of each platform have the release when it is done, those of earlier waves included.

    With `approval`, an operator lets it begin.
    """

    devices: Amount
    approval: bool = False


class OnFailure(StrEnum):
    """What becomes of the devices of a platform on which a release fails."""

    ROLLBACK = "rollback"  # they go back to what the platform is proven on
    PAUSE = "pause"  # nothing moves until an operator says what is to happen


class Method(StrEnum):
    """How a device changes from the old containers to the new ones."""

    REPLACE = "replace"  # the old ones stop, the new ones start
    START_FIRST = "startFirst"  # the new ones start beside the old ones; no port of the device may be theirs

    @property
    def on_wire(self) -> UpdateMethod:
        """The same, as devices are told."""
        return UpdateMethod.REPLACE if self is Method.REPLACE else UpdateMethod.START_FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a window opens: the five fields of crontab(5), in the device's own time zone."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a schedule; raises InvalidStrategyError."""
        fields = text.split()
        schedule = cls(text=" ".join(fields))
        try:
            if len(fields) == _FIELDS_OF_A_SCHEDULE and schedule.find_next(_SOME_DAY) is not None:
                return schedule
        except CronSimError:
            pass
        message = f"{text[:_SHOWN]!r} is no schedule: write minute, hour, day, month and weekday"
        raise InvalidStrategyError(f"{message} as crontab has them, for example 0 2 * * 6")

    def find_next(self, after: datetime) -> datetime | None:
        """The next opening after a moment, in the time zone of that; None if there is none for decades."""
        return next(CronSim(self.text, after), None)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which something may begin: it opens by the schedule and stays open for so long."""

    schedule: Schedule
    duration_seconds: int

    def __post_init__(self) -> None:
        _check((_find_range("durationSeconds", self.duration_seconds, 60, 7 * 24 * 60 * 60),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """When devices may begin to download a release, and when to switch to it. No windows: at any time."""

    download: tuple[Window, ...] = ()
    switch: tuple[Window, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulls:
    """How many devices download at a time, from one registry and of one place. None: as many as there are.

    Devices are of one place that have the same value of the label `topology_key`.
    """

    per_registry: int | None = None
    per_topology: int | None = None
    topology_key: str | None = None

    def __post_init__(self) -> None:
        _check(
            (
                _find_range("perRegistry", self.per_registry, 1, _MAX_COUNT),
                _find_range("perTopology", self.per_topology, 1, _MAX_COUNT),
                _find_lone(self.per_topology, self.topology_key),
            )
        )


ANY_TIME: Final = Windows()
ANY_NUMBER: Final = Pulls()
_WAVES: Final = tuple(Wave(devices=Amount.parse(text)) for text in ("1", "10%", "50%", "100%"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Every number and every percentage is of the devices of one platform.

    `success_threshold` is of the devices of a wave that have come to an end, well or not. Never more than
    `max_unavailable` have the release and do not run it. A wave that lasts longer than
    `wave_deadline_seconds` has failed.
    """

    waves: tuple[Wave, ...] = _WAVES
    success_threshold: Percentage = Percentage(percent=95)
    max_unavailable: Amount = Amount(percent=25)
    wave_deadline_seconds: int | None = None
    on_failure: OnFailure = OnFailure.ROLLBACK
    windows: Windows = ANY_TIME
    pulls: Pulls = ANY_NUMBER
    method: Method = Method.REPLACE
    prefetch: bool = True

    def __post_init__(self) -> None:
        _check(
            (
                *_find_wave_problems(self.waves),
                _find_range("waveDeadlineSeconds", self.wave_deadline_seconds, 1, MAX_SECONDS),
            )
        )


def find_pace_problems(min_ready_seconds: int, progress_deadline_seconds: int) -> tuple[Problem, ...]:
    """What is wrong with how long a device is watched, and with how long it has."""
    problems = (
        _find_range("minReadySeconds", min_ready_seconds, 0, MAX_SECONDS),
        _find_range("progressDeadlineSeconds", progress_deadline_seconds, 1, MAX_SECONDS),
        Problem(
            path="progressDeadlineSeconds", message=f"is to be above minReadySeconds, {min_ready_seconds}"
        )
        if progress_deadline_seconds <= min_ready_seconds
        else None,
    )
    return tuple(problem for problem in problems if problem is not None)


def _find_wave_problems(waves: tuple[Wave, ...]) -> list[Problem]:
    if not 1 <= len(waves) <= MAX_WAVES:
        return [Problem(path="waves", message=f"expected 1 to {MAX_WAVES} waves, got {len(waves)}")]
    problems = [
        Problem(path=f"waves[{position}].devices", message=f"{after.devices} is not above {before.devices}")
        for position, (before, after) in enumerate(pairwise(waves), start=1)
        if not _can_grow(before.devices, after.devices)
    ]
    if waves[-1].devices.percent != _ALL:
        path = f"waves[{len(waves) - 1}].devices"
        problems.append(Problem(path=path, message="the last wave is for all: write 100%"))
    return problems


def _can_grow(before: Amount, after: Amount) -> bool:
    """A number and a percentage cannot be compared without the fleet."""
    if before.percent is not None and after.percent is not None:
        return before.percent < after.percent
    if before.count is not None and after.count is not None:
        return before.count < after.count
    return True


DEFAULT_STRATEGY: Final = Strategy()
