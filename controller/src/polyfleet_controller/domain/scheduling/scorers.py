"""Where a workload does best. Each scorer is one function from 0 (worst) to 1; SCORERS says what each weighs.

A new scorer is a member of ScorerName, a function, and a line in SCORERS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from polyfleet_controller.domain.coverage import Coverage, sum_children
from polyfleet_controller.domain.scheduling.candidates import Candidate
from polyfleet_controller.domain.scheduling.requests import Request
from polyfleet_controller.domain.taints import Effect, find_untolerated
from polyfleet_shared.platforms import Fit

_FITS: Final = {Fit.NATIVE: 1.0, Fit.COMPATIBLE: 0.8, Fit.EMULATED: 0.0}
_DISLIKED: Final = frozenset({Effect.PREFER_NO_SCHEDULE})


class ScorerName(StrEnum):
    """Which scorer said how well a device suits."""

    FIT = "fit"
    TAINTS = "taints"
    PREFERENCES = "preferences"
    LAYERS = "layers"
    ROOM = "room"


Scorer: TypeAlias = Callable[[Request, Candidate, datetime], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """A scorer and how much it counts beside the others."""

    weight: float
    scorer: Scorer


def score(request: Request, candidate: Candidate, *, now: datetime) -> float:
    """How well a device that passed all filters suits; only compares with others of the same request."""
    return sum(item.weight * item.scorer(request, candidate, now) for item in SCORERS.values())


def score_parts(request: Request, candidate: Candidate, *, now: datetime) -> dict[ScorerName, float]:
    """What each scorer adds to the score."""
    return {name: item.weight * item.scorer(request, candidate, now) for name, item in SCORERS.items()}


def _score_fit(request: Request, candidate: Candidate, _now: datetime) -> float:
    found = request.cover(candidate.platforms) if request.images else None
    return _FITS[found.fit] if isinstance(found, Coverage) else 0.0


def _score_taints(request: Request, candidate: Candidate, now: datetime) -> float:
    disliked = find_untolerated(candidate.taints, request.tolerations, _DISLIKED, now=now)
    return 1.0 if disliked is None else 0.0


def _score_preferences(request: Request, candidate: Candidate, _now: datetime) -> float:
    total = sum(item.weight for item in request.preferences)
    if not total:
        return 0.0
    met = sum(item.weight for item in request.preferences if item.term.is_met(candidate.labels))
    return met / total


def _score_layers(request: Request, candidate: Candidate, _now: datetime) -> float:
    """The share of the bytes that need not be pulled."""
    found = request.cover(candidate.platforms)
    size = sum_children(found.children) if isinstance(found, Coverage) else 0
    if not isinstance(found, Coverage) or not size:
        return 0.0
    children = {child.child: child for child in found.children}.values()
    layers = (layer for child in children for layer in child.layers)
    return min(1.0, sum(layer.size for layer in layers if layer.digest in candidate.layers) / size)


def _score_room(request: Request, candidate: Candidate, _now: datetime) -> float:
    """The smaller share of memory and CPU that is still free afterwards: the emptier device is better."""
    capacity, free, needed = candidate.capacity, candidate.free, request.resources
    shares = [
        max(0, have - want) / size
        for have, want, size in (
            (free.memory, needed.memory, capacity.memory),
            (free.cpu, needed.cpu, capacity.cpu),
        )
        if size
    ]
    return min(shares, default=0.0)


# A device that runs it natively beats one that emulates it, whatever else speaks for the latter.
SCORERS: Final[dict[ScorerName, Weighed]] = {
    ScorerName.FIT: Weighed(weight=10.0, scorer=_score_fit),
    ScorerName.TAINTS: Weighed(weight=3.0, scorer=_score_taints),
    ScorerName.PREFERENCES: Weighed(weight=2.0, scorer=_score_preferences),
    ScorerName.LAYERS: Weighed(weight=1.0, scorer=_score_layers),
    ScorerName.ROOM: Weighed(weight=1.0, scorer=_score_room),
}
