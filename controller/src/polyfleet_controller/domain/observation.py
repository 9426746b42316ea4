"""What a device says that it works by, against what it was given: the newest history wins by a new epoch."""

from enum import StrEnum
from typing import Final

from polyfleet_shared.messages import DocumentVersion

# Far beyond any honest history, and far enough below 64 bits that whatever follows still fits.
MAX_COUNTER: Final = 2**62


class Lag(StrEnum):
    """How a device's observed document stands to the one that was made for it."""

    UNASSIGNED = "unassigned"  # none was made
    CURRENT = "current"
    BEHIND = "behind"  # an older one, or none yet: send it again
    AHEAD = "ahead"  # a newer one than was ever made here, or another of the same number: history was lost


def compare(assigned: DocumentVersion | None, observed: DocumentVersion | None) -> Lag:
    """Compare the document that was made for a device with the one it works by.

    A device that claims what cannot be gets its document, and no epoch begins for it.
    """
    if assigned is None:
        return Lag.UNASSIGNED
    if observed == assigned:
        return Lag.CURRENT
    if observed is None or observed.order < assigned.order or not is_plausible(observed):
        return Lag.BEHIND
    return Lag.AHEAD


def is_plausible(observed: DocumentVersion) -> bool:
    """Whether the numbers leave room for newer ones."""
    return observed.epoch < MAX_COUNTER and observed.generation < MAX_COUNTER


def begin_epoch(epoch: int, ahead: DocumentVersion) -> int:
    """The epoch in which every document is newer than the one a device is ahead with."""
    return max(epoch, ahead.epoch) + 1


def next_version(*, epoch: int, generation: int, observed: DocumentVersion | None) -> tuple[int, int]:
    """The (epoch, generation) of a device's next document: above all that it has seen, in the least steps."""
    if observed is None or observed.order <= (epoch, generation) or not is_plausible(observed):
        return epoch, generation + 1
    if observed.epoch == epoch:
        return epoch, observed.generation + 1
    return begin_epoch(epoch, observed), generation + 1
