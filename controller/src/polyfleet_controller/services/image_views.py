"""What a check of an image against the fleet answers. Sizes in bytes."""

from dataclasses import dataclass

from polyfleet_controller.domain.image_failures import ImageFailure
from polyfleet_controller.domain.manifest import OnUncovered
from polyfleet_controller.domain.preflight import PullSize
from polyfleet_shared.platforms import Fit, Platform
from polyfleet_shared.reasons import Reason

__all__ = [
    "CoveredDevices",
    "Fit",
    "ImageCheck",
    "ImageFailure",
    "OnUncovered",
    "OtherChild",
    "OtherImage",
    "PullSize",
    "UncoveredDevices",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherImage:
    """A further image of a workload; `offers` are its platforms."""

    image: str
    index: str
    offers: tuple[Platform, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherChild:
    """The child of a further image, and how well the devices run it."""

    image: str
    image_platform: Platform
    child: str
    fit: Fit
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredDevices:
    """Devices of one platform that get one child: whose platform that is, and how well they run it.

    `size` is of the whole child; `pull` is less the layers of images that a device is proven to run.
    `others` are the children of the further images, which `pull` counts as well.
    """

    platform: Platform
    devices: int
    image_platform: Platform
    child: str
    fit: Fit
    size: int
    pull: PullSize
    others: tuple[OtherChild, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UncoveredDevices:
    """Devices that can run nothing of an image, but only what `runs` lists; `names` are some of them."""

    platform: Platform
    devices: int
    runs: tuple[Platform, ...]
    reason: Reason
    message: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCheck:
    """An image, as its name was resolved just now, against the devices that it is meant for.

    Of a workload of several images `others` are the further ones: a device is covered if each of them is.
    `offers` are the image's platforms. `on_uncovered` is the policy of the workload that was asked about. Of
    `devices`, each is either covered or uncovered; `unjudged` is how many more are admitted but get nothing
    new: their platforms are not known yet, or two machines share the name. `warnings` are what devices found
    out about the children that are given here, newest first.
    """

    image: str
    index: str
    offers: tuple[Platform, ...]
    devices: int
    covered: tuple[CoveredDevices, ...]
    uncovered: tuple[UncoveredDevices, ...]
    unjudged: int
    on_uncovered: OnUncovered | None
    warnings: tuple[ImageFailure, ...]
    others: tuple[OtherImage, ...] = ()

    @property
    def count_uncovered(self) -> int:
        """How many devices get nothing."""
        return sum(each.devices for each in self.uncovered)
