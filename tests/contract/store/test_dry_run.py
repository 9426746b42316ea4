"""A dry run says what applying does: the same devices, and nothing is written."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from controlroom import ControlRoom, Voice, digest, index, manifest
from polyfleet_controller.domain.images import Layer, ResolvedImage
from polyfleet_controller.domain.preflight import PullSize
from polyfleet_controller.services.errors import ConflictError, DevicesUncoveredError
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_controller.services.views import Change, DryRun, FieldChange, PlannedPull, SomeDevices
from polyfleet_shared.json_text import DecodeError
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

NOBODY = SomeDevices(devices=0, names=())


@pytest.fixture(autouse=True)
def fleet(room: ControlRoom) -> tuple[Voice, ...]:
    """Eleven devices: the last alone is in the south, the third runs arm64."""
    voices = tuple(
        Voice(
            name=f"dev-{number:02}",
            platform="linux/arm64" if number == 3 else "linux/amd64",
            labels={"site": "south" if number == 11 else "north", "rack": str(number)},
        )
        for number in range(1, 12)
    )
    room.enrol(*voices)
    return voices


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


def run_on(fleet: tuple[Voice, ...], name: str = "hello") -> Mapping[str, str]:
    """By device, the spec hash of what its newest document has it run of a workload."""
    return {
        voice.name: workload.spec_hash
        for voice in fleet
        if voice.document is not None
        for workload in voice.document.workloads
        if workload.name == name
    }


def layered(tag: str, **layers: int) -> ResolvedImage:
    """An image whose children consist of these layers, by name."""
    image = index(tag)
    parts = tuple(Layer(digest=digest(name), size=size) for name, size in layers.items())
    children = (replace(child, layers=parts, size=sum(layers.values())) for child in image.children)
    return replace(image, children=tuple(children))


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
    assert try_out(room, ask()) == replace(
        found, change=Change.UNCHANGED, gained=NOBODY, pulls=(), stored=found.manifest
    )


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


@pytest.mark.parametrize(
    "change",
    [
        {"env": [{"name": "A", "value": "1"}]},
        {"command": ["/other"]},
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_devices_whose_containers_are_made_anew_are_those_that_applying_restarts(
    room: ControlRoom, fleet: tuple[Voice, ...], change: dict[str, Any]
) -> None:
    volumes: dict[str, Any] = {"volumes": [{"name": "data", "emptyDir": {}}]}
    selected: dict[str, Any] = {"affinity": within("3", "5", "11")}
    room.workloads.apply(ask(**selected, **volumes), now=room.now)
    room.settle(*fleet)
    before = run_on(fleet)
    changed = ask(**selected, **volumes)
    changed["spec"]["template"]["spec"]["containers"][0].update(change)
    found = try_out(room, changed)
    assert (found.restarted, found.gained, found.lost, found.changed, found.pulls) == (
        some("dev-03", "dev-05", "dev-11"),
        NOBODY,
        NOBODY,
        NOBODY,
        (),
    )
    (difference,) = found.differences
    assert difference.path == f"spec.template.spec.containers[main].{next(iter(change))}"
    room.workloads.apply(changed, now=room.now)
    room.settle(*fleet)
    after = run_on(fleet)
    assert {name for name in after if after[name] != before[name]} == set(found.restarted.names)


def test_what_changes_nothing_that_runs_restarts_nobody(room: ControlRoom) -> None:
    room.workloads.apply(ask(), now=room.now)
    labelled = ask()
    labelled["metadata"]["labels"] = {"tier": "edge"}
    found = try_out(room, labelled)
    assert (found.change, found.restarted, found.changed) == (Change.CHANGED, NOBODY, NOBODY)
    assert found.differences == (FieldChange(path="metadata.labels", before=None, after='{"tier":"edge"}'),)
    assert (found.stored, json.loads(found.manifest)["metadata"]) == (
        try_out(room, ask()).manifest,
        {"name": "hello", "labels": {"tier": "edge"}},
    )
    tolerant = try_out(room, ask(tolerations=[{"operator": "Exists"}]))
    assert (tolerant.restarted, tolerant.changed, tolerant.gained) == (NOBODY, NOBODY, NOBODY)


def test_of_a_tag_that_moved_only_those_change_whose_own_child_is_another(room: ControlRoom) -> None:
    room.workloads.apply(ask(), now=room.now)
    old, new = index("1"), index("new")
    arm64 = Platform.parse("linux/arm64")
    room.shelf.answers["1"] = replace(
        new,
        children=tuple(
            after if after.platform == arm64 else before
            for before, after in zip(old.children, new.children, strict=True)
        ),
    )
    found = try_out(room, ask())
    assert (found.change, found.changed, found.restarted) == (Change.MOVED, some("dev-03"), NOBODY)
    assert found.pulls == (
        PlannedPull(
            platform=arm64,
            devices=1,
            children=(digest("new linux/arm64"),),
            pull=PullSize(total=1000, least=1000, most=1000),
        ),
    )


def test_layers_of_what_a_device_is_to_run_already_are_not_pulled(room: ControlRoom) -> None:
    room.shelf.answers |= {"1": layered("1", base=400, one=100), "2": layered("2", base=400, two=70)}
    room.workloads.apply(ask(nodeSelector={"site": "south"}), now=room.now)
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
    assert try_out(room, ask("2", affinity=within("2", "3", "11"))).pulls == (
        PlannedPull(
            platform=amd64,
            devices=2,
            children=(digest("2 linux/amd64"),),
            pull=PullSize(total=540, least=70, most=470),
        ),
        PlannedPull(
            platform=arm64,
            devices=1,
            children=(digest("2 linux/arm64"),),
            pull=PullSize(total=470, least=470, most=470),
        ),
    )


def test_what_applying_would_not_place_anew_is_shown_as_it_stands(room: ControlRoom) -> None:
    """A replica that is missing waits for the next look at the fleet, which applying the same is not."""
    document = ask(replicas=2, nodeSelector={"site": "south"})
    room.workloads.apply(document, now=room.now)
    room.label("dev-05", site="south", overwrite=True)
    found = try_out(room, document)
    assert (found.change, found.gained, found.missing) == (Change.UNCHANGED, NOBODY, 1)
    room.workloads.apply(document, now=room.now)
    assert [each.device for each in room.workload().placements] == ["dev-11"]


def another(name: str, *, tag: str = "1", port: int | None = None, **pod: object) -> dict[str, Any]:
    """A workload that runs everywhere."""
    document = ask(tag)
    document["spec"]["template"]["spec"].update(pod)
    document["metadata"]["name"] = name
    if port is not None:
        ports = [{"containerPort": 80, "hostPort": port}]
        document["spec"]["template"]["spec"]["containers"][0]["ports"] = ports
    return document


def test_several_are_tried_each_on_the_state_that_those_before_it_would_leave(room: ControlRoom) -> None:
    room.shelf.answers |= {"1": layered("1", base=400, one=100), "2": layered("2", base=400, two=70)}
    room.workloads.apply(another("old", port=80, affinity=within("1", "2", "11")), now=room.now)
    documents = [
        another("new", port=80, affinity=within("2", "3", "4")),
        another("old", port=80, affinity=within("1", "3")),
        another("third", tag="2", port=80, affinity=within("2", "4", "11")),
    ]
    found = room.workloads.try_out_all(documents, now=room.now)
    assert [(each.gained, each.lost) for each in found if isinstance(each, DryRun)] == [
        (some("dev-03", "dev-04"), NOBODY),
        (NOBODY, some("dev-02", "dev-11")),
        (some("dev-02", "dev-11"), NOBODY),
    ]
    in_turn = []
    for document in documents:
        in_turn.append(try_out(room, document))
        room.workloads.apply(document, now=room.now)
    assert [replace(each, preflight=None) for each in in_turn] == [
        replace(each, preflight=None) for each in found if isinstance(each, DryRun)
    ]


def test_one_of_several_that_is_refused_changes_nothing_for_the_next(room: ControlRoom) -> None:
    room.shelf.answers["2"] = index("2", "linux/riscv64")
    stale = another("stale", port=80)
    stale["metadata"]["resourceVersion"] = "1-0"
    wrong = another("wrong")
    wrong["spec"]["colour"] = "red"
    last = another("last", port=80, nodeSelector={"site": "south"})
    found = room.workloads.try_out_all(
        [another("uncovered", tag="2", port=80), stale, wrong, last, last, another("hello")], now=room.now
    )
    assert [type(each) for each in found] == [
        DevicesUncoveredError,
        ConflictError,
        DecodeError,
        DryRun,
        DecodeError,
        DryRun,
    ]
    assert [each.gained.devices for each in found if isinstance(each, DryRun)] == [1, 11]
    assert "before this one" in str(found[4])
    assert room.deliver_documents() == {}
