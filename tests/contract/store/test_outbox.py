"""What is to be published is committed with what caused it, and stays until the broker has it."""

from controlroom import ControlRoom, Voice
from polyfleet_controller.services.outbox import OutboxMessage
from polyfleet_shared.topics import Channel


def test_a_message_stays_pending_until_it_is_delivered(room: ControlRoom) -> None:
    voice = Voice()
    room.receive(*voice.introduce())
    (first,) = room.outbox.pending(10, now=room.now)
    assert room.outbox.pending(10, now=room.now) == (first,)
    assert (first.device, first.channel, first.retain) == ("dev-1", Channel.DESIRED, True)
    room.outbox.delivered([first.id], now=room.now)
    assert room.outbox.pending(10, now=room.now) == ()


def test_of_a_device_only_the_newest_document_waits(room: ControlRoom) -> None:
    room.receive(*Voice().introduce())
    (first,) = room.outbox.pending(10, now=room.now)
    room.apply()
    (second,) = room.outbox.pending(10, now=room.now)
    assert second.id > first.id
    room.outbox.delivered([first.id], now=room.now)
    assert room.outbox.pending(10, now=room.now) == (second,)


def test_the_oldest_are_given_first_up_to_the_limit(room: ControlRoom) -> None:
    names = [f"dev-{number}" for number in range(5)]
    for name in names:
        room.receive(*Voice(name=name).introduce())
    assert [item.device for item in room.outbox.pending(3, now=room.now)] == names[:3]


def test_all_documents_are_sent_again_when_the_broker_forgot(room: ControlRoom) -> None:
    voices = [Voice(name=f"dev-{number}") for number in range(3)]
    pending = Voice(name="pending")
    room.receive(*(arrival for voice in voices for arrival in voice.introduce()), pending.connect())
    sent = room.deliver()
    room.outbox.republish_all(now=room.now)
    room.outbox.republish_all(now=room.now)
    again = room.deliver()
    assert {(item.device, item.payload) for item in again} == {(item.device, item.payload) for item in sent}
    assert len(again) == 3


def test_a_deleted_device_has_its_retained_topics_cleared(room: ControlRoom) -> None:
    room.receive(*Voice().introduce())
    room.devices.delete("dev-1", now=room.now)
    assert [
        OutboxMessage(
            id=0, device=item.device, channel=item.channel, payload=item.payload, retain=item.retain
        )
        for item in room.deliver()
    ] == [
        OutboxMessage(id=0, device="dev-1", channel=channel, payload=b"", retain=True)
        for channel in (Channel.PRESENCE, Channel.INVENTORY, Channel.REPORTED, Channel.DESIRED)
    ]


def test_a_document_replaces_the_clearing_of_its_topic(room: ControlRoom) -> None:
    voice = Voice()
    room.enrol(voice)
    room.devices.delete("dev-1", now=room.now)
    voice.boot += 1
    room.receive(*voice.introduce())
    room.outbox.republish_all(now=room.now)
    room.devices.admit("dev-1", now=room.now)
    assert list(room.deliver_documents()) == ["dev-1"]


def test_delivering_nothing_or_what_is_unknown_does_nothing(room: ControlRoom) -> None:
    room.receive(*Voice().introduce())
    room.outbox.delivered([], now=room.now)
    room.outbox.delivered([999_999], now=room.now)
    assert len(room.outbox.pending(10, now=room.now)) == 1
