"""What `apply` would do, for people."""

import json
from collections.abc import Iterator
from datetime import datetime
from difflib import unified_diff
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_bytes
from polyfleet_controller.cli.image_check_page import CHANGE_WORDS, draw_rows, say_each
from polyfleet_controller.cli.layout import BAD, GOOD, INDENT, WEAK, join_lines, styled
from polyfleet_controller.cli.output import write_yaml
from polyfleet_controller.cli.session import name_workload
from polyfleet_controller.cli.words import count_devices
from polyfleet_controller.services.views import Change, DryRun, PlannedPull, SomeDevices

# By the first letter of a line of a unified diff.
_STYLES: Final = {"+": GOOD, "-": BAD, "@": WEAK}


def draw_dry_run(found: DryRun, now: datetime) -> RenderableType:
    """Which devices change, what they pull, the kinds of device as `apply` says them, and the manifest."""
    called = name_workload(found.namespace, found.name)
    moved = ": a new release, the tag moved" if found.change is Change.MOVED else ""
    head = styled(f"{called} {CHANGE_WORDS[found.change]} (dry run){moved}")
    return Group(
        head,
        *draw_rows([*_say_moves(found)], found.preflight, found.change, now, pulls=False),
        *_draw_difference(found),
    )


def _say_moves(found: DryRun) -> Iterator[tuple[str, str | Text]]:
    moves = [
        (word, _name_devices(devices))
        for word, devices in (
            ("gained", found.gained),
            ("lost", found.lost),
            ("another child", found.changed),
            ("restarted", found.restarted),
        )
        if devices.devices
    ]
    yield from moves or [("devices", "none changes")]
    if found.missing:
        yield "missing", styled(f"{found.missing} replicas find no device", BAD)
    for pull in found.pulls:
        yield "to pull", _say_pull(pull)


def _name_devices(devices: SomeDevices) -> str:
    unnamed = devices.devices - len(devices.names)
    more = f" and {unnamed} more" if unnamed else ""
    return f"{count_devices(devices.devices)}: {', '.join(devices.names)}{more}"


def _say_pull(pull: PlannedPull) -> str:
    """`linux/amd64, 3 devices: 11.8 MiB each, 35.4 MiB in all`."""
    every = f" each, {humanize_bytes(pull.pull.total)} in all" if pull.devices > 1 and pull.pull.most else ""
    return f"{pull.platform}, {count_devices(pull.devices)}: {say_each(pull.pull)}{every}"


def _draw_difference(found: DryRun) -> Iterator[RenderableType]:
    """Of manifests that differ, as YAML in which the same is written the same."""
    if found.stored is None or not found.differences:
        return
    before, after = (write_yaml(json.loads(text)).splitlines() for text in (found.stored, found.manifest))
    lines = unified_diff(before, after, "now", "then", lineterm="")
    yield Padding(join_lines(styled(line, _STYLES.get(line[:1], "")) for line in lines), INDENT)
