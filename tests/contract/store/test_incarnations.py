"""One name, several machines or lives of one: rebuilt, late, or a clone."""

from controlroom import START, ControlRoom, Voice, retained
from polyfleet_controller.services.views import Admission, Connectivity, Incarnation, Sync
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason

FROZEN = Condition(
    reason=Reason.DUPLICATE_DEVICE,
    message="a former machine of this name came online again at 2026-01-01T00:01:00+00:00; "
    "its document is frozen",
)


def test_a_rebuilt_device_supersedes_its_former_life_and_gets_its_document_again(room: ControlRoom) -> None:
    voice = Voice()
    voice.boot = 7
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    room.pass_time(hours=1)
    rebuilt = voice.reinstall("life-2")
    room.receive(*rebuilt.introduce())
    detail = room.show(voice)
    assert detail.incarnations == (
        Incarnation(incarnation="life-1", first_seen=START, superseded_at=room.now),
        Incarnation(incarnation="life-2", first_seen=room.now, superseded_at=None),
    )
    assert (detail.device.admission, detail.device.sync) == (Admission.ADMITTED, Sync.BEHIND)
    assert detail.device.conditions == ()
    room.settle(rebuilt)
    assert room.show(voice).device.sync is Sync.IN_SYNC


def test_a_former_life_proves_nothing_about_the_new_one(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    room.receive(voice.measure())
    room.receive(voice.reinstall("life-2").connect())
    detail = room.show(voice)
    assert [(item.standing, item.report) for item in detail.assignments] == [("pending", None)]
    assert (detail.device.sync, detail.telemetry) == (Sync.BEHIND, None)


def test_late_messages_of_a_former_life_change_nothing(room: ControlRoom) -> None:
    voice = Voice()
    online = voice.connect()
    room.receive(online, voice.describe(), voice.report())
    late = [voice.disconnect(), voice.describe(), voice.report(), voice.tell(), voice.measure(), online]
    rebuilt = voice.reinstall("life-2")
    room.receive(*rebuilt.introduce())
    before = room.show(voice)
    room.pass_time(seconds=1)
    assert room.receive(*late).acknowledgements == ()
    assert room.receive(retained(voice.connect())).acknowledgements == ()
    assert room.show(voice) == before


def test_a_former_life_that_comes_online_again_is_a_clone_and_the_document_is_frozen(
    room: ControlRoom,
) -> None:
    voice = Voice()
    room.enrol(voice)
    room.pass_time(minutes=1)
    clone = voice.reinstall("life-2")
    room.enrol(clone)
    room.receive(voice.connect())
    view = room.show(voice).device
    assert (view.conditions, view.sync) == ((FROZEN,), Sync.FAILING)
    room.apply()
    assert room.deliver_documents() == {}
    assert room.show(voice).assignments == ()
    assert room.workload().placements == ()


def test_an_operator_resolves_a_duplicate_and_whoever_is_heard_next_has_the_name(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    clone = voice.reinstall("life-2")
    room.enrol(clone)
    room.receive(voice.connect())
    room.apply()
    room.pass_time(minutes=1)
    assert room.devices.resolve_duplicate("dev-1", now=room.now).conditions == ()
    assert [item.name for item in room.deliver_documents()["dev-1"].workloads] == ["hello"]
    room.receive(retained(clone.connect()))
    room.receive(*voice.introduce())
    room.settle(voice)
    room.pass_time(minutes=1)
    room.receive(voice.report())
    room.settle(voice)
    detail = room.show(voice)
    assert (detail.device.sync, detail.device.conditions) == (Sync.IN_SYNC, ())
    assert {item.incarnation: item.superseded_at is None for item in detail.incarnations} == {
        "life-1": True,
        "life-2": False,
    }
    room.receive(clone.connect())
    assert [item.reason for item in room.show(voice).device.conditions] == [Reason.DUPLICATE_DEVICE]


def test_resolving_what_is_no_duplicate_changes_nothing(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    before = room.show(voice)
    room.devices.resolve_duplicate("dev-1", now=room.now)
    assert room.show(voice) == before


def test_a_will_of_a_former_life_does_not_take_the_new_one_offline(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    will = voice.disconnect()
    room.enrol(voice.reinstall("life-2"))
    room.receive(will)
    assert room.show(voice).device.connectivity is Connectivity.ONLINE


def test_a_rebuild_within_one_batch_keeps_only_what_the_new_life_said(room: ControlRoom) -> None:
    voice = Voice()
    rebuilt = voice.reinstall("life-2")
    room.receive(*voice.introduce(), voice.measure(), *rebuilt.introduce())
    detail = room.show(voice)
    assert [item.incarnation for item in detail.incarnations if item.superseded_at is None] == ["life-2"]
    assert detail.telemetry is None


def test_a_report_of_a_life_that_ends_in_the_same_batch_proves_nothing(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    room.settle(voice)
    room.receive(voice.report(), voice.reinstall("life-2").connect())
    detail = room.show(voice)
    assert [(item.standing, item.report) for item in detail.assignments] == [("pending", None)]
    assert detail.device.observed_generation is None


def test_a_device_that_forgets_itself_at_every_boot_fills_no_table(room: ControlRoom) -> None:
    for number in range(1, 31):
        room.pass_time(seconds=1)
        room.receive(*Voice(incarnation=f"life-{number}").introduce())
    kept = room.show("dev-1").incarnations
    assert [item.incarnation for item in kept] == [f"life-{number}" for number in range(11, 31)]
