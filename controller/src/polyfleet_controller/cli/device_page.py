"""`device show` for people: the page that an operator and a technician trust."""

from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.event_table import draw_events
from polyfleet_controller.cli.humanized import (
    humanize_age,
    humanize_bytes,
    humanize_duration,
)
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
from polyfleet_controller.cli.mark_lines import say_ignored, say_labels, say_taints
from polyfleet_controller.cli.words import (
    NOTHING,
    explain_reason,
    say_connectivity,
    say_phase,
    say_pull,
    say_since,
    say_sync_in_full,
)
from polyfleet_controller.domain.sync import PROVEN
from polyfleet_controller.services.rollout_views import AwaitedRelease
from polyfleet_controller.services.views import (
    AssignmentView,
    DeviceDetail,
    DeviceView,
    Incarnation,
)
from polyfleet_shared.messages import (
    ContainerReport,
    HostFacts,
    Phase,
    PlatformSource,
    Telemetry,
    WorkloadReport,
)
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason

_SOURCE: Final = {
    PlatformSource.DETECTED: "detected on the device",
    PlatformSource.CONFIGURED: "configured in its agent.toml",
}


def draw_device(detail: DeviceDetail, now: datetime) -> RenderableType:
    """Everything about one device."""
    names = {assignment.uid: f"{assignment.namespace}/{assignment.name}" for assignment in detail.assignments}
    parts: list[RenderableType] = [styled(detail.device.name, HEADING), make_facts(_facts(detail, now))]
    parts += [
        make_section(
            f"Condition: {condition.reason}", make_facts(explain_reason(condition.reason, condition.message))
        )
        for condition in detail.device.conditions
    ]
    parts += [_draw_assignment(assignment) for assignment in detail.assignments]
    if not detail.assignments:
        parts.append(make_section("Workloads", "none is meant for this device"))
    if len(detail.incarnations) > 1:
        parts.append(_draw_incarnations(detail.incarnations, now))
    if detail.events:
        parts.append(make_section("Last events", draw_events(detail.events, now, names)))
    if detail.refusals:
        parts.append(make_section("Messages of this device that were refused", *map(styled, detail.refusals)))
    return Group(*parts)


def _facts(detail: DeviceDetail, now: datetime) -> Iterator[tuple[str, str | Text]]:
    device = detail.device
    since = "" if device.since is None else f" since {say_since(device.since, now)}"
    yield "connection", Text.assemble(say_connectivity(device.connectivity), since)
    yield "last message", say_since(device.last_seen, now)
    if device.platform is None or device.platform_source is None:
        yield "platform", "unknown until the device sends its inventory"
    else:
        yield "platform", _say_platform(device.platform, device.platform_source, detail.platforms)
        yield from _other_platforms(device, detail.platforms)
    yield "sync", say_sync_in_full(device)
    yield "document", _say_document(device)
    if detail.host is not None:
        yield from _host_facts(detail.host)
    yield "agent", device.agent_version or NOTHING
    if detail.telemetry is not None:
        yield "load", _say_load(detail.telemetry, now)
    yield from _marks(detail, now)


def _marks(detail: DeviceDetail, now: datetime) -> Iterator[tuple[str, str | Text]]:
    for name, lines in (
        ("labels", say_labels(detail.labels)),
        ("not counted", say_ignored(detail.ignored_labels)),
        ("taints", say_taints(detail.device.taints, now)),
    ):
        told = list(lines)
        if told:
            yield name, join_lines(told)


def _say_platform(platform: Platform, source: PlatformSource, platforms: Iterable[RunnablePlatform]) -> str:
    found = next((each.found for each in platforms if each.platform == platform), "")
    reason = f": {found}" if found and source is PlatformSource.DETECTED else ""
    return f"{platform}, {_SOURCE[source]}{reason}"


def _other_platforms(
    device: DeviceView, platforms: Iterable[RunnablePlatform]
) -> Iterator[tuple[str, str | Text]]:
    """A line for each way in which they were found; the first has a name."""
    others = (each for each in platforms if each.platform != device.platform)
    name = "also runs"
    for (fit, found), entries in groupby(others, key=lambda each: (each.fit, each.found)):
        how = f"{fit}: {found}" if found else str(fit)
        yield name, f"{', '.join(str(each.platform) for each in entries)} ({how})"
        name = ""


def _say_document(device: DeviceView) -> str:
    """Two numbers each: the controller's epoch and the generation in it."""
    if not device.generation:
        return "none was made for it"
    wanted = f"wanted {device.epoch}.{device.generation}"
    if device.observed_generation is None:
        return f"{wanted}, none confirmed"
    return f"{wanted}, confirmed {device.observed_epoch}.{device.observed_generation}"


def _host_facts(host: HostFacts) -> Iterator[tuple[str, str | Text]]:
    system = " ".join(part for part in (host.os_name, host.os_version) if part)
    kernel = f"kernel {host.kernel}" if host.kernel else ""
    podman = f"Podman {host.podman_version}" if host.podman_version else ""
    yield "host", ", ".join(part for part in (host.hostname, system, kernel, podman) if part) or NOTHING
    processor = ", ".join(part for part in (host.machine, host.cpu_model) if part)
    yield (
        "hardware",
        ", ".join(
            (
                f"{host.cpu_count} CPUs" + (f" ({processor})" if processor else ""),
                f"{humanize_bytes(host.memory_total)} memory",
                f"{humanize_bytes(host.disk_total)} disk",
            )
        ),
    )


def _say_load(telemetry: Telemetry, now: datetime) -> str:
    heat = "" if telemetry.temperature is None else f", {telemetry.temperature:.0f} °C"
    return (
        f"CPU {telemetry.cpu_percent:.0f} %, memory {humanize_bytes(telemetry.memory_used)} of "
        f"{humanize_bytes(telemetry.memory_total)}, disk {humanize_bytes(telemetry.disk_used)} of "
        f"{humanize_bytes(telemetry.disk_total)}{heat}, {humanize_age(telemetry.at, now)}"
    )


def _draw_assignment(assignment: AssignmentView) -> Group:
    heading = f"Workload {assignment.namespace}/{assignment.name}"
    parts: list[RenderableType] = [make_facts(_assignment_facts(assignment))]
    if assignment.child is not None:
        wanted = join_lines(map(styled, _list_wanted(assignment)))
        parts.append(make_digests((("wanted", wanted), ("proven", _say_proof(assignment)))))
    return make_section(heading, *parts)


def _assignment_facts(assignment: AssignmentView) -> Iterator[tuple[str, str | Text]]:
    report = assignment.report
    if assignment.held is not None:
        yield "phase", styled("held: it is not given to this device", WEAK)
        yield from explain_reason(assignment.held.reason, assignment.held.message)
    elif report is None:
        yield "phase", "given to the device, which has not reported on it yet"
    if report is not None and not (assignment.held is not None and report.phase is Phase.HELD):
        yield from _report_facts(report, is_held=assignment.held is not None)
    yield "release", assignment.release or "none yet"
    if report is not None and report.release and report.release != assignment.release:
        yield "on device", f"it still works by release {report.release}"
    if assignment.awaits is not None:
        yield "awaits", _say_awaited(assignment.awaits)
    yield "platform", str(assignment.platform or NOTHING)


def _say_awaited(awaited: AwaitedRelease) -> str:
    """`release hello-2-…, the newest: rollout 2 is advancing on linux/arm64, wave 1; it waits for …`."""
    newest = f"release {awaited.release}, the newest: rollout {awaited.rollout}"
    stratum = awaited.stratum
    if stratum is None:
        return f"{newest} has not looked at this platform yet"
    said = f"{newest} is {stratum.status.replace('_', ' ')} on {stratum.platform}"
    if stratum.reason:
        return f"{said}: {stratum.reason}"
    waits = f"; it waits for {stratum.waits_for}" if stratum.waits_for else ""
    return f"{said}, wave {stratum.wave}{waits}"


def _report_facts(report: WorkloadReport, *, is_held: bool) -> Iterator[tuple[str, str | Text]]:
    ready = f", ready for {humanize_duration(report.ready_seconds)}" if report.ready_seconds else ""
    times = "restart" if report.restarts == 1 else "restarts"
    yield (
        "on device" if is_held else "phase",
        Text.assemble(say_phase(report.phase), f"{ready}, {report.restarts} {times}"),
    )
    if report.pull is not None:
        yield "pulled", say_pull(report.pull)
    if report.reason is not None:
        yield from explain_reason(report.reason, report.message)
    elif report.message:
        yield "message", report.message
    for container in report.containers:
        if container.exit_code is not None:
            yield "exit code", f"{container.exit_code} (container {container.name})"


def _say_proof(assignment: AssignmentView) -> Text:
    """What the containers are made of, never taken from a label or a name."""
    wanted = _list_wanted(assignment)
    if assignment.standing in PROVEN:
        return join_lines(styled(child, GOOD) for child in wanted)
    report = assignment.report
    if report is None or not report.containers:
        return styled("nothing: the device reports no container of it", WEAK)
    return join_lines(styled(_say_container(each, wanted, report), BAD) for each in report.containers)


def _list_wanted(assignment: AssignmentView) -> tuple[str, ...]:
    return (str(assignment.child), *assignment.other_children)


def _say_container(container: ContainerReport, wanted: Container[str], report: WorkloadReport) -> str:
    if container.child is None:
        return f"nothing: no pinned digest names its image,\n{container.image_id}"
    if not container.running:
        return f"{container.child}\nbut the container does not run"
    if container.child not in wanted:
        return f"{container.child}\nwhich is not the wanted one"
    if report.phase is Phase.STARTING or report.reason is Reason.PROBE_FAILED:
        return f"{container.child}\nwhich runs, and the workload is not ready"
    return f"{container.child}\nbut the image's ID is not the pinned one: {container.image_id}"


def _draw_incarnations(incarnations: Sequence[Incarnation], now: datetime) -> Group:
    table = make_table(
        ("INCARNATION", "FIRST SEEN", "SUPERSEDED"),
        (
            (
                each.incarnation,
                humanize_age(each.first_seen, now),
                "in force" if each.superseded_at is None else humanize_age(each.superseded_at, now),
            )
            for each in incarnations
        ),
    )
    return make_section("Incarnations: it was rebuilt, or lost its state directory", table)
