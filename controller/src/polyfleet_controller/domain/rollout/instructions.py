"""What a rollout wants done. Its members say the same: what each is given, and what it gets ready."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from polyfleet_controller.domain.rollout.states import Rollout
from polyfleet_shared.platforms import Platform

# Who did what no operator asked for.
ITSELF: Final = "rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """These devices are given the target from now on."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """These devices are given this revision instead of the target; None: the workload is taken from them."""

    devices: tuple[str, ...]
    revision: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefetch:
    """What these devices get ready on their disk has changed: see `Member.prefetching`."""

    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line of the rollout's history, about one platform or, with None, about all."""

    at: datetime
    by: str
    platform: Platform | None
    what: str


Instruction: TypeAlias = Release | Return | Prefetch | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The rollout after an event, and what is to be done."""

    rollout: Rollout
    instructions: tuple[Instruction, ...] = ()
