"""Whose message it is: a rebuilt device under its old name, a late message of its former life, or a clone.

An incarnation is minted with a device's state directory. One that nobody knew supersedes the one in force. A
superseded one proves that two machines share the name only by coming online again, after it was last seen:
wills, retained copies and delayed messages of a former life prove nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NEVER: Final = (0, 0)


class Verdict(StrEnum):
    """What a message's incarnation means."""

    SAME = "same"  # the one in force
    SUPERSEDES = "supersedes"  # from now on the one in force; its history starts anew
    STALE = "stale"  # a former life: changes nothing
    CLONE = "clone"  # a former life that lives: two machines under one name


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """A device's incarnations.

    `current` is None for a new device, and after an operator has resolved a duplicate: then the first one
    that is heard is in force. `former` tells of each superseded one at which (boot, connection) it was last
    seen online or known to be.
    """

    current: str | None = None
    former: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def judge(lives: Lives, incarnation: str, *, live: bool, online: tuple[int, int] | None) -> Verdict:
    """Judge a message: `live` if no retained copy, `online` the (boot, connection) of an online presence."""
    if incarnation == lives.current:
        return Verdict.SAME
    last_seen = lives.former.get(incarnation)
    if last_seen is None:
        return Verdict.SUPERSEDES
    if not live:
        return Verdict.STALE
    if lives.current is None:
        return Verdict.SUPERSEDES
    return Verdict.CLONE if online is not None and online > last_seen else Verdict.STALE
