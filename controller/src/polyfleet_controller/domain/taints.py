"""Taints keep work off a device, tolerations let it through (Kubernetes, "Taints and Tolerations")."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from polyfleet_shared.errors import PolyfleetError


class InvalidTolerationError(PolyfleetError, ValueError):
    """A toleration that Kubernetes would refuse as well."""


class Effect(StrEnum):
    """As in Kubernetes, and written as there."""

    NO_SCHEDULE = "NoSchedule"  # nothing new comes; what is there stays
    PREFER_NO_SCHEDULE = "PreferNoSchedule"  # only where nothing better is to be had
    NO_EXECUTE = "NoExecute"  # nothing comes, and what is there goes


class TolerationOperator(StrEnum):
    """As in Kubernetes, and written as there."""

    EQUAL = "Equal"
    EXISTS = "Exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    """A mark on a device. `since` is when it was set: how long a toleration lasts counts from there."""

    key: str
    value: str = ""
    effect: Effect
    since: datetime

    def __str__(self) -> str:
        """As `kubectl taint` writes it."""
        value = f"={self.value}" if self.value else ""
        return f"{self.key}{value}:{self.effect}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """What a workload puts up with. Without a key, all of them; without an effect, each effect.

    `toleration_seconds` bounds for how long a NoExecute taint is put up with; None is for ever, and what is
    not above 0 is not at all.
    """

    key: str | None = None
    operator: TolerationOperator = TolerationOperator.EQUAL
    value: str | None = None
    effect: Effect | None = None
    toleration_seconds: int | None = None

    def __post_init__(self) -> None:
        if self.key is None and self.operator is not TolerationOperator.EXISTS:
            raise InvalidTolerationError("a toleration without a key has the operator Exists")
        if self.operator is TolerationOperator.EXISTS and self.value:
            raise InvalidTolerationError("a toleration with the operator Exists has no value")
        if self.toleration_seconds is not None and self.effect is not Effect.NO_EXECUTE:
            raise InvalidTolerationError("tolerationSeconds goes with the effect NoExecute only")

    def covers(self, taint: Taint) -> bool:
        """Whether it is about this taint, for however long."""
        if self.effect is not None and self.effect is not taint.effect:
            return False
        if self.key is not None and self.key != taint.key:
            return False
        return self.operator is TolerationOperator.EXISTS or (self.value or "") == taint.value

    def ends_at(self, taint: Taint) -> datetime | None:
        """When it no longer puts up with a taint that it covers; None is never."""
        if self.toleration_seconds is None or taint.effect is not Effect.NO_EXECUTE:
            return None
        return taint.since + timedelta(seconds=max(0, self.toleration_seconds))


def find_untolerated(
    taints: Iterable[Taint], tolerations: tuple[Toleration, ...], effects: frozenset[Effect], *, now: datetime
) -> Taint | None:
    """The first taint of these effects that nothing puts up with at this moment."""
    for taint in taints:
        if taint.effect in effects and not _is_tolerated(taint, tolerations, now):
            return taint
    return None


def find_next_end(
    taints: Iterable[Taint], tolerations: tuple[Toleration, ...], *, after: datetime | None
) -> datetime | None:
    """The first moment after `after` at which time alone ends a toleration of one of these; None if never."""
    ends = [
        end
        for taint in taints
        for toleration in tolerations
        if toleration.covers(taint)
        and (end := toleration.ends_at(taint)) is not None
        and (after is None or end > after)
    ]
    return min(ends, default=None)


def _is_tolerated(taint: Taint, tolerations: tuple[Toleration, ...], now: datetime) -> bool:
    covering = [toleration for toleration in tolerations if toleration.covers(taint)]
    ends = [toleration.ends_at(taint) for toleration in covering]
    return any(end is None or end > now for end in ends)
