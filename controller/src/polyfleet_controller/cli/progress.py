"""How far a workload is on its devices: what `apply --wait` waits for. Pure; the device's proof decides."""

from collections.abc import Iterator
from dataclasses import dataclass

from polyfleet_controller.cli.words import PROVEN, explain_condition, say_progress
from polyfleet_controller.services.views import Connectivity, DevicePlacement, WorkloadDetail
from polyfleet_shared.messages import Condition, Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`lines` has one line for the workload (under "") and for each device; `reasons` why it is not done.

    `settled` without `done` means that waiting does not help: each device has it running or has given up.
    """

    done: bool
    settled: bool
    lines: dict[str, str]
    reasons: tuple[str, ...]


def judge_progress(detail: WorkloadDetail, generation: int) -> Progress:
    """Where the manifest of this generation, or a newer one, stands.

    Devices that it cannot be given to are told and do not count; at least one must be left.
    """
    released = detail.workload.observed_generation >= generation
    covered = [placement for placement in detail.placements if placement.held is None]
    settled = released and bool(covered) and all(map(_is_settled, covered))
    return Progress(
        done=settled and all(map(_is_proven, covered)),
        settled=settled,
        lines={
            "": _say_workload(detail, len(covered), released=released),
            **{placement.device: _say_device(placement) for placement in detail.placements},
        },
        reasons=tuple(_explain(detail, covered, released=released)),
    )


def _is_proven(placement: DevicePlacement) -> bool:
    return placement.standing in PROVEN


def _is_settled(placement: DevicePlacement) -> bool:
    gave_up = placement.report is not None and placement.report.phase is Phase.FAILED
    return _is_proven(placement) or gave_up


def _say_workload(detail: WorkloadDetail, covered: int, *, released: bool) -> str:
    if not released or detail.release is None:
        condition = detail.workload.condition
        return "waiting for its release" + ("" if condition is None else f": {explain_condition(condition)}")
    if not covered:
        return f"release {detail.release.release} is given to no device yet"
    running = sum(map(_is_proven, detail.placements))
    return f"release {detail.release.release} runs on {running} of {covered} devices"


def _say_device(placement: DevicePlacement) -> str:
    where = f"{placement.device} ({placement.platform or 'platform unknown'})"
    if placement.held is not None:
        return f"{where}: held: {placement.held.reason}"
    if _is_proven(placement):
        return f"{where}: {placement.standing} {placement.child}"
    offline = "" if placement.connectivity is Connectivity.ONLINE else f", {placement.connectivity}"
    if placement.report is None:
        return f"{where}: not reported yet{offline}"
    reason = "" if placement.report.reason is None else f": {placement.report.reason}"
    return f"{where}: {say_progress(placement.report)}{offline}{reason}"


def _explain(detail: WorkloadDetail, covered: list[DevicePlacement], *, released: bool) -> Iterator[str]:
    if not released:
        condition = detail.workload.condition
        yield "its release is not cut yet" if condition is None else explain_condition(condition)
    elif not covered:
        yield "no device is covered: see `polyfleet device list` and the platforms of the image"
    for placement in detail.placements:
        if not _is_proven(placement):
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
