"""`polyfleet demo`: the main job on real parts, on this machine alone."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.interrupts import interruptible
from polyfleet_controller.cli.layout import BAD, GOOD, make_table, styled
from polyfleet_controller.cli.session import workload_path
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.fleet import (
    WORKLOAD,
    Fleet,
    ask_device,
    publish_image,
    start_fleet,
    workload_manifest,
)
from polyfleet_controller.lab.push import PushedImage
from polyfleet_controller.lab.requirements import explain_shortfall, find_shortfall, gather_facts
from polyfleet_controller.lab.workspace import Workspace
from polyfleet_controller.services.views import AssignmentView, DeviceDetail, Standing
from polyfleet_shared.messages import Phase
from polyfleet_shared.reasons import explain

_NAMESPACE: Final = "default"
_LOOK_SECONDS: Final = 0.25

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDevice:
    """One line of the report. `digest` is of the child that is proven to run, empty if none is."""

    name: str
    platform: str
    digest: str
    phase: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """How a device stands at this moment."""

    name: str
    platform: str
    link: str
    phase: str
    digest: str
    note: str


@app.command(
    help=teach(
        "Run a whole fleet on this machine: four devices of four architectures, one workload.",
        (
            ("polyfleet demo", "watch it, look around in another terminal, end it with Ctrl-C"),
            ("polyfleet demo --exit --report demo.json", "for scripts: ends by itself"),
        ),
        "Everything is real: broker, registry, controller, agents, Podman. Foreign containers run in QEMU.",
        "Needs root on Linux. Listens on loopback only, and removes everything that it made.",
        "Exit code 0: every device runs the child of its own platform, and its container says so itself.",
    ),
)
def demo(
    *,
    leave: Annotated[bool, typer.Option("--exit", help="End when all is shown, not at Ctrl-C.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what was shown as JSON.", dir_okay=False)
    ] = None,
    timeout: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="How long to wait for it.")] = 180,
) -> None:
    _check_machine()
    with interruptible() as interrupted:
        try:
            succeeded = _play(interrupted, leave=leave, report=report, timeout=timeout)
        except LabError as error:
            raise CommandError(str(error)) from error
    if not succeeded:
        raise typer.Exit(ExitCode.FAILED)


def _check_machine() -> None:
    facts = gather_facts()
    shortfall = find_shortfall(facts)
    if shortfall:
        raise CommandError(explain_shortfall(shortfall, debian=facts.debian))


def _play(interrupted: threading.Event, *, leave: bool, report: Path | None, timeout: int) -> bool:
    step = _make_steps()
    with Workspace() as workspace:
        step(f"a workspace in {workspace.directory}")
        fleet = start_fleet(workspace, step)
        image = publish_image(fleet.registry)
        step(f"image {image.reference} for {len(image.children)} platforms, built and pushed")
        with Client(fleet.controller.url) as client:
            client.put(workload_path(_NAMESPACE, WORKLOAD), workload_manifest(image.reference))
            step(f"workload {WORKLOAD} applied")
            rows = _watch(client, fleet, interrupted, timeout)
        shown = [_conclude(fleet, row) for row in rows]
        succeeded = _judge(shown, image)
        _print_answers(shown, image)
        if report is not None:
            _write_report(report, shown)
        if not leave and not interrupted.is_set():
            _invite(fleet)
            interrupted.wait()
        tell("removing everything that was made…")
    return succeeded


def _make_steps() -> Callable[[str], None]:
    began = monotonic()
    return lambda words: tell(f"{monotonic() - began:6.1f} s  {words}")


def _watch(client: Client, fleet: Fleet, interrupted: threading.Event, timeout: int) -> list[_Row]:
    """Show how the devices get on, until all run the workload or the time is over."""
    deadline = monotonic() + timeout
    rows = [
        _Row(name=name, platform=platform, link="", phase="", digest="", note="")
        for name, platform in fleet.platforms.items()
    ]
    show = _make_display()
    with show as update:
        while monotonic() < deadline and not interrupted.is_set():
            rows = [_look(client, row) for row in rows]
            update(rows)
            if all(row.phase == Phase.RUNNING and row.digest for row in rows):
                break
            interrupted.wait(_LOOK_SECONDS)
    return rows


@contextmanager
def _make_display() -> Iterator[Callable[[Sequence[_Row]], None]]:
    """A table that is drawn anew on a terminal; elsewhere a line for each change."""
    if sys.stdout.isatty():
        with Live(console=Console(), refresh_per_second=8) as live:
            yield lambda rows: live.update(_draw(rows))
        return
    told: dict[str, _Row] = {}

    def tell_changes(rows: Sequence[_Row]) -> None:
        for row in rows:
            if told.get(row.name) != row:
                told[row.name] = row
                tell(f"          {row.name}: {row.link} {row.phase} {row.digest[:19]} {row.note}".rstrip())

    yield tell_changes


def _draw(rows: Sequence[_Row]) -> Table:
    cells = [
        (row.name, row.platform, row.link, styled(row.phase, _colour(row.phase)), row.digest[:19], row.note)
        for row in rows
    ]
    return make_table(("DEVICE", "PLATFORM", "LINK", "PHASE", "RUNS", ""), cells)


def _colour(phase: str) -> str:
    if phase == Phase.RUNNING:
        return GOOD
    return BAD if phase in {Phase.FAILED, Phase.HELD, Phase.BACKING_OFF} else ""


def _look(client: Client, row: _Row) -> _Row:
    try:
        detail = client.read(DeviceDetail, client.get(f"/v1/devices/{row.name}"))
    except CommandError as error:
        return _Row(name=row.name, platform=row.platform, link="", phase="", digest="", note=str(error))
    assignment = next((each for each in detail.assignments if each.name == WORKLOAD), None)
    return _Row(
        name=row.name,
        platform=row.platform,
        link=detail.device.connectivity,
        phase=_phase(assignment),
        digest=_proven(assignment),
        note=_note(assignment),
    )


def _phase(assignment: AssignmentView | None) -> str:
    if assignment is None:
        return ""
    if assignment.held is not None:
        return Phase.HELD
    return "" if assignment.report is None else assignment.report.phase


def _proven(assignment: AssignmentView | None) -> str:
    """The child that runs: what the controller counts as proof, not what was wanted."""
    if assignment is None or assignment.standing is not Standing.RUNNING:
        return ""
    return assignment.child or ""


def _note(assignment: AssignmentView | None) -> str:
    if assignment is None:
        return ""
    if assignment.held is not None:
        return f"{explain(assignment.held.reason).sentence} {assignment.held.message}"
    report = assignment.report
    if report is None:
        return ""
    if report.reason is not None:
        return f"{explain(report.reason).sentence} {report.message}"
    return "" if report.pull is None else f"{report.pull.done} of {report.pull.total} bytes"


def _conclude(fleet: Fleet, row: _Row) -> DemoDevice:
    answer = ""
    if row.digest:
        try:
            answer = ask_device(fleet.agents[row.name].device)
        except LabError as error:
            tell(str(error))
    return DemoDevice(name=row.name, platform=row.platform, digest=row.digest, phase=row.phase, answer=answer)


def _is_right(device: DemoDevice, image: PushedImage) -> bool:
    return (
        device.phase == Phase.RUNNING
        and device.digest == image.children[device.platform]
        and device.answer == device.platform
    )


def _judge(devices: Sequence[DemoDevice], image: PushedImage) -> bool:
    return all(_is_right(device, image) for device in devices)


def _print_answers(devices: Sequence[DemoDevice], image: PushedImage) -> None:
    sys.stdout.write("\nWhat each container answered over HTTP:\n")
    for device in devices:
        verdict = "right" if _is_right(device, image) else "WRONG"
        answer = device.answer or "no answer"
        sys.stdout.write(
            f"  {device.name:<14} {answer:<14} from {device.digest[:19] or '-':<19}  {verdict}\n"
        )
    sys.stdout.flush()


def _write_report(path: Path, devices: Sequence[DemoDevice]) -> None:
    document = {"devices": [asdict(device) for device in devices]}
    try:
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: the report cannot be written: {error.strerror}") from error


def _invite(fleet: Fleet) -> None:
    server = fleet.controller.url
    tell(
        "\nIt stays up until Ctrl-C. In another terminal:\n"
        f"  export POLYFLEET_SERVER={server}\n"
        "  polyfleet device list\n"
        f"  polyfleet device show {next(iter(fleet.agents))}\n"
        f"  polyfleet workload show {WORKLOAD}"
    )
