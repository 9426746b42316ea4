"""What a check of an image answers, from the fleet that a database knows."""

import pytest

from controlroom import REPOSITORY, ControlRoom, Voice, digest, index
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.image_views import (
    CoveredDevices,
    ImageCheck,
    ImageFailure,
    PullSize,
    UncoveredDevices,
)
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.preflight import MAX_NAMES
from polyfleet_shared.messages import Phase, WorkloadReport
from polyfleet_shared.platforms import Fit, Platform
from polyfleet_shared.reasons import Reason

AMD, ARM64, RISCV = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm64", "riscv64"))


def reference(tag: str) -> ImageReference:
    return ImageReference(repository=REPOSITORY, tag=tag)


def covered(platform: Platform, tag: str, *, devices: int = 1, each: int = 1000) -> CoveredDevices:
    return CoveredDevices(
        platform=platform,
        devices=devices,
        image_platform=platform,
        child=digest(f"{tag} {platform}"),
        fit=Fit.NATIVE,
        size=1000,
        pull=PullSize(total=devices * each, least=each, most=each),
    )


def test_an_image_is_checked_for_every_admitted_device(room: ControlRoom) -> None:
    crowd = [Voice(name=f"star-{n:02}", platform="linux/riscv64") for n in range(MAX_NAMES + 2)]
    room.enrol(
        Voice(name="edge-1"), Voice(name="edge-2"), Voice(name="edge-3", platform="linux/arm64"), *crowd
    )
    room.shelf.answers["2"] = index("2", "linux/arm64", "linux/amd64")
    assert room.preflights.check(reference("2"), now=room.now) == ImageCheck(
        image=f"{REPOSITORY}:2",
        index=index("2", "linux/arm64", "linux/amd64").index,
        offers=(ARM64, AMD),
        devices=15,
        covered=(covered(AMD, "2", devices=2), covered(ARM64, "2")),
        uncovered=(
            UncoveredDevices(
                platform=RISCV,
                devices=12,
                runs=(RISCV,),
                reason=Reason.NO_MATCHING_PLATFORM,
                message="the image has nothing for this kind of processor, only linux/arm64, linux/amd64",
                names=tuple(voice.name for voice in crowd[:MAX_NAMES]),
            ),
        ),
        unjudged=0,
        on_uncovered=None,
        warnings=(),
    )


def test_a_device_that_proves_the_image_has_nothing_to_pull(room: ControlRoom) -> None:
    proving, lagging = Voice(name="edge-1"), Voice(name="edge-2")
    room.enrol(proving, lagging)
    room.apply()
    room.settle(proving)
    (found,) = room.preflights.check(reference("1"), now=room.now).covered
    assert found.pull == PullSize(total=1000, least=0, most=1000)
    (found,) = room.preflights.check(reference("2"), now=room.now).covered
    assert found.pull == PullSize(total=2000, least=1000, most=1000)


def test_only_selected_devices_are_checked(room: ControlRoom) -> None:
    room.enrol(
        Voice(name="edge-1", labels={"site": "north"}),
        Voice(name="edge-2", platform="linux/riscv64", labels={"site": "south"}),
    )
    room.shelf.answers["2"] = index("2", "linux/amd64")
    check = room.preflights.check(reference("2"), now=room.now, selector=Selector.parse("site!=south"))
    assert (check.devices, check.covered, check.uncovered) == (1, (covered(AMD, "2"),), ())
    check = room.preflights.check(reference("2"), now=room.now, selector=Selector.parse("site=south"))
    assert [(gap.devices, gap.names) for gap in check.uncovered] == [(1, ("edge-2",))]


def test_what_devices_found_out_about_a_child_warns_others(room: ControlRoom) -> None:
    voice = Voice(name="edge-1")
    room.enrol(voice, Voice(name="edge-2"))
    applied = room.apply()
    voice.document = room.deliver_documents()["edge-1"]
    voice.workloads = (
        WorkloadReport(
            uid=applied.workload.uid,
            namespace="default",
            name="hello",
            release=applied.workload.release or "",
            phase=Phase.FAILED,
            reason=Reason.ILLEGAL_INSTRUCTION,
            message="exit code 132",
        ),
    )
    room.receive(voice.report())
    warning = ImageFailure(
        child=digest("1 linux/amd64"),
        platform=AMD,
        reason=Reason.ILLEGAL_INSTRUCTION,
        message="exit code 132",
        device="edge-1",
        workload=applied.workload.uid,
        seen_at=room.now,
    )
    assert room.preflights.check(reference("1"), now=room.now).warnings == (warning,)
    assert room.preflights.check(reference("2"), now=room.now).warnings == ()


def test_a_workload_that_is_not_there_and_a_registry_without_answer_are_told(room: ControlRoom) -> None:
    with pytest.raises(NotFoundError, match="there is no workload 'default/none'"):
        room.preflights.check(reference("1"), now=room.now, workload=("default", "none"))
    room.shelf.answers["1"] = RegistryFailure(Reason.IMAGE_NOT_FOUND, "there is no such tag")
    with pytest.raises(RegistryFailure, match="there is no such tag"):
        room.preflights.check(reference("1"), now=room.now)
