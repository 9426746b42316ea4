"""`device list` for people."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_age
from polyfleet_controller.cli.layout import BAD, join_lines, make_table, styled
from polyfleet_controller.cli.words import NOTHING, say_connectivity, say_sync
from polyfleet_controller.services.views import DeviceView


def draw_device_list(devices: Sequence[DeviceView], now: datetime) -> RenderableType:
    """One line for each device; GEN is the generation confirmed/wanted."""
    if not devices:
        return styled("no devices")
    return make_table(
        ("NAME", "PLATFORM", "CONNECTION", "SYNC", "GEN", "PROBLEMS"),
        (
            (
                device.name,
                str(device.platform or NOTHING),
                _say_connection(device, now),
                say_sync(device),
                f"{device.observed_generation or 0}/{device.generation}",
                _say_problems(device),
            )
            for device in devices
        ),
        wrapped=("NAME",),
    )


def _say_connection(device: DeviceView, now: datetime) -> Text:
    since = "" if device.since is None else f" {humanize_age(device.since, now).removesuffix(' ago')}"
    return Text.assemble(say_connectivity(device.connectivity), since)


def _say_problems(device: DeviceView) -> Text:
    reasons = [styled(condition.reason, BAD) for condition in device.conditions]
    return join_lines(reasons or [styled(NOTHING)])
