"""Messages that wait for the broker."""

from polyfleet_agent.adapters.mqtt_outbox import Outbox, OutgoingMessage
from polyfleet_shared.topics import Channel


def message(channel: Channel, payload: bytes) -> OutgoingMessage:
    return OutgoingMessage(channel=channel, payload=payload)


def drain(outbox: Outbox) -> list[OutgoingMessage]:
    taken = []
    while (item := outbox.take()) is not None:
        taken.append(item)
    return taken


def test_events_wait_in_order() -> None:
    outbox = Outbox()
    events = [message(Channel.EVENT, b"%d" % number) for number in range(5)]
    assert [outbox.put(event) for event in events] == [True] * 5
    assert drain(outbox) == events


def test_of_a_retained_channel_only_the_newest_waits_in_the_place_of_the_first() -> None:
    outbox = Outbox()
    for item in (
        message(Channel.REPORTED, b"old"),
        message(Channel.EVENT, b"event"),
        message(Channel.REPORTED, b"new"),
    ):
        outbox.put(item)
    assert drain(outbox) == [message(Channel.REPORTED, b"new"), message(Channel.EVENT, b"event")]


def test_a_full_outbox_drops_what_comes_last_but_still_takes_newer_state() -> None:
    outbox = Outbox(max_messages=2)
    assert outbox.put(message(Channel.REPORTED, b"old"))
    assert outbox.put(message(Channel.EVENT, b"1"))
    assert not outbox.put(message(Channel.EVENT, b"2"))
    assert outbox.put(message(Channel.REPORTED, b"new"))
    assert drain(outbox) == [message(Channel.REPORTED, b"new"), message(Channel.EVENT, b"1")]


def test_the_bytes_that_wait_are_bounded_and_freed_when_taken() -> None:
    outbox = Outbox(max_bytes=10)
    assert outbox.put(message(Channel.EVENT, b"0123456"))
    assert not outbox.put(message(Channel.EVENT, b"0123"))
    assert len(drain(outbox)) == 1
    assert outbox.put(message(Channel.EVENT, b"0123456789"))


def test_a_cleared_outbox_is_empty_and_takes_again() -> None:
    outbox = Outbox(max_bytes=3)
    outbox.put(message(Channel.EVENT, b"abc"))
    outbox.clear()
    assert len(outbox) == 0
    assert outbox.put(message(Channel.EVENT, b"abc"))
