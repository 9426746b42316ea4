"""Topics carry the device's name, and nothing can shift them."""

import pytest

from polyfleet_shared.names import InvalidNameError
from polyfleet_shared.topics import (
    BROKER_PACKET_LIMIT,
    DELIVERY,
    DOWNWARD,
    UPWARD,
    Address,
    Channel,
    InvalidTopicError,
    format_filter,
    format_topic,
    parse_topic,
)


@pytest.mark.parametrize("channel", Channel)
def test_a_topic_is_read_as_it_was_written(channel: Channel) -> None:
    assert format_topic("pi-4", channel) == f"polyfleet/v1/pi-4/{channel}"
    assert parse_topic(format_topic("pi-4", channel)) == Address(device="pi-4", channel=channel)


def test_a_filter_takes_one_channel_of_every_device() -> None:
    assert format_filter(Channel.REPORTED) == "polyfleet/v1/+/up/reported"


@pytest.mark.parametrize("device", ["", "+", "#", "a/b", "A", "-a", "a-", "a_b", "a" * 64, "ä", "a\n"])
def test_a_name_that_would_shift_a_topic_is_refused(device: str) -> None:
    with pytest.raises(InvalidNameError):
        format_topic(device, Channel.DESIRED)
    with pytest.raises(InvalidTopicError):
        parse_topic(f"polyfleet/v1/{device}/up/presence")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "polyfleet/v1/a",
        "polyfleet/v1/a/up",
        "polyfleet/v1/a/up/",
        "polyfleet/v1/a/up/presence/x",
        "polyfleet/v1/a/up/desired",
        "polyfleet/v2/a/up/presence",
        "/polyfleet/v1/a/up/presence",
        "other/v1/a/up/presence",
        "$SYS/broker/uptime",
    ],
)
def test_a_topic_outside_the_contract_is_refused(topic: str) -> None:
    with pytest.raises(InvalidTopicError):
        parse_topic(topic)


def test_every_channel_has_one_direction_and_a_bound_below_the_brokers() -> None:
    assert set(UPWARD) | set(DOWNWARD) == set(Channel) == set(DELIVERY)
    assert set(UPWARD).isdisjoint(DOWNWARD)
    assert max(delivery.limit for delivery in DELIVERY.values()) <= BROKER_PACKET_LIMIT // 2
