"""`workload list`, `workload show` and `workload releases` for people."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_age, humanize_bytes
from polyfleet_controller.cli.layout import (
    BAD,
    GOOD,
    HEADING,
    WEAK,
    join_lines,
    make_digests,
    make_facts,
    make_section,
    make_table,
    styled,
)
from polyfleet_controller.cli.rollout_words import say_glance, say_status
from polyfleet_controller.cli.words import (
    NOTHING,
    count_devices,
    explain_reason,
    say_connectivity,
    say_failure,
    say_progress,
    say_since,
)
from polyfleet_controller.domain.rollout.states import RolloutStatus, StratumStatus
from polyfleet_controller.domain.sync import PROVEN
from polyfleet_controller.services.rollout_views import RolloutGlance
from polyfleet_controller.services.views import (
    DevicePlacement,
    ImageFailure,
    OtherImage,
    PlatformCount,
    ReleaseView,
    WorkloadDetail,
    WorkloadView,
)
from polyfleet_shared.messages import Condition, Phase
from polyfleet_shared.reasons import Reason, explain

_FAILED: Final = frozenset({StratumStatus.HALTED, StratumStatus.ROLLED_BACK})


def draw_workload_list(workloads: Sequence[WorkloadView], now: datetime) -> RenderableType:
    """One line for each workload; RUNNING counts who proves its newest release, and who an earlier one."""
    if not workloads:
        return styled("no workloads")
    return make_table(
        ("NAMESPACE", "NAME", "RUNNING", "FAILING", "HELD", "CHANGED", "IMAGE", "PROBLEM"),
        (
            (
                workload.namespace,
                workload.name,
                _say_running_in_short(workload),
                str(sum(count.failing for count in workload.platforms)),
                str(sum(count.held for count in workload.platforms)),
                humanize_age(workload.updated_at, now),
                join_lines(map(styled, (workload.image, *workload.other_images))),
                _say_problem(workload),
            )
            for workload in workloads
        ),
        wrapped=("NAMESPACE", "NAME", "IMAGE"),
    )


def draw_workload(detail: WorkloadDetail, now: datetime) -> RenderableType:
    """One workload on all of its devices."""
    workload = detail.workload
    parts: list[RenderableType] = [
        styled(f"{workload.namespace}/{workload.name}", HEADING),
        make_facts(_facts(workload, now)),
    ]
    if workload.condition is not None:
        explained = explain_reason(workload.condition.reason, workload.condition.message)
        parts.append(make_section("The newest manifest has no release yet", make_facts(explained)))
    if workload.alarm is not None:
        alarm = explain_reason(workload.alarm.reason, workload.alarm.message)
        facts = make_facts((*alarm, ("since", say_since(workload.alarm.since, now))))
        parts.append(make_section("Alarm", facts))
    if detail.release is not None:
        parts.append(_draw_release(detail.release, now, detail.failures))
    if workload.platforms:
        parts.append(make_section("Platforms", _draw_platforms(workload.platforms)))
    if detail.placements:
        newest = workload.release
        parts.append(make_section("Devices", _draw_placements(detail.placements, newest)))
    else:
        parts.append(make_section("Devices", "there is none that it could run on"))
    reasons = _reasons(detail.placements)
    if reasons:
        parts.append(make_section("Reasons", make_facts((reason, _explain(reason)) for reason in reasons)))
    return Group(*parts)


def draw_releases(releases: Sequence[ReleaseView], now: datetime) -> RenderableType:
    """Every release with what it pins."""
    count = "1 release" if len(releases) == 1 else f"{len(releases) or 'no'} releases"
    return Group(styled(count), *(_draw_release(release, now) for release in releases))


def _say_running_in_short(workload: WorkloadView) -> Text:
    earlier = sum(count.devices for count in workload.earlier)
    lines = [_say_running(workload.platforms)]
    return join_lines([*lines, styled(f"{earlier} earlier", WEAK)] if earlier else lines)


def _say_problem(workload: WorkloadView) -> Text:
    problems = [
        styled(found.reason, BAD) for found in (workload.condition, workload.alarm) if found is not None
    ]
    if workload.rollout is not None:
        problems += _list_troubles(workload.rollout)
    return join_lines(problems) if problems else styled(NOTHING)


def _list_troubles(rollout: RolloutGlance) -> Iterator[Text]:
    """What keeps a rollout, or has ended it, so that an operator may want to act."""
    if rollout.status not in (RolloutStatus.COMPLETED, RolloutStatus.PROGRESSING):
        yield styled("rollout")
        yield say_status(rollout.status)
    elif any(stratum.status in _FAILED for stratum in rollout.strata):
        yield styled("rollout")
        yield styled("failed in part", BAD)


def _say_running(platforms: Iterable[PlatformCount]) -> Text:
    running = given = 0
    for count in platforms:
        running += count.running + count.completed
        given += count.devices - count.held
    return styled(f"{running} of {given}", GOOD if running == given else WEAK)


def _say_earlier(workload: WorkloadView) -> str:
    """`; still hello-1-…: 2`."""
    return "".join(f"; {count_devices(each.devices)} still on {each.release}" for each in workload.earlier)


def _facts(workload: WorkloadView, now: datetime) -> Iterator[tuple[str, str | Text]]:
    for image in (workload.image, *workload.other_images):
        yield "image", image
    yield "running on", Text.assemble(_say_running(workload.platforms), " devices", _say_earlier(workload))
    if workload.rollout is not None:
        yield "rollout", say_glance(workload.rollout)
    yield "manifest", f"number {workload.generation}, changed {say_since(workload.updated_at, now)}"
    yield "released", f"number {workload.observed_generation}" if workload.observed_generation else "none yet"
    yield "created", say_since(workload.created_at, now)
    yield "uid", workload.uid


def _draw_release(release: ReleaseView, now: datetime, failures: Sequence[ImageFailure] = ()) -> Group:
    facts = [("revision", str(release.revision)), ("cut", say_since(release.created_at, now))]
    first = OtherImage(image=release.image, index=release.index, children=release.children)
    parts: list[RenderableType] = []
    for image in (first, *release.others):
        parts += [make_facts([*facts, ("image", image.image)]), make_digests((("index", image.index),))]
        facts = []
        for child in image.children:
            parts += [
                styled(f"{child.platform}, {humanize_bytes(child.size)}"),
                make_digests((("child", child.child),)),
                *(say_failure(failure, now) for failure in failures if failure.child == child.child),
            ]
    return make_section(f"Release {release.release}", *parts)


def _draw_platforms(platforms: Iterable[PlatformCount]) -> RenderableType:
    return make_table(
        ("PLATFORM", "DEVICES", "RUNNING", "COMPLETED", "EARLIER", "FAILING", "HELD"),
        (
            (
                str(each.platform),
                str(each.devices),
                str(each.running),
                str(each.completed),
                str(each.earlier),
                str(each.failing),
                str(each.held),
            )
            for each in platforms
        ),
    )


def _draw_placements(placements: Iterable[DevicePlacement], newest: str | None) -> RenderableType:
    return make_table(
        ("DEVICE", "PLATFORM", "CONNECTION", "STATE", "REASON"),
        (
            (
                placement.device,
                str(placement.platform or NOTHING),
                say_connectivity(placement.connectivity),
                _say_state(placement, newest),
                _say_reason(placement),
            )
            for placement in placements
        ),
        wrapped=("DEVICE", "STATE", "REASON"),
    )


def _say_state(placement: DevicePlacement, newest: str | None) -> Text:
    if placement.held is not None:
        return styled("held", WEAK)
    if placement.release is not None and placement.release != newest:
        state = placement.standing if placement.standing in PROVEN else f"{placement.standing} with"
        return styled(f"{state} {placement.release}", WEAK)
    if placement.standing in PROVEN:
        return styled(placement.standing, GOOD)
    if placement.report is None:
        return styled("not reported", WEAK)
    return styled(say_progress(placement.report), BAD if placement.report.phase is Phase.FAILED else "")


def _say_reason(placement: DevicePlacement) -> str:
    found = _condition(placement)
    if found is None:
        return (placement.report and placement.report.message) or NOTHING
    return f"{found.reason}: {found.message}" if found.message else found.reason


def _condition(placement: DevicePlacement) -> Condition | None:
    if placement.held is not None:
        return placement.held
    report = placement.report
    if report is None or report.reason is None:
        return None
    return Condition(reason=report.reason, message=report.message)


def _explain(reason: Reason) -> str:
    explanation = explain(reason)
    return f"{explanation.sentence} {explanation.next_step}"


def _reasons(placements: Iterable[DevicePlacement]) -> list[Reason]:
    """Each once, in the order of the devices."""
    found = (_condition(placement) for placement in placements)
    return list(dict.fromkeys(condition.reason for condition in found if condition is not None))
