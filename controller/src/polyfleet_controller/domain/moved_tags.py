"""What a tag that has moved may do by itself: let held devices go on, or raise an alarm; never more."""

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


def find_lost(in_use: Mapping[Platform, int], found: ResolvedImage | None) -> dict[Platform, int]:
    """The platforms that devices have a child of and the tag none any more, with the number of the devices.

    None is a tag that names no image any more: it has lost all. A child that is another now is no loss, and
    neither is a platform that no device has a child of.
    """
    offered = set() if found is None else {child.platform for child in found.children}
    return {
        platform: devices
        for platform, devices in sorted(in_use.items())
        if devices > 0 and platform not in offered
    }


def describe_loss(reference: ImageReference, lost: Mapping[Platform, int], *, gone: str) -> Condition | None:
    """The loss as an alarm states it, None without any. `gone` is why the tag names no image, else empty."""
    if not lost:
        return None
    platforms = ", ".join(
        f"{platform} ({devices} {'device' if devices == 1 else 'devices'})"
        for platform, devices in lost.items()
    )
    message = f"{reference} no longer has {platforms}{f': {gone}' if gone else ''}"
    return Condition(reason=Reason.PLATFORM_LOST, message=message)


def renew(before: Alarm | None, loss: Condition | None, *, now: datetime) -> Alarm | None:
    """The alarm after a look at the tag: it lasts as long as anything is lost, and is withdrawn with that."""
    if loss is None:
        return None
    since = now if before is None else before.since
    return Alarm(reason=loss.reason, message=loss.message, since=since)
