"""Where workloads run: chosen by what they ask, and chosen again as devices change, fill up and go."""

from typing import Any

import pytest

from controlroom import ControlRoom, Voice, index, manifest
from polyfleet_controller.domain.scheduling.filters import FilterName
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.placement_reasons import RefusedDevices, Verdict

MEMORY = {"requests": {"memory": "600Mi"}}  # of each device's 1 GiB


def site(name: str, where: str, **fields: Any) -> Voice:  # noqa: ANN401 - of Voice
    return Voice(name=name, labels={"site": where}, **fields)


def workload(name: str = "hello", *, replicas: int | None = None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - of a pod's or a container's spec
    """A manifest; what belongs to the container goes there."""
    container = {key: fields.pop(key) for key in ("resources", "ports") if key in fields}
    document = manifest(name, **container)
    document["spec"]["template"]["spec"].update(fields)
    if replicas is not None:
        document["spec"]["replicas"] = replicas
    return document


def apply(room: ControlRoom, name: str = "hello", **fields: Any) -> None:  # noqa: ANN401 - of `workload`
    room.workloads.apply(workload(name, **fields), now=room.now)


def places(room: ControlRoom, name: str = "hello") -> list[str]:
    return [item.device for item in room.workload(name).placements]


def reschedule(room: ControlRoom) -> None:
    room.rescheduling.look(now=room.now)


@pytest.fixture
def fleet(room: ControlRoom) -> list[Voice]:
    voices = [site("a-1", "berlin"), site("a-2", "berlin"), site("b-1", "paris")]
    room.enrol(*voices)
    return voices


def test_a_workload_runs_where_its_selector_says_and_nowhere_else(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, nodeSelector={"site": "berlin"})
    documents = room.deliver_documents()
    assert documents.keys() == {"a-1", "a-2"}
    assert all(len(document.workloads) == 1 for document in documents.values())
    assert places(room) == ["a-1", "a-2"]


def test_another_selector_moves_it(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, nodeSelector={"site": "berlin"})
    room.settle(*fleet)
    apply(room, nodeSelector={"site": "paris"})
    documents = room.deliver_documents()
    assert {name: len(document.workloads) for name, document in documents.items()} == {
        "a-1": 0,
        "a-2": 0,
        "b-1": 1,
    }
    assert places(room) == ["b-1"]


def test_a_device_whose_labels_change_gets_and_loses_workloads(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, nodeSelector={"site": "berlin"})
    room.settle(*fleet)
    fleet[2].labels = {"site": "berlin"}
    fleet[0].labels = {}
    room.receive(fleet[2].describe(), fleet[0].describe())
    assert places(room) == ["a-2", "b-1"]
    assert room.deliver_documents().keys() == {"a-1", "b-1"}


def test_a_device_that_joins_is_given_only_what_belongs_there(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, "here", nodeSelector={"site": "berlin"})
    apply(room, "there", nodeSelector={"site": "paris"})
    room.enrol(site("a-3", "berlin"))
    assert [item.name for item in room.show("a-3").assignments] == ["here"]


def test_replicas_run_on_so_many_devices_and_the_rest_is_missing(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, replicas=2)
    assert len(places(room)) == 2
    apply(room, replicas=5)
    assert places(room) == ["a-1", "a-2", "b-1"]
    assert room.placement_reasons.explain("default", "hello", now=room.now).missing == 2


def test_more_and_fewer_replicas_move_nothing_that_stays(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, replicas=1)
    (first,) = places(room)
    apply(room, replicas=2)
    assert first in places(room)
    room.settle(*fleet)
    apply(room, replicas=1)
    assert len(places(room)) == 1


def test_a_missing_replica_finds_the_device_that_joins(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, replicas=4)
    room.enrol(site("c-1", "rome"))
    reschedule(room)
    assert places(room) == ["a-1", "a-2", "b-1", "c-1"]


def test_a_replica_moves_off_a_device_that_is_gone_for_long_but_not_for_a_blip(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, replicas=1)
    (home,) = places(room)
    voice = next(item for item in fleet if item.name == home)
    room.settle(*fleet)
    room.receive(voice.disconnect())
    reschedule(room)
    room.pass_time(minutes=4)
    reschedule(room)
    assert places(room) == [home]
    room.pass_time(minutes=2)
    reschedule(room)
    (other,) = places(room)
    assert other != home
    room.receive(voice.connect())
    reschedule(room)
    assert places(room) == [other]


def test_a_replica_that_nobody_else_can_take_stays_with_the_device_that_is_gone(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, replicas=1, nodeSelector={"site": "paris"})
    room.settle(*fleet)
    room.receive(fleet[2].disconnect())
    room.pass_time(minutes=10)
    reschedule(room)
    assert places(room) == ["b-1"]
    assert room.placement_reasons.explain("default", "hello", now=room.now).missing == 1
    room.receive(fleet[2].connect())
    reschedule(room)
    assert room.placement_reasons.explain("default", "hello", now=room.now).missing == 0


def test_what_does_not_fit_beside_the_others_waits_until_there_is_room(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, "first", resources=MEMORY, nodeSelector={"site": "paris"})
    apply(room, "second", resources=MEMORY)
    assert places(room, "second") == ["a-1", "a-2"]
    why = room.placement_reasons.explain_device("default", "second", "b-1", now=room.now)
    assert (why.verdict, why.filter) == (Verdict.REFUSED, FilterName.MEMORY)
    assert why.message == "needs 600 MiB of memory, 424 MiB free"
    room.workloads.delete("default", "first", now=room.now)
    reschedule(room)
    assert places(room, "second") == ["a-1", "a-2", "b-1"]


def test_two_workloads_never_share_a_port_of_a_device(room: ControlRoom, fleet: list[Voice]) -> None:
    port = [{"containerPort": 80, "hostPort": 8080}]
    apply(room, "first", replicas=2, ports=port)
    apply(room, "second", replicas=3, ports=port)
    assert set(places(room, "first")) | set(places(room, "second")) == {"a-1", "a-2", "b-1"}
    assert not set(places(room, "first")) & set(places(room, "second"))


def test_replicas_go_where_the_image_runs(room: ControlRoom) -> None:
    room.enrol(Voice(name="pc"), Voice(name="pi", platform="linux/arm64"))
    room.shelf.answers["1"] = index("1", "linux/arm64")
    apply(room, replicas=1)
    assert places(room) == ["pi"]


def test_why_groups_the_devices_that_are_refused_for_the_same_reason(
    room: ControlRoom, fleet: list[Voice]
) -> None:
    apply(room, nodeSelector={"site": "paris"})
    why = room.placement_reasons.explain("default", "hello", now=room.now)
    assert (why.chosen, why.chosen_names, why.spare) == (1, ("b-1",), 0)
    assert why.refused == (
        RefusedDevices(
            filter=FilterName.NODE_SELECTOR,
            message="nodeSelector wants site=paris; the device has site=berlin",
            devices=2,
            names=("a-1", "a-2"),
        ),
    )


def test_why_of_a_workload_that_is_not_there(room: ControlRoom) -> None:
    with pytest.raises(NotFoundError):
        room.placement_reasons.explain("default", "hello", now=room.now)


def test_applying_the_same_again_sends_nothing(room: ControlRoom, fleet: list[Voice]) -> None:
    apply(room, replicas=2)
    room.settle(*fleet)
    apply(room, replicas=2)
    reschedule(room)
    assert room.deliver() == ()
    assert {item.standing for item in room.workload().placements} == {Standing.RUNNING}
