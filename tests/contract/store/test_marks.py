"""Labels and taints as operators put them on devices, beside what devices say themselves."""

from dataclasses import replace

import pytest

from controlroom import HOST, ControlRoom, Voice, manifest
from polyfleet_controller.domain.device_labels import (
    MAX_LABELS,
    DeviceLabel,
    IgnoredLabel,
    LabelChange,
    LabelSource,
)
from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError, check_room
from polyfleet_controller.domain.taint_changes import MAX_TAINTS, TaintChange, TaintRemoval, TaintSetting
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_controller.services.devices import DeviceFilter
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.labelling import count_labels, find_facts, find_moved
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import DeviceView, Marked, MarkOutcome
from polyfleet_controller.store.marks import load_operator_labels, load_taints
from polyfleet_controller.store.messages import StoredInventory
from polyfleet_shared.json_text import Problem
from polyfleet_shared.platforms import Platform

OWN = {"kubernetes.io/arch": "arm", "kubernetes.io/os": "linux", "kubernetes.io/hostname": "board"}
VARIANT = {"polyfleet.io/variant": "v7"}
MACHINE = {**OWN, **VARIANT}
DEDICATED = TaintSetting(key="dedicated", value="till", effect=Effect.NO_SCHEDULE)


def enrol(room: ControlRoom, **labels: str) -> Voice:
    voice = Voice(platform="linux/arm/v7", labels=labels)
    room.enrol(voice)
    return voice


def found(room: ControlRoom, key: str, value: str) -> list[str]:
    filters = DeviceFilter(labels={key: value})
    return [view.name for view in room.devices.list(PageRequest(), filters).items]


def taint(room: ControlRoom, *settings: TaintSetting, remove: str = "") -> DeviceView:
    removals = (TaintRemoval(key=remove),) if remove else ()
    change = TaintChange(set=settings, remove=removals)
    return room.marks.taint("dev-1", change, now=room.now)


def test_an_operators_label_counts_shows_and_is_found(room: ControlRoom) -> None:
    enrol(room, tier="edge")
    assert room.label("dev-1", site="north").labels == {**MACHINE, "tier": "edge", "site": "north"}
    assert found(room, "site", "north") == ["dev-1"]
    detail = room.show("dev-1")
    assert detail.device == room.devices.list(PageRequest()).items[0]
    assert detail.labels == (
        *(
            DeviceLabel(key=key, value=value, source=LabelSource.INVENTORY)
            for key, value in sorted(MACHINE.items())
        ),
        DeviceLabel(key="site", value="north", source=LabelSource.OPERATOR),
        DeviceLabel(key="tier", value="edge", source=LabelSource.DEVICE),
    )


def test_an_operators_label_stays_whatever_the_device_says_later(room: ControlRoom) -> None:
    voice = enrol(room, site="paris")
    with pytest.raises(MarkConflictError):
        room.label("dev-1", site="berlin")
    room.label("dev-1", site="berlin", overwrite=True)
    voice.labels = {"site": "rome", "polyfleet.io/tier": "gold"}
    room.receive(voice.describe())
    room.receive(*voice.reinstall("life-2").introduce())
    room.receive(voice.reinstall("life-3").connect())
    third = voice.reinstall("life-3")
    third.labels = voice.labels
    room.receive(*third.introduce())
    detail = room.show("dev-1")
    assert detail.device.labels == {**MACHINE, "site": "berlin"}
    assert detail.labels[-1] == DeviceLabel(
        key="site", value="berlin", source=LabelSource.OPERATOR, configured="rome"
    )
    assert detail.ignored_labels == (
        IgnoredLabel(
            key="polyfleet.io/tier",
            value="gold",
            message="polyfleet.io/tier is reserved, as all under polyfleet.io/ is but for polyfleet.io/site",
        ),
    )
    assert (found(room, "site", "berlin"), found(room, "site", "rome")) == (["dev-1"], [])
    assert room.label("dev-1", "site").labels == {**MACHINE, "site": "rome"}
    assert found(room, "site", "rome") == ["dev-1"]


def test_a_refused_change_changes_nothing(room: ControlRoom) -> None:
    enrol(room, tier="edge")
    before = room.show("dev-1")
    change = LabelChange(set={"site": "north", "kubernetes.io/arch": "arm64"}, remove=("tier",))
    with pytest.raises(MarkRefusedError) as raised:
        room.marks.label("dev-1", change, now=room.now)
    assert [problem.path for problem in raised.value.problems] == ['set["kubernetes.io/arch"]', "remove[0]"]
    assert room.show("dev-1") == before
    assert found(room, "site", "north") == []


def test_a_device_is_marked_before_it_says_what_it_is(room: ControlRoom) -> None:
    voice = Voice(labels={"tier": "edge"})
    room.receive(voice.connect())
    assert room.label("dev-1", site="north").labels == {"site": "north"}
    assert taint(room, DEDICATED).taints[0].key == "dedicated"
    assert found(room, "site", "north") == ["dev-1"]
    assert [view.labels for view in room.devices.list(PageRequest()).items] == [{"site": "north"}]
    room.receive(voice.describe(), voice.report())
    assert room.show("dev-1").device.labels == {
        **OWN,
        "kubernetes.io/arch": "amd64",
        "site": "north",
        "tier": "edge",
    }


def test_a_device_of_another_platform_has_other_labels(room: ControlRoom) -> None:
    voice = enrol(room)
    voice.platform = "linux/arm64"
    room.receive(voice.describe())
    assert room.show("dev-1").device.labels == {**OWN, "kubernetes.io/arch": "arm64"}
    assert (found(room, "kubernetes.io/arch", "arm"), found(room, "polyfleet.io/variant", "v7")) == ([], [])


def test_a_taint_is_kept_with_the_time_at_which_it_was_set(room: ControlRoom) -> None:
    enrol(room)
    first = Taint(key="dedicated", value="till", effect=Effect.NO_SCHEDULE, since=room.now)
    assert taint(room, DEDICATED).taints == (first,)
    room.pass_time(hours=1)
    broken = TaintSetting(key="broken", effect=Effect.NO_EXECUTE)
    second = Taint(key="broken", effect=Effect.NO_EXECUTE, since=room.now)
    assert taint(room, DEDICATED, broken).taints == (second, first)
    with pytest.raises(MarkConflictError):
        taint(room, TaintSetting(key="dedicated", value="scale", effect=Effect.NO_SCHEDULE))
    assert room.show("dev-1").device.taints == (second, first)
    assert taint(room, remove="dedicated").taints == (second,)
    assert taint(room, remove="dedicated").taints == (second,)
    with room.database.read() as connection:
        assert load_taints(connection) == load_taints(connection, ["dev-1"]) == {"dev-1": (second,)}
        assert load_taints(connection, []) == {}
        assert load_operator_labels(connection, []) == {}


def test_what_runs_is_decided_anew_and_goes_on_where_nothing_came_of_it(room: ControlRoom) -> None:
    voice = enrol(room)
    room.apply()
    room.settle(voice)
    before = room.show("dev-1")
    room.label("dev-1", site="north")
    taint(room, TaintSetting(key="tired", effect=Effect.PREFER_NO_SCHEDULE))
    after = room.show("dev-1")
    assert (after.assignments, after.device.sync) == (before.assignments, before.device.sync)
    assert room.deliver_documents() == {}


def test_a_label_brings_a_workload_and_a_taint_sends_it_away(room: ControlRoom) -> None:
    voice = enrol(room)
    document = manifest()
    document["spec"]["template"]["spec"]["nodeSelector"] = {"site": "north"}
    room.workloads.apply(document, now=room.now)

    def given() -> list[str]:
        room.settle(voice)
        return [workload.name for workload in voice.workloads]

    assert given() == []
    woken = room.woken
    room.label("dev-1", site="north")
    assert (given(), room.woken) == (["hello"], woken + 1)
    taint(room, DEDICATED)
    assert given() == ["hello"]
    taint(room, TaintSetting(key="broken", effect=Effect.NO_EXECUTE))
    assert given() == []
    taint(room, remove="broken")
    assert given() == []
    taint(room, remove="dedicated")
    assert given() == ["hello"]
    room.label("dev-1", "site")
    voice.labels = {"site": "north"}
    room.receive(voice.describe())
    assert given() == ["hello"]


def test_a_deleted_device_is_not_marked_any_more(room: ControlRoom) -> None:
    voice = enrol(room)
    room.label("dev-1", site="north")
    taint(room, DEDICATED)
    room.devices.delete("dev-1", now=room.now)
    with pytest.raises(NotFoundError, match="there is no device 'dev-1'"):
        room.label("dev-1", site="north")
    with pytest.raises(NotFoundError, match="there is no device 'dev-1'"):
        taint(room, DEDICATED)
    voice.boot += 1
    room.receive(*voice.introduce())
    view = room.show("dev-1").device
    assert (view.labels, view.taints) == (MACHINE, ())


def test_marks_are_of_one_device_only(room: ControlRoom) -> None:
    enrol(room)
    room.enrol(Voice("dev-2", labels={"site": "paris"}))
    room.label("dev-1", site="north")
    taint(room, DEDICATED)
    room.label("dev-2", rack="3")
    with room.database.read() as connection:
        assert load_operator_labels(connection) == {"dev-1": {"site": "north"}, "dev-2": {"rack": "3"}}
    views = room.devices.list(PageRequest()).items
    assert [(view.name, view.labels["site"], len(view.taints)) for view in views] == [
        ("dev-1", "north", 1),
        ("dev-2", "paris", 0),
    ]


def test_only_what_an_inventory_says_anew_can_move_a_workload(room: ControlRoom) -> None:
    voice = enrol(room, tier="edge")
    room.label("dev-1", site="north")
    same = voice.inventory()
    changed = {
        "same": same,
        "an operator says so already": replace(same, labels={"tier": "edge", "site": "north"}),
        "an operator says otherwise": replace(same, labels={"tier": "edge", "site": "paris"}),
        "tier": replace(same, labels={}),
        "arch": replace(same, platform=Platform.parse("linux/arm64")),
        "cpu": replace(same, host=replace(HOST, cpu_count=8)),
        "memory": replace(same, host=replace(HOST, memory_total=1)),
        "disk": replace(same, host=replace(HOST, disk_total=1)),
    }
    moved = []
    with room.database.read() as connection:
        for name, inventory in changed.items():
            new = {"dev-1": StoredInventory(device="dev-1", inventory=inventory, body="")}
            if find_moved(connection, find_facts(new, count_labels(connection, new))):
                moved.append(name)
    assert moved == ["tier", "arch", "cpu", "memory"]


def mark_all(room: ControlRoom, *names: str, overwrite: bool = False, **labels: str) -> tuple[Marked, ...]:
    change = LabelChange(set=labels, overwrite=overwrite)
    return room.marks.label_all(names, change, now=room.now)


def test_of_several_devices_each_is_labelled_by_itself(room: ControlRoom) -> None:
    room.enrol(*(Voice(name=f"dev-{number}") for number in (1, 2, 3)))
    room.label("dev-1", site="north")
    room.label("dev-2", site="south")
    assert mark_all(room, "dev-3", "dev-1", "dev-2", "dev-9", "dev-3", site="north") == (
        Marked(device="dev-3", outcome=MarkOutcome.CHANGED),
        Marked(device="dev-1", outcome=MarkOutcome.UNCHANGED),
        Marked(
            device="dev-2",
            outcome=MarkOutcome.CONFLICT,
            problems=(
                Problem(
                    path='set["site"]',
                    message="site is south already, set by an operator: overwrite it if north is meant",
                ),
            ),
        ),
        Marked(
            device="dev-9",
            outcome=MarkOutcome.NOT_FOUND,
            problems=(Problem(path="", message="there is no device 'dev-9'"),),
        ),
    )
    assert [found(room, "site", site) for site in ("north", "south")] == [["dev-1", "dev-3"], ["dev-2"]]
    change = LabelChange(set={"site": "west", "kubernetes.io/os": "plan9"})
    refused = room.marks.label_all(["dev-1", "dev-2"], change, now=room.now)
    assert [each.outcome for each in refused] == [MarkOutcome.REFUSED] * 2
    assert found(room, "site", "west") == []


def test_workloads_follow_the_labels_of_several_devices_at_once(room: ControlRoom) -> None:
    voices = [Voice(name=f"dev-{number}") for number in range(1, 6)]
    room.enrol(*voices)
    document = manifest()
    document["spec"]["template"]["spec"]["nodeSelector"] = {"site": "north"}
    room.workloads.apply(document, now=room.now)
    room.deliver()
    woken = room.woken
    mark_all(room, *(voice.name for voice in voices[1:]), site="north")
    assert (sorted(room.deliver_documents()), room.woken) == (["dev-2", "dev-3", "dev-4", "dev-5"], woken + 1)
    assert [each.device for each in room.workload().placements] == ["dev-2", "dev-3", "dev-4", "dev-5"]
    mark_all(room, "dev-2", "dev-3", site="south", overwrite=True)
    assert [each.device for each in room.workload().placements] == ["dev-4", "dev-5"]


def test_several_devices_are_tainted_in_one_transaction(room: ControlRoom) -> None:
    room.enrol(*(Voice(name=f"dev-{number}") for number in (1, 2)))
    room.marks.taint("dev-2", TaintChange(set=(DEDICATED,)), now=room.now)
    marked = room.marks.taint_all(["dev-1", "dev-2"], TaintChange(set=(DEDICATED,)), now=room.now)
    assert [each.outcome for each in marked] == [MarkOutcome.CHANGED, MarkOutcome.UNCHANGED]
    with room.database.read() as connection:
        taints = load_taints(connection, ["dev-1", "dev-2"])
    assert [[str(each) for each in found] for found in taints.values()] == [
        ["dedicated=till:NoSchedule"],
        ["dedicated=till:NoSchedule"],
    ]


def test_a_device_has_so_many_marks_and_no_more(room: ControlRoom) -> None:
    enrol(room)
    change = LabelChange(set={f"key-{number}": "x" for number in range(MAX_LABELS)})
    room.marks.label("dev-1", change, now=room.now)
    with pytest.raises(MarkRefusedError, match="it would have 101 labels of operators, and may have 100"):
        room.label("dev-1", another="x")
    room.label("dev-1", "key-0", another="x")
    taints = [TaintSetting(key=f"key-{number}", effect=Effect.NO_SCHEDULE) for number in range(MAX_TAINTS)]
    taint(room, *taints)
    with pytest.raises(MarkRefusedError, match="it would have 51 taints, and may have 50"):
        taint(room, DEDICATED)
    taint(room, DEDICATED, remove="key-0")


def test_what_is_there_beyond_the_bound_may_be_taken_away_bit_by_bit() -> None:
    check_room("taints", 60, 59, 50)
    check_room("taints", 60, 60, 50)
    with pytest.raises(MarkRefusedError):
        check_room("taints", 60, 61, 50)
