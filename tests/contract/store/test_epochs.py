"""A database that forgot: whatever devices have seen, the next document is newer than that."""

from dataclasses import replace

from controlroom import ControlRoom, Voice, digest
from polyfleet_controller.services.views import Admission, Sync
from polyfleet_shared.messages import DocumentVersion


def test_a_device_that_is_ahead_begins_a_new_epoch_for_all(room: ControlRoom) -> None:
    ahead, other = Voice(name="ahead"), Voice(name="other")
    room.enrol(ahead, other)
    seen = DocumentVersion(epoch=1, generation=9, digest=digest("forgotten"))
    assert room.receive(ahead.report(observed=seen)).outbox_changed
    assert room.show(other).device.sync is Sync.BEHIND
    documents = room.deliver_documents()
    assert {name: item.version.order for name, item in documents.items()} == {
        "ahead": (2, 1),
        "other": (2, 1),
    }
    for voice in (ahead, other):
        voice.obey(documents[voice.name])
    room.receive(ahead.report(), other.report())
    assert {room.show(voice).device.sync for voice in (ahead, other)} == {Sync.IN_SYNC}


def test_two_documents_of_one_number_begin_a_new_epoch(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    assert voice.document is not None
    room.receive(voice.report(observed=replace(voice.document.version, digest=digest("another"))))
    assert room.deliver_documents()["dev-1"].version.order == (2, 1)


def test_the_new_epoch_is_above_the_one_that_was_seen(room: ControlRoom) -> None:
    voices = [Voice(name=f"dev-{number}") for number in range(3)]
    room.enrol(*voices)
    room.receive(
        *(
            voice.report(observed=DocumentVersion(epoch=epoch, generation=1, digest=digest("x")))
            for voice, epoch in zip(voices, (4, 11, 7), strict=True)
        )
    )
    assert {item.version.epoch for item in room.deliver_documents().values()} == {12}


def test_no_claim_of_a_device_can_use_up_the_numbers(room: ControlRoom) -> None:
    liar, honest = Voice(name="liar"), Voice(name="honest")
    room.enrol(liar, honest)
    for claim in (2**62 - 1, 2**62, 2**62 + 1, 2**63 - 1):
        seen = DocumentVersion(epoch=claim, generation=2**63 - 1, digest=digest("x"))
        assert room.receive(liar.report(observed=seen)).refusals == ()
        seen = DocumentVersion(epoch=claim, generation=1, digest=digest("x"))
        assert room.receive(liar.report(observed=seen)).refusals == ()
        room.settle(honest)
        view = room.show(honest).device
        assert (view.sync, view.epoch) == (Sync.IN_SYNC, 2**62)


def test_a_device_that_lags_is_sent_its_document_again_but_not_in_a_loop(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    (sent,) = room.deliver()
    room.pass_time(seconds=10)
    assert not room.receive(voice.report()).outbox_changed
    assert room.deliver() == ()
    room.pass_time(seconds=20)
    (again,) = room.deliver()
    assert (again.payload, again.id > sent.id) == (sent.payload, True)
    room.pass_time(seconds=31)
    assert room.receive(voice.report()).outbox_changed
    assert [item.payload for item in room.deliver()] == [sent.payload]


def test_a_device_that_caught_up_is_sent_nothing_again(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.apply()
    documents = room.deliver_documents()
    room.receive(voice.report())
    voice.obey(documents["dev-1"])
    room.receive(voice.report())
    room.pass_time(hours=1)
    assert room.deliver() == ()


def test_an_operator_takes_over_a_device_with_a_document_above_all_that_it_has_seen(
    room: ControlRoom,
) -> None:
    ours, foreign = Voice(name="ours"), Voice(name="foreign")
    room.enrol(ours)
    room.apply()
    room.settle(ours)
    seen = DocumentVersion(epoch=5, generation=3, digest=digest("foreign"))
    room.receive(foreign.connect(), foreign.describe(), foreign.report(observed=seen))
    assert room.devices.admit("foreign", now=room.now).admission is Admission.ADMITTED
    documents = room.deliver_documents()
    assert {name: item.version.order for name, item in documents.items()} == {
        "foreign": (6, 1),
        "ours": (6, 2),
    }
    assert [item.name for item in documents["foreign"].workloads] == ["hello"]


def test_within_the_epoch_an_adopted_device_continues_its_generations(room: ControlRoom) -> None:
    voice = Voice()
    seen = DocumentVersion(epoch=1, generation=41, digest=digest("forgotten"))
    room.receive(voice.connect(), voice.describe(), voice.report(observed=seen))
    room.devices.admit("dev-1", now=room.now)
    assert room.deliver_documents()["dev-1"].version.order == (1, 42)
