"""Which children a device gets of all images of a workload: one of each, or none of any.

Each image is chosen by itself, by the device's own order of preference. Podman runs containers of different
platforms in one pod, so an image without a native child takes nothing from the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage
from polyfleet_controller.domain.platforms import Match, Mismatch, choose_child
from polyfleet_shared.platforms import Fit, RunnablePlatform

_WORST_FIRST: Final = (Fit.EMULATED, Fit.COMPATIBLE, Fit.NATIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A child of each image, in the order of the images."""

    matches: tuple[Match, ...]

    @property
    def fit(self) -> Fit:
        """How well the device runs the one that it runs worst."""
        found = {each.fit for each in self.matches}
        return next(fit for fit in _WORST_FIRST if fit in found)

    @property
    def children(self) -> tuple[IndexChild, ...]:
        """The children alone."""
        return tuple(each.child for each in self.matches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Why a device gets nothing: the images that have nothing for it. `images` is how many there are."""

    lacks: tuple[tuple[ImageReference, Mismatch], ...]
    images: int

    def __str__(self) -> str:
        if self.images == 1:
            return str(self.lacks[0][1])
        return "; ".join(f"{reference}: {mismatch}" for reference, mismatch in self.lacks)


Cover: TypeAlias = Coverage | Gap


def cover(platforms: tuple[RunnablePlatform, ...], images: tuple[NamedImage, ...]) -> Cover:
    """Choose a child of every image for a device with this list of platforms, or say which has none."""
    choices = [choose_child(platforms, each.image.children) for each in images]
    matches = tuple(choice for choice in choices if isinstance(choice, Match))
    if len(matches) == len(images):
        return Coverage(matches=matches)
    lacks = tuple(
        (each.reference, choice)
        for each, choice in zip(images, choices, strict=True)
        if isinstance(choice, Mismatch)
    )
    return Gap(lacks=lacks, images=len(images))


def find_coverage(platforms: tuple[RunnablePlatform, ...], images: tuple[NamedImage, ...]) -> Coverage | None:
    """What `cover` chooses, None if it is nothing: where nobody asks why."""
    found = cover(platforms, images)
    return found if isinstance(found, Coverage) else None


def sum_children(children: Iterable[IndexChild]) -> int:
    """The bytes of these children, each counted once."""
    return sum({child.child: child.size for child in children}.values())
