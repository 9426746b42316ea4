"""Answers about a workload of two images, as pages show them."""

from dataclasses import replace
from typing import Final

from polyfleet_controller.services.image_views import (
    Fit,
    OnUncovered,
    OtherChild,
    UncoveredDevices,
)
from polyfleet_controller.services.image_views import OtherImage as CheckedImage
from polyfleet_controller.services.views import Child, OtherImage
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason
from view_examples import (
    AMD,
    APPLIED,
    CHECK,
    DEVICE_DETAIL,
    RELEASE,
    WORKLOAD,
    WORKLOAD_DETAIL,
    digest,
)

SIDE: Final = "registry.example.com:5000/team/side:3"


def _side(child: str, fit: Fit) -> tuple[OtherChild, ...]:
    return (OtherChild(image=SIDE, image_platform=AMD, child=digest(child), fit=fit, size=2_345_678),)


PAIR_CHECK: Final = replace(
    CHECK,
    devices=321,
    others=(CheckedImage(image=SIDE, index=digest("5"), offers=(AMD,)),),
    covered=(
        replace(CHECK.covered[0], others=_side("6", Fit.NATIVE)),
        replace(CHECK.covered[2], others=_side("6", Fit.EMULATED)),
    ),
    uncovered=(
        UncoveredDevices(
            platform=Platform.parse("linux/arm/v5"),
            devices=8,
            runs=(Platform.parse("linux/arm/v5"),),
            reason=Reason.NO_MATCHING_PLATFORM,
            message=f"{SIDE}: the image has nothing for this kind of processor, only linux/amd64",
            names=("till-1",),
        ),
    ),
    unjudged=0,
    warnings=(replace(CHECK.warnings[0], child=digest("6")),),
)
PAIR_REFUSED: Final = replace(PAIR_CHECK, on_uncovered=OnUncovered.REFUSE)
PAIR_APPLIED: Final = replace(APPLIED, preflight=replace(PAIR_CHECK, on_uncovered=OnUncovered.HOLD))
PAIR_WORKLOAD: Final = replace(WORKLOAD, other_images=(SIDE,), condition=None, alarm=None)
PAIR_DETAIL: Final = replace(
    WORKLOAD_DETAIL,
    workload=PAIR_WORKLOAD,
    release=replace(
        RELEASE,
        others=(
            OtherImage(
                image=SIDE,
                index=digest("5"),
                children=(Child(platform=AMD, child=digest("6"), config=digest("7"), size=2_345_678),),
            ),
        ),
    ),
    failures=(),
    placements=WORKLOAD_DETAIL.placements[:1],
)
PAIR_DEVICE: Final = replace(
    DEVICE_DETAIL,
    assignments=tuple(
        replace(each, other_children=(digest("6"),)) if each.child is not None else each
        for each in DEVICE_DETAIL.assignments
    ),
    events=(),
    refusals=(),
)
