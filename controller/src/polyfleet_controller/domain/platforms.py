"""Which child of an image a device gets, or why it gets none."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from polyfleet_controller.domain.images import IndexChild
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The child for a device, and how well the device runs it."""

    child: IndexChild
    fit: Fit


class Lack(StrEnum):
    """How far an image is from what a device runs; the nearest is said."""

    OPERATING_SYSTEM = "operating_system"  # nothing for its operating system
    ARCHITECTURE = "architecture"  # for its operating system, but for other processors
    VARIANT = "variant"  # for its kind of processor, but only for others of that kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Why a device can run no child. `nearest` are the platforms that come closest, in the image's order."""

    lack: Lack
    nearest: tuple[Platform, ...]

    def __str__(self) -> str:
        offered = ", ".join(map(str, self.nearest)) or "nothing at all"
        match self.lack:
            case Lack.OPERATING_SYSTEM:
                return f"the image has nothing for this operating system, only {offered}"
            case Lack.ARCHITECTURE:
                return f"the image has nothing for this kind of processor, only {offered}"
            case Lack.VARIANT:
                return f"for this kind of processor the image has only {offered}, which this one does not run"


Choice: TypeAlias = Match | Mismatch


def choose_child(platforms: tuple[RunnablePlatform, ...], children: tuple[IndexChild, ...]) -> Choice:
    """Choose the child that the device likes best, or say why it can run none.

    `platforms` is the device's list in its order of preference. Of two children for one platform the first
    is taken, as container engines do.
    """
    first: dict[Platform, IndexChild] = {}
    for child in children:
        first.setdefault(child.platform, child)
    for runnable in platforms:
        if runnable.platform in first:
            return Match(child=first[runnable.platform], fit=runnable.fit)
    return _explain([item.platform for item in platforms], first)


def match(platforms: tuple[RunnablePlatform, ...], children: tuple[IndexChild, ...]) -> Match | None:
    """What `choose_child` chooses, None if it is nothing: where nobody asks why."""
    choice = choose_child(platforms, children)
    return choice if isinstance(choice, Match) else None


def _explain(runs: Iterable[Platform], offered: Iterable[Platform]) -> Mismatch:
    systems = {platform.os for platform in runs}
    kinds = {(platform.os, platform.architecture) for platform in runs}
    all_offered = tuple(offered)
    of_system = tuple(platform for platform in all_offered if platform.os in systems)
    of_kind = tuple(platform for platform in of_system if (platform.os, platform.architecture) in kinds)
    if of_kind:
        return Mismatch(lack=Lack.VARIANT, nearest=of_kind)
    if of_system:
        return Mismatch(lack=Lack.ARCHITECTURE, nearest=of_system)
    return Mismatch(lack=Lack.OPERATING_SYSTEM, nearest=all_offered)
