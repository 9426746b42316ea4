"""`workload why` for people."""

from collections.abc import Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.layout import BAD, GOOD, HEADING, WEAK, make_facts, make_section, styled
from polyfleet_controller.cli.session import name_workload
from polyfleet_controller.cli.words import count_devices
from polyfleet_controller.services.placement_reasons import DeviceReason, RefusedDevices, Verdict, Why

_VERDICT: Final = {
    Verdict.CHOSEN: ("chosen", GOOD),
    Verdict.SPARE: ("could have it, and is not needed: others have it already", ""),
    Verdict.REFUSED: ("refused", BAD),
    Verdict.NOT_ELIGIBLE: ("given no work", WEAK),
}


def draw_why(why: Why) -> RenderableType:
    """Who has it, then who cannot, by the reason that holds for the most."""
    parts: list[RenderableType] = [
        styled(name_workload(why.namespace, why.name), HEADING),
        make_facts(_say_extent(why)),
    ]
    for refused in why.refused:
        heading = f"Refused by {refused.filter}: {count_devices(refused.devices)}"
        parts.append(make_section(heading, styled(refused.message), styled(_name_some(refused))))
    return Group(*parts)


def draw_device_reason(reason: DeviceReason) -> RenderableType:
    """The verdict with its figures, and how the device compares with others."""
    word, style = _VERDICT[reason.verdict]
    by = "" if reason.filter is None else f" by {reason.filter}"
    rows: list[tuple[str, str | Text]] = [("verdict", Text.assemble((word, style), by))]
    if reason.message:
        rows.append(("reason", reason.message))
    parts: list[RenderableType] = [styled(reason.device, HEADING), make_facts(rows)]
    if reason.scores:
        scores = [(str(score.scorer), f"{score.points:.1f}") for score in reason.scores]
        parts.append(
            make_section("Points, of those that can have it the most are chosen", make_facts(scores))
        )
    return Group(*parts)


def _say_extent(why: Why) -> Iterator[tuple[str, str | Text]]:
    if why.replicas is None:
        yield "wanted", "on every device that can have it"
    else:
        missing = Text.assemble(", ", (f"{why.missing} missing", BAD)) if why.missing else ""
        yield "wanted", Text.assemble(f"{why.replicas} replicas", missing)
    unnamed = why.chosen - len(why.chosen_names)
    more = f" and {unnamed} more" if unnamed else ""
    yield "chosen", f"{why.chosen}: {', '.join(why.chosen_names)}{more}" if why.chosen else "none"
    if why.spare:
        yield "spare", f"{why.spare} more could have it"


def _name_some(refused: RefusedDevices) -> str:
    unnamed = refused.devices - len(refused.names)
    return ", ".join(refused.names) + (f" and {unnamed} more" if unnamed else "")
