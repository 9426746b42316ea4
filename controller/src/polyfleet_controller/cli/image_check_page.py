"""`image check` for people, and what of it `apply` shows."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from polyfleet_controller.cli.humanized import humanize_bytes
from polyfleet_controller.cli.layout import (
    BAD,
    GOOD,
    HEADING,
    INDENT,
    WEAK,
    join_lines,
    make_digests,
    make_facts,
    make_section,
    make_table,
    styled,
)
from polyfleet_controller.cli.session import name_workload
from polyfleet_controller.cli.words import NOTHING, count_devices, say_failure
from polyfleet_controller.services.image_views import (
    CoveredDevices,
    Fit,
    ImageCheck,
    OnUncovered,
    OtherChild,
    PullSize,
    UncoveredDevices,
)
from polyfleet_controller.services.views import Applied, Change
from polyfleet_shared.platforms import Platform

_FIT: Final = {Fit.NATIVE: GOOD, Fit.COMPATIBLE: "", Fit.EMULATED: WEAK}
_LONGEST_NAME: Final = 16
CHANGE_WORDS: Final = {
    Change.CREATED: "created",
    Change.CHANGED: "configured",
    Change.UNCHANGED: "unchanged",
    Change.MOVED: "configured",
}
_NEXT_STEP: Final = "Publish the image for these platforms too"
_POLICY: Final = {
    None: f"{_NEXT_STEP}, or apply it with spec.onUncovered: hold or exclude.",
    OnUncovered.REFUSE: (
        "The workload's onUncovered is refuse: `polyfleet apply` does not take such an image. "
        f"{_NEXT_STEP}, or set spec.onUncovered to hold or exclude."
    ),
    OnUncovered.HOLD: (
        "The workload's onUncovered is hold: they wait, and go on by themselves when the tag gains their "
        "platform."
    ),
    OnUncovered.EXCLUDE: "The workload's onUncovered is exclude: it is not meant for them.",
}


def draw_image_check(check: ImageCheck, now: datetime) -> RenderableType:
    """One line for each kind of device, the children in full, and the uncovered by name."""
    parts: list[RenderableType] = []
    for image, index in ((check.image, check.index), *((each.image, each.index) for each in check.others)):
        parts += [styled(image, HEADING), make_digests((("index", index),))]
    if check.devices:
        parts.append(make_section(f"Devices: {_count_covered(check)} covered", _draw_devices(check)))
    else:
        parts.append(make_section("Devices", "there is none that it could run on"))
    if check.covered:
        parts.append(make_section("Children", *_draw_children(check, now)))
    if check.uncovered:
        parts.append(draw_uncovered(check))
    if check.unjudged:
        parts.append(
            make_section(
                f"Not counted: {count_devices(check.unjudged)}",
                "admitted, but not heard of what they can run; or two machines share the name",
            )
        )
    return Group(*parts)


def draw_uncovered(check: ImageCheck) -> RenderableType:
    """Which devices get nothing, why, and what to do."""
    word = "Excluded" if check.on_uncovered is OnUncovered.EXCLUDE else "Uncovered"
    parts: list[RenderableType] = []
    for each in check.uncovered:
        parts += [
            styled(f"{each.platform}, {count_devices(each.devices)}"),
            make_facts(_explain_uncovered(each)),
        ]
    heading = f"{word}: {count_devices(check.count_uncovered)}"
    return make_section(heading, *parts, styled(_POLICY[check.on_uncovered]))


def draw_refusal(check: ImageCheck) -> RenderableType:
    """Why `apply` was refused."""
    images = " and ".join((check.image, *(each.image for each in check.others)))
    verb = "cover" if check.others else "covers"
    return Group(styled(f"{images} {verb} {_count_covered(check)} devices"), draw_uncovered(check))


def draw_applied(applied: Applied, now: datetime) -> RenderableType:
    """What `apply` did, then a line for each kind of device; of those that go on as before, none.

    Then what is known against the children that devices are given anew.
    """
    called = name_workload(applied.workload.namespace, applied.workload.name)
    moved = applied.change is Change.MOVED
    release = f": new release {applied.workload.release}, the tag moved" if moved else ""
    head = styled(f"{called} {CHANGE_WORDS[applied.change]}{release}")
    return Group(head, *draw_rows([], applied.preflight, applied.change, now))


def draw_rows(
    rows: list[tuple[str, str | Text]],
    check: ImageCheck | None,
    change: Change,
    now: datetime,
    *,
    pulls: bool = True,
) -> Iterator[RenderableType]:
    """These, a row for each kind of device, with what one of it pulls if that is asked, and the warnings."""
    kinds = () if check is None else _say_kinds(check, change, pulls=pulls)
    facts = [*rows, *kinds]
    if facts:
        yield Padding(make_facts(facts), INDENT)
    for warning in () if check is None else _warn(check, change, now):
        yield Padding(warning, INDENT)


def _warn(check: ImageCheck, change: Change, now: datetime) -> Iterator[RenderableType]:
    if change is Change.UNCHANGED:
        return
    for each in _list_children(check):
        for failure in check.warnings:
            if failure.child == each.child:
                image = f" of {each.image}" if check.others else ""
                yield Text.assemble(f"the child{image} for {each.image_platform} ", say_failure(failure, now))


def _say_kinds(check: ImageCheck, change: Change, *, pulls: bool) -> Iterator[tuple[str, str | Text]]:
    for each in () if change is Change.UNCHANGED else check.covered:
        every = " each" if each.devices > 1 and each.pull.most else ""
        pull = f", {say_each(each.pull)} to pull{every}" if pulls else ""
        yield str(each.platform), f"{count_devices(each.devices)}, {_say_choice(each)}{pull}"
    word = "excluded" if check.on_uncovered is OnUncovered.EXCLUDE else "held"
    for gap in check.uncovered:
        count = count_devices(gap.devices)
        yield str(gap.platform), Text.assemble(f"{count}, ", (word, WEAK), f": {gap.message}")


def _say_choice(each: CoveredDevices) -> str:
    """How the devices run their children; said once where that is the same for all images."""
    choices = ((each.fit, each.image_platform), *((other.fit, other.image_platform) for other in each.others))
    words = (str(fit) if each.platform == platform else f"{fit} as {platform}" for fit, platform in choices)
    return " and ".join(dict.fromkeys(words))


def _list_children(check: ImageCheck) -> Iterable[OtherChild]:
    """The children that devices are given, each once: image by image."""
    first = (
        OtherChild(
            image=check.image,
            image_platform=each.image_platform,
            child=each.child,
            fit=each.fit,
            size=each.size,
        )
        for each in check.covered
    )
    others = (each.others[position] for position in range(len(check.others)) for each in check.covered)
    return {each.child: each for each in (*first, *others)}.values()


def _count_covered(check: ImageCheck) -> str:
    covered = check.devices - check.count_uncovered
    return f"{covered if check.uncovered else 'all'} of {check.devices}"


def _draw_devices(check: ImageCheck) -> RenderableType:
    return make_table(
        ("PLATFORM", "DEVICES", "GETS", "FIT", "EACH PULLS", "IN ALL"),
        (
            *(
                (
                    _fold(each.platform),
                    str(each.devices),
                    join_lines(
                        map(_fold, (each.image_platform, *(one.image_platform for one in each.others)))
                    ),
                    join_lines(
                        styled(fit, _FIT[fit]) for fit in (each.fit, *(one.fit for one in each.others))
                    ),
                    say_each(each.pull),
                    humanize_bytes(each.pull.total),
                )
                for each in check.covered
            ),
            *(
                (_fold(each.platform), str(each.devices), styled("none", BAD), NOTHING, NOTHING, NOTHING)
                for each in check.uncovered
            ),
        ),
        wrapped=("EACH PULLS",),
    )


def _fold(platform: Platform) -> Text:
    """A long name in two lines, where a reader would break it: six columns fit 80 characters so."""
    text = str(platform)
    if len(text) <= _LONGEST_NAME:
        return styled(text)
    head, slash, variant = text.rpartition("/")
    return join_lines((styled(head + slash), styled(variant)))


def _draw_children(check: ImageCheck, now: datetime) -> Iterator[RenderableType]:
    for each in _list_children(check):
        image = f"{each.image}, " if check.others else ""
        yield styled(f"{image}{each.image_platform}, {humanize_bytes(each.size)}")
        yield make_digests((("child", each.child),))
        for failure in check.warnings:
            if failure.child == each.child:
                yield say_failure(failure, now)


def _explain_uncovered(gap: UncoveredDevices) -> Iterable[tuple[str, str | Text]]:
    unnamed = gap.devices - len(gap.names)
    yield "reason", Text.assemble(styled(gap.reason, BAD), f": {gap.message}")
    yield "can run", ", ".join(map(str, gap.runs))
    yield "devices", ", ".join(gap.names) + (f" and {unnamed} more" if unnamed else "")


def say_each(pull: PullSize) -> str:
    """How much one device pulls: `11.8 MiB`, `up to 11.8 MiB`, `nothing`."""
    if pull.least == pull.most:
        return humanize_bytes(pull.most) if pull.most else "nothing"
    if not pull.least:
        return f"up to {humanize_bytes(pull.most)}"
    return f"{humanize_bytes(pull.least)} to {humanize_bytes(pull.most)}"
