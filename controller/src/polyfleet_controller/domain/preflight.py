"""Which of the targeted devices get which children of images, what they have to pull, and which get none.

Devices come in groups, so that ten thousand cost no more than the few kinds of device that they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from polyfleet_controller.domain.coverage import Cover, Coverage, Gap, cover
from polyfleet_controller.domain.images import IndexChild, Layer, NamedImage
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
    """Devices of one platform that get the same child of each image, and how well they run these."""

    platform: Platform
    coverage: Coverage
    devices: int
    pull: PullSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """Devices that list the same platforms, of which an image has none."""

    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    devices: int
    gap: Gap

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


def check_images(
    images: tuple[NamedImage, ...],
    groups: Iterable[TargetGroup],
    layers: Mapping[str, tuple[Layer, ...]],
) -> Preflight:
    """Match images with the devices. `layers` has those of the children that devices are proven to run."""
    choices: dict[str, Cover] = {}
    covered: dict[tuple[Platform, tuple[tuple[str, Fit], ...]], Covered] = {}
    uncovered: dict[str, Uncovered] = {}
    for group in groups:
        if group.platform_set not in choices:
            choices[group.platform_set] = cover(group.platforms, images)
        choice = choices[group.platform_set]
        if isinstance(choice, Coverage):
            found = _cover(group, choice, layers)
            key = (found.platform, tuple((each.child.child, each.fit) for each in choice.matches))
            covered[key] = _join(covered[key], found) if key in covered else found
        else:
            before = uncovered.get(group.platform_set)
            uncovered[group.platform_set] = Uncovered(
                platform_set=group.platform_set,
                platforms=group.platforms,
                devices=group.devices + (0 if before is None else before.devices),
                gap=choice,
            )
    return Preflight(
        covered=tuple(sorted(covered.values(), key=_order)),
        uncovered=tuple(sorted(uncovered.values(), key=lambda each: (each.platform, each.platform_set))),
    )


def size_pull(
    children: Iterable[IndexChild], proven: Iterable[str], layers: Mapping[str, tuple[Layer, ...]]
) -> int:
    """The bytes that a device has to pull for these children beside those that it runs."""
    there = set(proven)
    present = {layer.digest for digest in there for layer in layers.get(digest, ())}
    size = 0
    for child in children:
        if child.child in there:
            continue
        there.add(child.child)
        if not child.layers:  # nobody has looked at them
            size += child.size
            continue
        size += sum(layer.size for layer in child.layers if layer.digest not in present)
        present |= {layer.digest for layer in child.layers}
    return size


def _cover(group: TargetGroup, choice: Coverage, layers: Mapping[str, tuple[Layer, ...]]) -> Covered:
    each = size_pull(choice.children, group.proven, layers)
    return Covered(
        platform=group.platform,
        coverage=choice,
        devices=group.devices,
        pull=PullSize(total=each * group.devices, least=each, most=each),
    )


def _order(each: Covered) -> tuple[Platform, list[tuple[Platform, str, Fit]]]:
    found = [(match.child.platform, match.child.child, match.fit) for match in each.coverage.matches]
    return (each.platform, found)


def _join(one: Covered, other: Covered) -> Covered:
    return replace(one, devices=one.devices + other.devices, pull=one.pull + other.pull)
