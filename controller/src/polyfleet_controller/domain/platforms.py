"""Which child of an image a device gets."""

from dataclasses import dataclass

from polyfleet_controller.domain.images import IndexChild
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The child for a device, and how well the device runs it."""

    child: IndexChild
    fit: Fit


def match(platforms: tuple[RunnablePlatform, ...], children: tuple[IndexChild, ...]) -> Match | None:
    """Choose the child that the device likes best, None if it can run none.

    `platforms` is the device's list in its order of preference. Of two children for one platform the first
    is taken, as container engines do.
    """
    first: dict[Platform, IndexChild] = {}
    for child in children:
        first.setdefault(child.platform, child)
    for runnable in platforms:
        if runnable.platform in first:
            return Match(child=first[runnable.platform], fit=runnable.fit)
    return None
