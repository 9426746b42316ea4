"""What has become of a release."""

from enum import StrEnum
from typing import Final

from polyfleet_controller.domain.rollout.states import RolloutStatus


class ReleaseStatus(StrEnum):
    """The newest of a workload is current or on its way; any may have failed."""

    CURRENT = "current"  # the newest, and for all devices
    ROLLING_OUT = "rolling_out"  # the newest, and not all devices have been given it
    ROLLED_OUT = "rolled_out"  # an earlier one that all devices had
    PARTIAL = "partial"  # some platforms have taken it, others have not
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"  # a newer one came before all devices had it


_ENDED: Final = {
    RolloutStatus.PARTIAL: ReleaseStatus.PARTIAL,
    RolloutStatus.ROLLED_BACK: ReleaseStatus.ROLLED_BACK,
    RolloutStatus.ABORTED: ReleaseStatus.ABORTED,
    RolloutStatus.SUPERSEDED: ReleaseStatus.SUPERSEDED,
}


def find_release_status(rollout: RolloutStatus | None, *, is_newest: bool) -> ReleaseStatus:
    """By the release's rollout; None: it came to all devices at once."""
    if rollout is None or rollout is RolloutStatus.COMPLETED:
        return ReleaseStatus.CURRENT if is_newest else ReleaseStatus.ROLLED_OUT
    return _ENDED.get(rollout, ReleaseStatus.ROLLING_OUT)
