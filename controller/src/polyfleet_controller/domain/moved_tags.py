"""What a tag that has moved may do by itself: let held devices go on, and change nothing that runs."""

from collections.abc import Iterable

from polyfleet_controller.domain.images import ResolvedImage
from polyfleet_controller.domain.platforms import match
from polyfleet_shared.platforms import RunnablePlatform


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
