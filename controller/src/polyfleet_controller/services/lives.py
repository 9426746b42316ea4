"""The lives of a device as they are kept: the one in force, and those that it superseded."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.incarnations import NEVER, Lives
from polyfleet_controller.store.lives import Life

# A device whose state directory does not outlast a boot has a new life with each.
KEPT: Final = 20


def renew_lives(known: Mapping[str, Life], lives: Lives, *, now: datetime) -> dict[str, Life]:
    """What is kept after a change: all that is known, less the oldest superseded ones."""
    renewed = {
        incarnation: replace(
            known.get(incarnation) or _begin(incarnation, now),
            seen=seen,
            superseded_at=_superseded_at(known.get(incarnation), now),
        )
        for incarnation, seen in lives.former.items()
    }
    surplus = max(0, len(renewed) + 1 - KEPT)
    for incarnation in sorted(renewed, key=lambda key: renewed[key].first_seen)[:surplus]:
        del renewed[incarnation]
    if lives.current is not None:
        current = known.get(lives.current) or _begin(lives.current, now)
        again = current.superseded_at is not None
        renewed[lives.current] = replace(current, superseded_at=None) if again else current
    return renewed


def _begin(incarnation: str, now: datetime) -> Life:
    return Life(incarnation=incarnation, first_seen=now, superseded_at=None, seen=NEVER, acknowledged=0)


def _superseded_at(known: Life | None, now: datetime) -> datetime:
    return now if known is None or known.superseded_at is None else known.superseded_at
