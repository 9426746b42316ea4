"""What devices found out about an image's build, which the next device that is given the child will meet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.domain.sync import ImagePin
from polyfleet_shared.messages import WorkloadReport
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

# The bytes behind the digest are at fault, with a processor or kernel of this kind. A crash loop, too little
# memory or a fault in the program's logic can be the configuration's, and says nothing to other workloads.
BUILD_REASONS: Final = frozenset(
    {
        Reason.EXEC_FORMAT,
        Reason.ILLEGAL_INSTRUCTION,
        Reason.CPU_TOO_OLD,
        Reason.PLATFORM_MISMATCH,
        Reason.LOADER_MISSING,
        Reason.PAGE_SIZE_UNSUPPORTED,
    }
)
_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFailure:
    """`child` failed on a device of this platform (the device's own), for a reason that lies in its build.

    `message` is in the device's own words, `workload` a uid, `seen_at` by the controller's clock. That the
    device runs the child at another time takes nothing back: a program runs until it reaches the instruction
    that the processor lacks.
    """

    child: str
    platform: Platform
    reason: Reason
    message: str
    device: str
    workload: str
    seen_at: datetime

    @property
    def key(self) -> tuple[str, Platform, Reason]:
        """Of two alike, the newer one is worth keeping."""
        return (self.child, self.platform, self.reason)


def find_failure(
    device: str, assignment: Assignment, report: WorkloadReport, *, now: datetime
) -> ImageFailure | None:
    """What a report about an assignment says about the child that was given, None where that is nothing.

    The device must speak of the release that it was given. A container that proves another child shows a
    device that was given this one only since.
    """
    if report.reason is None or report.reason not in BUILD_REASONS or report.release != assignment.release:
        return None
    image = _find_image(assignment, report)
    if image is None:
        return None
    return ImageFailure(
        child=image.child,
        platform=assignment.platform,
        reason=report.reason,
        message=report.message[:_LONGEST_MESSAGE],
        device=device,
        workload=assignment.workload,
        seen_at=now,
    )


def _find_image(assignment: Assignment, report: WorkloadReport) -> ImagePin | None:
    """The image that the reason is about: of several, that of the container which the report names.

    Which image an init container is of, only the container itself tells; it may not be there any more.
    """
    images, containers = assignment.images, report.containers
    if len(images) > 1:
        containers = tuple(item for item in containers if item.name == report.container)
        made_from = {item.image_id for item in containers}
        none: frozenset[str] = frozenset()
        named = tuple(image for image in images if report.container in (image.containers or none))
        images = named or tuple(image for image in images if image.config in made_from)
    image = next(iter(images), None)
    if image is None or any(item.child not in (None, image.child) for item in containers):
        return None
    return image
