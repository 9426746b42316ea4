"""A dry run says what applying does: the same devices, and nothing is written."""

from dataclasses import replace
from typing import Any

import pytest

from controlroom import ControlRoom, Voice, index, manifest
from polyfleet_controller.services.errors import DevicesUncoveredError
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Change, DryRun, SomeDevices
from polyfleet_shared.reasons import Reason

NOBODY = SomeDevices(devices=0, names=())


@pytest.fixture(autouse=True)
def fleet(room: ControlRoom) -> None:
    """Eleven devices: the last alone is in the south, the third runs arm64."""
    room.enrol(
        *(
            Voice(
                name=f"dev-{number:02}",
                platform="linux/arm64" if number == 3 else "linux/amd64",
                labels={"site": "south" if number == 11 else "north", "rack": str(number)},
            )
            for number in range(1, 12)
        )
    )


def ask(tag: str = "1", *, replicas: int | None = None, **pod: object) -> dict[str, Any]:
    document = manifest(tag=tag)
    document["spec"]["template"]["spec"].update(pod)
    if replicas is not None:
        document["spec"]["replicas"] = replicas
    return document


def within(*racks: str) -> dict[str, Any]:
    """The node affinity for devices in these racks."""
    expression = {"key": "rack", "operator": "In", "values": list(racks)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def some(*names: str) -> SomeDevices:
    return SomeDevices(devices=len(names), names=names)


def try_out(room: ControlRoom, document: dict[str, Any]) -> DryRun:
    return room.workloads.try_out(document, now=room.now)


def test_a_new_workload_is_shown_with_its_devices_and_is_not_there_afterwards(room: ControlRoom) -> None:
    found = try_out(room, ask())
    names = tuple(f"dev-{number:02}" for number in range(1, 11))
    assert (found.change, found.gained) == (Change.CREATED, SomeDevices(devices=11, names=names))
    assert (found.lost, found.changed, found.missing, found.unanswered) == (NOBODY, NOBODY, 0, None)
    assert found.preflight is not None
    assert [(str(each.platform), each.devices) for each in found.preflight.covered] == [
        ("linux/amd64", 10),
        ("linux/arm64", 1),
    ]
    assert room.deliver_documents() == {}
    applied = room.workloads.apply(ask(), now=room.now)
    assert (applied.change, applied.preflight) == (found.change, found.preflight)
    assert try_out(room, ask()) == replace(found, change=Change.UNCHANGED, gained=NOBODY)


def test_devices_lost_and_given_another_child_are_those_that_applying_changes(room: ControlRoom) -> None:
    room.workloads.apply(ask(nodeSelector={"site": "south"}), now=room.now)
    found = try_out(room, ask("2", affinity=within("3", "11")))
    before = room.workload()
    assert found.change is Change.CHANGED
    assert (found.gained, found.lost, found.changed) == (some("dev-03"), NOBODY, some("dev-11"))
    assert try_out(room, ask(affinity=within("3"))).lost == some("dev-11")
    assert room.workload() == before
    room.workloads.apply(ask("2", affinity=within("3", "11")), now=room.now)
    assert [placement.device for placement in room.workload().placements] == ["dev-03", "dev-11"]


def test_a_moved_tag_is_shown(room: ControlRoom) -> None:
    room.workloads.apply(ask(nodeSelector={"site": "south"}), now=room.now)
    room.shelf.answers["1"] = index("other")
    found = try_out(room, ask(nodeSelector={"site": "south"}))
    assert (found.change, found.gained, found.lost, found.changed) == (
        Change.MOVED,
        NOBODY,
        NOBODY,
        some("dev-11"),
    )


def test_replicas_that_find_no_device_are_counted(room: ControlRoom) -> None:
    found = try_out(room, ask(replicas=3, nodeSelector={"site": "south"}))
    assert (found.gained, found.missing) == (some("dev-11"), 2)


def test_what_applying_refuses_a_dry_run_refuses(room: ControlRoom) -> None:
    room.shelf.answers["1"] = index("1", "linux/amd64")
    with pytest.raises(DevicesUncoveredError) as refusal:
        try_out(room, ask())
    with pytest.raises(DevicesUncoveredError) as same:
        room.workloads.apply(ask(), now=room.now)
    assert refusal.value.check == same.value.check


def test_without_an_answer_of_the_registry_nothing_is_known_to_move(room: ControlRoom) -> None:
    room.workloads.apply(ask(), now=room.now)
    room.shelf.answers["1"] = RegistryFailure(Reason.REGISTRY_UNREACHABLE, "no route")
    found = try_out(room, ask())
    assert found.unanswered is not None
    assert found.unanswered.reason is Reason.REGISTRY_UNREACHABLE
    assert (found.change, found.gained, found.preflight) == (Change.UNCHANGED, NOBODY, None)
