"""Which of the targeted devices get which child of an image, what they have to pull, and which get none.

Devices come in groups, so that ten thousand cost no more than the few kinds of device that they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from polyfleet_controller.domain.images import IndexChild, Layer
from polyfleet_controller.domain.platforms import Choice, Match, Mismatch, choose_child
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """Devices that list the same platforms, and prove that they run the same images.

    `platform_set` names the `platforms`; `proven` are the digests of the children.
    """

    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    proven: frozenset[str]
    devices: int

    @property
    def platform(self) -> Platform:
        """The devices' own platform."""
        return self.platforms[0].platform


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSize:
    """Bytes to pull: of all devices together, and of the one that has the least and the most to pull."""

    total: int
    least: int
    most: int

    def __add__(self, other: "PullSize") -> "PullSize":
        return PullSize(
            total=self.total + other.total,
            least=min(self.least, other.least),
            most=max(self.most, other.most),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Devices of one platform that get the same child, and how well they run it."""

    platform: Platform
    child: IndexChild
    fit: Fit
    devices: int
    pull: PullSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """Devices that list the same platforms, of which the image has none."""

    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    devices: int
    mismatch: Mismatch

    @property
    def platform(self) -> Platform:
        """The devices' own platform."""
        return self.platforms[0].platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What becomes of every targeted device; each is counted once. Sorted by platform."""

    covered: tuple[Covered, ...]
    uncovered: tuple[Uncovered, ...]

    @property
    def devices(self) -> int:
        """How many devices were targeted."""
        return sum(each.devices for each in self.covered) + sum(each.devices for each in self.uncovered)


def check_image(
    children: tuple[IndexChild, ...],
    groups: Iterable[TargetGroup],
    layers: Mapping[str, tuple[Layer, ...]],
) -> Preflight:
    """Match an image with the devices. `layers` has those of the children that devices are proven to run."""
    choices: dict[str, Choice] = {}
    covered: dict[tuple[Platform, str, Fit], Covered] = {}
    uncovered: dict[str, Uncovered] = {}
    for group in groups:
        if group.platform_set not in choices:
            choices[group.platform_set] = choose_child(group.platforms, children)
        choice = choices[group.platform_set]
        if isinstance(choice, Match):
            found = _cover(group, choice, layers)
            key = (found.platform, found.child.child, found.fit)
            covered[key] = _join(covered[key], found) if key in covered else found
        else:
            before = uncovered.get(group.platform_set)
            uncovered[group.platform_set] = Uncovered(
                platform_set=group.platform_set,
                platforms=group.platforms,
                devices=group.devices + (0 if before is None else before.devices),
                mismatch=choice,
            )
    return Preflight(
        covered=tuple(sorted(covered.values(), key=_order)),
        uncovered=tuple(sorted(uncovered.values(), key=lambda each: (each.platform, each.platform_set))),
    )


def size_pull(child: IndexChild, proven: Iterable[str], layers: Mapping[str, tuple[Layer, ...]]) -> int:
    """The bytes that a device has to pull for a child beside the children that it runs."""
    running = frozenset(proven)
    if child.child in running:
        return 0
    if not child.layers:  # nobody has looked at them
        return child.size
    present = {layer.digest for digest in running for layer in layers.get(digest, ())}
    return sum(layer.size for layer in child.layers if layer.digest not in present)


def _cover(group: TargetGroup, choice: Match, layers: Mapping[str, tuple[Layer, ...]]) -> Covered:
    each = size_pull(choice.child, group.proven, layers)
    return Covered(
        platform=group.platform,
        child=choice.child,
        fit=choice.fit,
        devices=group.devices,
        pull=PullSize(total=each * group.devices, least=each, most=each),
    )


def _order(each: Covered) -> tuple[Platform, Platform, str, Fit]:
    return (each.platform, each.child.platform, each.child.child, each.fit)


def _join(one: Covered, other: Covered) -> Covered:
    return replace(one, devices=one.devices + other.devices, pull=one.pull + other.pull)
