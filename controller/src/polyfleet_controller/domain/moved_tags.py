"""What a tag that has moved may do by itself: let held devices go on, or raise an alarm; never more."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from polyfleet_controller.domain.coverage import Coverage, find_coverage
from polyfleet_controller.domain.images import ImageReference, NamedImage, ResolvedImage
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
    """Devices that list the same `platforms`, and are given the child of `reference` for `image_platform`."""

    reference: ImageReference
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
    in_force: tuple[NamedImage, ...],
    found: tuple[NamedImage, ...],
    fleet: Iterable[tuple[RunnablePlatform, ...]],
) -> bool:
    """Whether a release of what the tags name now helps a device, and takes no device another child.

    `fleet` has the list of platforms of each kind of device that the workload is meant for. Anything else
    that a moved tag brings waits for an operator, who applies the workload anew.
    """
    helps = False
    for platforms in fleet:
        before, after = find_coverage(platforms, in_force), find_coverage(platforms, found)
        if before is None:
            helps = helps or after is not None
        elif after is None or _digests(after) != _digests(before):
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


def describe_loss(reference: ImageReference, lost: Mapping[Platform, Loss], *, gone: str) -> str:
    """A tag's loss in words, empty without any. `gone` is why the tag names no image, else empty."""
    if not lost:
        return ""
    platforms = ", ".join(f"{platform} ({_describe_devices(loss)})" for platform, loss in lost.items())
    return f"{reference} no longer has {platforms}{f': {gone}' if gone else ''}"


def join_losses(losses: Iterable[str]) -> Condition | None:
    """What the tags of a workload have lost, as one alarm states it; None without any loss."""
    message = "; ".join(loss for loss in losses if loss)
    return Condition(reason=Reason.PLATFORM_LOST, message=message) if message else None


def renew(before: Alarm | None, loss: Condition | None, *, now: datetime) -> Alarm | None:
    """The alarm after a look at the tag: it lasts as long as anything is lost, and is withdrawn with that."""
    if loss is None:
        return None
    since = now if before is None else before.since
    return Alarm(reason=loss.reason, message=loss.message, since=since)


def _digests(coverage: Coverage) -> list[str]:
    return [child.child for child in coverage.children]


def _describe_devices(loss: Loss) -> str:
    others = (f"{devices} more would get {platform}" for platform, devices in sorted(loss.others.items()))
    return "; ".join((f"{loss.devices} {'device' if loss.devices == 1 else 'devices'}", *others))
