"""What a tag that has moved may do by itself: let held devices go on, or raise an alarm; never more."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_controller.domain.platforms import match
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that an operator should know and that changes nothing which runs.

    `since` is when the controller saw it first.
    """

    reason: Reason
    message: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageUse:
    """Devices that list the same `platforms`, and are given an image's child for `image_platform`."""

    image_platform: Platform
    platforms: tuple[RunnablePlatform, ...]
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What becomes of the devices that are given the child of a platform, which a tag has no more.

    `devices` would be given nothing; `others` would be given another child, by its platform.
    """

    devices: int
    others: Mapping[Platform, int]


def releases_held_devices(
    in_force: ResolvedImage, found: ResolvedImage, fleet: Iterable[tuple[RunnablePlatform, ...]]
) -> bool:
    """Whether a release of what the tag names now helps a device, and takes no device another child.

    `fleet` has the list of platforms of each kind of device that the workload is meant for. Anything else
    that a moved tag brings waits for an operator, who applies the workload anew.
    """
    helps = False
    for platforms in fleet:
        before, after = match(platforms, in_force.children), match(platforms, found.children)
        if before is None:
            helps = helps or after is not None
        elif after is None or after.child.child != before.child.child:
            return False
    return helps


def find_lost(in_use: Iterable[ImageUse], found: ResolvedImage | None) -> dict[Platform, Loss]:
    """The platforms in use that the tag has no more, so that a device would be given nothing by it.

    None is a tag that names no image any more: it has lost all. A child that is another now is no loss, and
    neither is a platform in whose place every device that uses it would be given another.
    """
    children = () if found is None else found.children
    offered = {child.platform for child in children}
    after: dict[Platform, Counter[Platform | None]] = {}
    for use in in_use:
        if use.image_platform not in offered:
            choice = match(use.platforms, children)
            instead = None if choice is None else choice.child.platform
            after.setdefault(use.image_platform, Counter())[instead] += use.devices
    return {
        platform: Loss(
            devices=counts[None],
            others={instead: devices for instead, devices in counts.items() if instead is not None},
        )
        for platform, counts in sorted(after.items())
        if counts[None]
    }


def describe_loss(reference: ImageReference, lost: Mapping[Platform, Loss], *, gone: str) -> Condition | None:
    """The loss as an alarm states it, None without any. `gone` is why the tag names no image, else empty."""
    if not lost:
        return None
    platforms = ", ".join(f"{platform} ({_describe_devices(loss)})" for platform, loss in lost.items())
    message = f"{reference} no longer has {platforms}{f': {gone}' if gone else ''}"
    return Condition(reason=Reason.PLATFORM_LOST, message=message)


def renew(before: Alarm | None, loss: Condition | None, *, now: datetime) -> Alarm | None:
    """The alarm after a look at the tag: it lasts as long as anything is lost, and is withdrawn with that."""
    if loss is None:
        return None
    since = now if before is None else before.since
    return Alarm(reason=loss.reason, message=loss.message, since=since)


def _describe_devices(loss: Loss) -> str:
    others = (f"{devices} more would get {platform}" for platform, devices in sorted(loss.others.items()))
    return "; ".join((f"{loss.devices} {'device' if loss.devices == 1 else 'devices'}", *others))
