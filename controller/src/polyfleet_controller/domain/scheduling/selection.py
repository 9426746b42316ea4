"""Which devices a workload runs on: all that can have it, or the best of them, moved only in need."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never

from polyfleet_controller.domain.scheduling.candidates import Candidate
from polyfleet_controller.domain.scheduling.filters import FilterName, Refusal, find_refusal
from polyfleet_controller.domain.scheduling.requests import (
    Everywhere,
    Replicas,
    Request,
    WhenUnsatisfiable,
)
from polyfleet_controller.domain.scheduling.scorers import score


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """`chosen` have the workload, by name. `refused` cannot have it; `spare` could, and are not needed.

    `missing` replicas found no device that is within reach. Where that is so, those on devices out of reach
    stay: they are chosen as well as refused.
    """

    chosen: frozenset[str]
    refused: Mapping[str, Refusal]
    spare: frozenset[str]
    missing: int = 0


def select(request: Request, candidates: Iterable[Candidate], *, now: datetime) -> Selection:
    """Decide for a workload over all devices there are. Equal input gives equal output, in whatever order."""
    able: list[Candidate] = []
    refused: dict[str, Refusal] = {}
    lingering: list[str] = []
    for candidate in candidates:
        refusal = find_refusal(request, candidate, now=now)
        if refusal is None:
            able.append(candidate)
            continue
        refused[candidate.name] = refusal
        if candidate.placed and refusal.filter is FilterName.REACH:
            lingering.append(candidate.name)
    match request.extent:
        case Everywhere():
            chosen = frozenset(candidate.name for candidate in able)
            return Selection(chosen=chosen, refused=refused, spare=frozenset())
        case Replicas(count=count):
            chosen = _choose(request, able, count, now)
            spare = frozenset(candidate.name for candidate in able) - chosen
            missing = count - len(chosen)
            chosen |= frozenset(sorted(lingering)[:missing])
            return Selection(chosen=chosen, refused=refused, spare=spare, missing=missing)
        case _:
            assert_never(request.extent)


def _choose(request: Request, able: Sequence[Candidate], count: int, now: datetime) -> frozenset[str]:
    """Whoever has it keeps it, and only what is missing is chosen anew; of too many the best keep it."""
    placed = [candidate for candidate in able if candidate.placed]
    if len(placed) >= count:
        return _Spreading(request, (), now).keep(placed, count)
    others = [candidate for candidate in able if not candidate.placed]
    kept = frozenset(candidate.name for candidate in placed)
    return kept | _Spreading(request, placed, now).add(others, count - len(placed))


# What devices have in common by the labels that the replicas are spread by, one value for each.
_Place: TypeAlias = tuple[str | None, ...]
# Less is better: the score, negated, and a draw among equals.
_Rank: TypeAlias = tuple[float, bytes]


class _Spreading:
    """Takes devices one by one: of the emptiest place, the best."""

    def __init__(self, request: Request, placed: Iterable[Candidate], now: datetime) -> None:
        self._request = request
        self._now = now
        self._counts: tuple[Counter[str | None], ...] = tuple(Counter() for _ in request.spreads)
        for candidate in placed:
            self._count(self._place(candidate))

    def add(self, candidates: Sequence[Candidate], number: int) -> frozenset[str]:
        """So many of these, or as many as the constraints allow."""
        return self._take(candidates, number, self._may_grow)

    def keep(self, candidates: Sequence[Candidate], number: int) -> frozenset[str]:
        """Exactly so many of these: nothing is moved for the sake of a constraint."""
        return self._take(candidates, number, lambda _place: True)

    def _take(
        self, candidates: Sequence[Candidate], number: int, may_grow: Callable[[_Place], bool]
    ) -> frozenset[str]:
        places = self._sort(candidates)
        taken: set[str] = set()
        while len(taken) < number:
            open_places = [place for place in places if places[place] and may_grow(place)]
            if not open_places:
                break
            best = min(open_places, key=lambda place: (self._crowding(place), places[place][-1][0]))
            _, name = places[best].pop()
            self._count(best)
            taken.add(name)
        return frozenset(taken)

    def _sort(self, candidates: Sequence[Candidate]) -> dict[_Place, list[tuple[_Rank, str]]]:
        """The devices of each place, the best last."""
        places: dict[_Place, list[tuple[_Rank, str]]] = {}
        for candidate in candidates:
            rank = (-score(self._request, candidate, now=self._now), self._draw(candidate))
            places.setdefault(self._place(candidate), []).append((rank, candidate.name))
        for place, ranked in places.items():
            ranked.sort(reverse=True)
            for counts, value in zip(self._counts, place, strict=True):
                counts.setdefault(value, 0)
        return places

    def _draw(self, candidate: Candidate) -> bytes:
        """Among equals, each workload prefers others."""
        return hashlib.sha256(f"{self._request.uid}/{candidate.name}".encode()).digest()

    def _place(self, candidate: Candidate) -> _Place:
        return tuple(candidate.labels.get(spread.topology_key) for spread in self._request.spreads)

    def _count(self, place: _Place) -> None:
        for counts, value in zip(self._counts, place, strict=True):
            counts[value] += 1

    def _crowding(self, place: _Place) -> int:
        return sum(counts[value] for counts, value in zip(self._counts, place, strict=True))

    def _may_grow(self, place: _Place) -> bool:
        return all(
            spread.when_unsatisfiable is WhenUnsatisfiable.SCHEDULE_ANYWAY
            or counts[value] + 1 - min(counts.values()) <= spread.max_skew
            for spread, counts, value in zip(self._request.spreads, self._counts, place, strict=True)
        )
