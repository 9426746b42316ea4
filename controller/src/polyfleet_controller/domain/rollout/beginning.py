"""How a rollout begins: from what the one before has proven, platform by platform."""

from datetime import datetime

from polyfleet_controller.domain.rollout.states import Rollout, RolloutStatus
from polyfleet_controller.domain.rollout.strategy import Strategy


def begin_rollout(
    *,
    workload: str,
    revision: int,
    strategy: Strategy,
    min_ready_seconds: int,
    progress_deadline_seconds: int,
    previous: Rollout | None,
    base: int | None,
    at: datetime,
    by: str,
) -> Rollout:
    """A rollout to `revision` that has looked at nobody yet.

    Platforms that the `previous` rollout knows are proven on what it left them with; without one, all are on
    `base`, the release in force, None: the workload has none.
    """
    return Rollout(
        workload=workload,
        number=1 if previous is None else previous.number + 1,
        revision=revision,
        strategy=strategy,
        min_ready_seconds=min_ready_seconds,
        progress_deadline_seconds=progress_deadline_seconds,
        created_at=at,
        created_by=by,
        base=base if previous is None else _find_common_base(previous),
        bases={} if previous is None else _find_bases(previous),
        wake_at=at,
    )


def _find_bases(previous: Rollout) -> dict[str, int]:
    """By platform, what it is proven on: the target where that has succeeded."""
    bases = dict(previous.bases)
    for name, stratum in previous.strata.items():
        proven = previous.find_default(stratum.platform)
        if proven is not None:
            bases[name] = proven
    return bases


def _find_common_base(previous: Rollout) -> int | None:
    """For platforms that nobody knows yet: what is proven wherever there were devices."""
    return previous.revision if previous.status is RolloutStatus.COMPLETED else previous.base
