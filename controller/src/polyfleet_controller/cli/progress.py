"""How far a workload is on its devices: what `apply --wait` waits for. Pure; the device's proof decides."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.cli.rollout_words import explain_failures, say_failed_device, say_stratum
from polyfleet_controller.cli.words import explain_condition, say_progress
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.domain.sync import PROVEN
from polyfleet_controller.services.rollout_views import RolloutView
from polyfleet_controller.services.views import Connectivity, DevicePlacement, WorkloadDetail
from polyfleet_shared.messages import Condition, Phase
from polyfleet_shared.reasons import Reason

# Nothing moves there any more unless an operator comes.
_AT_REST: Final = frozenset(
    {StratumStatus.SUCCEEDED, StratumStatus.HALTED, StratumStatus.ROLLED_BACK, StratumStatus.ABORTED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`lines` has one for the workload, under "", and for platforms or devices; `reasons` why it is not done.

    `settled` without `done` means that waiting does not help. Devices that are offline are told, and nobody
    waits for them.
    """

    done: bool
    settled: bool
    lines: dict[str, str]
    reasons: tuple[str, ...]


def judge_progress(detail: WorkloadDetail, generation: int, rollout: RolloutView | None) -> Progress:
    """Where the manifest of this generation stands; `rollout` is the workload's newest, if it ever had one.

    Devices that it cannot be given to are told and do not count; at least one must be left.
    """
    if detail.workload.generation > generation:
        newer = f"a newer manifest, number {detail.workload.generation}, has taken its place"
        return Progress(done=False, settled=True, lines={"": newer}, reasons=(newer,))
    if detail.workload.observed_generation < generation or detail.release is None:
        return _await_release(detail)
    if rollout is not None and rollout.revision == detail.release.revision:
        return _judge_rollout(detail, rollout)
    return _judge_devices(detail, detail.release.release)


def _await_release(detail: WorkloadDetail) -> Progress:
    condition = detail.workload.condition
    why = "" if condition is None else explain_condition(condition)
    return Progress(
        done=False,
        settled=False,
        lines={"": f"waiting for its release: {why}" if why else "waiting for its release"},
        reasons=(why or "its release is not cut yet",),
    )


def _judge_rollout(detail: WorkloadDetail, rollout: RolloutView) -> Progress:
    """By its own verdict; devices that are held, but for their turn, are in none of its platforms."""
    done = rollout.status is RolloutStatus.COMPLETED
    at_rest = bool(rollout.strata) and all(stratum.status in _AT_REST for stratum in rollout.strata)
    status = f"rollout {rollout.number} to {rollout.release}: {rollout.status.replace('_', ' ')}"
    lines = {"": status}
    for stratum in rollout.strata:
        lines[str(stratum.platform)] = say_stratum(stratum)
        for failure in stratum.failures:
            lines[failure.device] = f"{stratum.platform}: {say_failed_device(failure)}"
    for placement in detail.placements:
        if placement.held is not None and placement.held.reason is not Reason.AWAITS_ROLLOUT:
            lines[placement.device] = _say_device(placement, rollout.release)
    return Progress(
        done=done,
        settled=at_rest or not rollout.status.is_open,
        lines=lines,
        reasons=() if done else (status, *explain_failures(rollout)),
    )


def _judge_devices(detail: WorkloadDetail, release: str) -> Progress:
    """All were given the release at once."""
    covered = [placement for placement in detail.placements if placement.held is None]
    proven = [placement for placement in covered if _is_proven(placement, release)]
    awaited = [
        placement
        for placement in covered
        if not _is_proven(placement, release) and placement.connectivity is not Connectivity.OFFLINE
    ]
    settled = bool(proven or awaited) and all(map(_has_given_up, awaited))
    running = f"release {release} runs on {len(proven)} of {len(covered)} devices"
    return Progress(
        done=settled and not awaited,
        settled=settled,
        lines={
            "": running if covered else f"release {release} is given to no device yet",
            **{placement.device: _say_device(placement, release) for placement in detail.placements},
        },
        reasons=tuple(_explain(detail, release)),
    )


def _is_proven(placement: DevicePlacement, release: str) -> bool:
    """A device on an earlier release proves nothing of this one."""
    return placement.release == release and placement.standing in PROVEN


def _has_given_up(placement: DevicePlacement) -> bool:
    return placement.report is not None and placement.report.phase is Phase.FAILED


def _say_device(placement: DevicePlacement, release: str) -> str:
    where = f"{placement.device} ({placement.platform or 'platform unknown'})"
    if placement.held is not None:
        return f"{where}: held: {placement.held.reason}"
    if _is_proven(placement, release):
        return f"{where}: {placement.standing} {placement.child}"
    offline = "" if placement.connectivity is Connectivity.ONLINE else f", {placement.connectivity}"
    if placement.report is None:
        return f"{where}: not reported yet{offline}"
    reason = "" if placement.report.reason is None else f": {placement.report.reason}"
    return f"{where}: {say_progress(placement.report)}{offline}{reason}"


def _explain(detail: WorkloadDetail, release: str) -> Iterator[str]:
    if all(placement.held is not None for placement in detail.placements):
        yield "no device is covered: see `polyfleet device list` and the platforms of the image"
    for placement in detail.placements:
        if not _is_proven(placement, release):
            yield f"{placement.device}: {_explain_device(placement)}"


def _explain_device(placement: DevicePlacement) -> str:
    if placement.held is not None:
        return f"held: {explain_condition(placement.held)}"
    report = placement.report
    if report is not None and report.reason is not None:
        return explain_condition(Condition(reason=report.reason, message=report.message))
    if placement.connectivity is not Connectivity.ONLINE:
        return f"{placement.connectivity}: it goes on by itself when it is back"
    return "no report yet" if report is None else say_progress(report)
