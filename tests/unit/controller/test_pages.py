"""Pages for people, whole, at the widths of a terminal and of a wide one."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from rich.console import RenderableType

from inspection_examples import DETAILS, EMPTY, ODD, SINGLE
from pair_examples import PAIR_APPLIED, PAIR_CHECK, PAIR_DETAIL, PAIR_DEVICE, PAIR_REFUSED, PAIR_WORKLOAD
from polyfleet_controller.cli.device_page import draw_device
from polyfleet_controller.cli.device_table import draw_device_list
from polyfleet_controller.cli.dry_run_page import draw_dry_run
from polyfleet_controller.cli.event_table import draw_events
from polyfleet_controller.cli.image_check_page import (
    draw_applied,
    draw_image_check,
    draw_refusal,
)
from polyfleet_controller.cli.image_page import draw_details, draw_inspection
from polyfleet_controller.cli.output import render
from polyfleet_controller.cli.rollout_history import draw_history, draw_release_detail
from polyfleet_controller.cli.rollout_page import draw_rollout, draw_rollout_list
from polyfleet_controller.cli.rollout_watch import draw_board
from polyfleet_controller.cli.why_page import draw_device_reason, draw_why
from polyfleet_controller.cli.workload_page import draw_releases, draw_workload, draw_workload_list
from polyfleet_controller.services.image_views import OnUncovered
from polyfleet_shared.messages import PlatformSource
from polyfleet_shared.platforms import Fit, Platform, RunnablePlatform
from rollout_examples import (
    ENDED,
    OLD_RELEASE,
    RELEASE_DETAIL,
    ROLLING,
    ROLLING_DETAIL,
    ROLLOUT,
    ROLLOUT_DETAIL,
)
from view_examples import (
    APPLIED,
    CHECK,
    CHECK_COVERED,
    CHECK_NOBODY,
    DEVICE,
    DEVICE_DETAIL,
    DRY_RUN,
    DRY_RUN_NOTHING,
    EVENTS,
    NOW,
    RELEASE,
    STRANGER,
    STRANGER_DETAIL,
    WHY,
    WHY_DEVICE,
    WORKLOAD,
    WORKLOAD_DETAIL,
)

EXPECTED: Final = Path(__file__).parent / "pages"
DIGEST: Final = re.compile(r"sha256:[0-9a-f]+")

PAGES: Final[dict[str, RenderableType]] = {
    "device_list": draw_device_list((DEVICE, STRANGER), NOW),
    "device_list_empty": draw_device_list((), NOW),
    "device_show": draw_device(DEVICE_DETAIL, NOW),
    "device_show_pending": draw_device(STRANGER_DETAIL, NOW),
    "device_events": draw_events(EVENTS, NOW, {"u1": "default/hello"}),
    "image_inspect": draw_inspection(ODD),
    "image_inspect_empty": draw_inspection(EMPTY),
    "image_inspect_single": draw_inspection(SINGLE),
    "image_inspect_platform": draw_details(ODD.name, DETAILS),
    "image_check": draw_image_check(CHECK, NOW),
    "image_check_hold": draw_image_check(replace(CHECK, on_uncovered=OnUncovered.HOLD), NOW),
    "image_check_exclude": draw_image_check(replace(CHECK, on_uncovered=OnUncovered.EXCLUDE), NOW),
    "apply": draw_applied(APPLIED, NOW),
    "apply_dry_run": draw_dry_run(DRY_RUN, NOW),
    "apply_dry_run_nothing": draw_dry_run(DRY_RUN_NOTHING, NOW),
    "apply_refused": draw_refusal(replace(CHECK, on_uncovered=OnUncovered.REFUSE)),
    "image_check_covered": draw_image_check(CHECK_COVERED, NOW),
    "image_check_nobody": draw_image_check(CHECK_NOBODY, NOW),
    "workload_why": draw_why(WHY),
    "workload_why_device": draw_device_reason(WHY_DEVICE),
    "workload_list": draw_workload_list((WORKLOAD,), NOW),
    "workload_list_empty": draw_workload_list((), NOW),
    "workload_show": draw_workload(WORKLOAD_DETAIL, NOW),
    "workload_list_rolling": draw_workload_list((ROLLING,), NOW),
    "workload_show_rolling": draw_workload(ROLLING_DETAIL, NOW),
    "rollout_list": draw_rollout_list((ROLLOUT, ENDED)),
    "rollout_list_empty": draw_rollout_list(()),
    "rollout_show": draw_rollout(ROLLOUT_DETAIL, NOW),
    "rollout_show_ended": draw_rollout(replace(ROLLOUT_DETAIL, rollout=ENDED), NOW),
    "rollout_history": draw_history((RELEASE_DETAIL.release, OLD_RELEASE), NOW),
    "rollout_history_empty": draw_history((), NOW),
    "rollout_history_revision": draw_release_detail(RELEASE_DETAIL, NOW),
    "rollout_history_same": draw_release_detail(
        replace(RELEASE_DETAIL, previous_manifest=RELEASE_DETAIL.manifest), NOW
    ),
    "rollout_watch": draw_board(ROLLOUT),
    "workload_releases": draw_releases((RELEASE, RELEASE), NOW),
    "workload_releases_empty": draw_releases((), NOW),
    "image_check_pair": draw_image_check(PAIR_CHECK, NOW),
    "apply_pair": draw_applied(PAIR_APPLIED, NOW),
    "apply_refused_pair": draw_refusal(PAIR_REFUSED),
    "workload_list_pair": draw_workload_list((PAIR_WORKLOAD,), NOW),
    "workload_show_pair": draw_workload(PAIR_DETAIL, NOW),
    "device_show_pair": draw_device(PAIR_DEVICE, NOW),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_as_it_was_agreed(page: str, width: int) -> None:
    expected = (EXPECTED / f"{page}_{width}.txt").read_text(encoding="utf-8").splitlines()
    assert render(PAGES[page], width=width, colours=False) == expected


def test_how_a_platform_was_detected_stands_beside_it() -> None:
    found = "ARM1176 (part 0xb76) is ARMv6, although cpuinfo says 7"
    platform = Platform.parse("linux/arm/v6")
    detail = replace(
        DEVICE_DETAIL,
        device=replace(DEVICE, platform=platform, platform_source=PlatformSource.DETECTED),
        platforms=(RunnablePlatform(platform=platform, fit=Fit.NATIVE, found=found),),
    )
    lines = render(draw_device(detail, NOW), width=120, colours=False)
    assert f"platform      linux/arm/v6, detected on the device: {found}" in lines


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_and_holds_every_digest_in_one_piece(page: str, width: int) -> None:
    lines = render(PAGES[page], width=width, colours=False)
    assert [line for line in lines if len(line) > width] == []
    digests = [found for line in lines for found in DIGEST.findall(line)]
    assert [found for found in digests if len(found) != len("sha256:") + 64] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_a_device_writes_never_steers_the_terminal(page: str) -> None:
    text = "\n".join(render(PAGES[page], width=80, colours=False))
    assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []


def test_colours_change_no_word() -> None:
    coloured = render(PAGES["device_show"], width=80, colours=True)
    plain = [re.sub("\x1b\\[[0-9;]*m", "", line).rstrip() for line in coloured]
    assert any("\x1b[" in line for line in coloured)
    assert plain == render(PAGES["device_show"], width=80, colours=False)
