"""Messages as they arrive, and what they turn out to be."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias

from polyfleet_shared.json_text import DecodeError, Problem
from polyfleet_shared.messages import Event, Inventory, Presence, Reported, Stamp, Telemetry
from polyfleet_shared.topics import Channel, InvalidTopicError, parse_topic
from polyfleet_shared.wire import UpwardMessage, decode_message, decode_stamp

_KIND_OF: Final[dict[Channel, type[UpwardMessage]]] = {
    Channel.PRESENCE: Presence,
    Channel.INVENTORY: Inventory,
    Channel.REPORTED: Reported,
    Channel.EVENT: Event,
    Channel.TELEMETRY: Telemetry,
}
# Kubernetes' bounds for labels: what is longer fits no index.
_MAX_LABEL_KEY: Final = 317
_MAX_LABEL_VALUE: Final = 63
_MAX_MESSAGE: Final = 500
# Five for each of ten thousand devices: they come again and again.
_parse_topic = lru_cache(maxsize=50_000)(parse_topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message from the broker.

    `retained` only for the stored copy that the broker sends because we subscribed ("retain as published"
    must be off): such a copy may be old, and proves nothing about who is there now.
    """

    topic: str
    payload: bytes
    retained: bool
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A message that can be taken; `body` is its text."""

    device: str
    message: UpwardMessage
    body: str
    live: bool
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A message that cannot; `stamp` says which event it was, if it was one and so much can be read."""

    device: str | None
    topic: str
    message: str
    stamp: Stamp | None
    live: bool
    received_at: datetime


Read: TypeAlias = Reading | Unreadable


def read_arrival(arrival: Arrival) -> Read | None:
    """Read a message; None for the clearing of a retained topic, which says nothing."""
    if not arrival.payload:
        return None
    try:
        address = _parse_topic(arrival.topic)
        kind = _KIND_OF[address.channel]
    except (InvalidTopicError, KeyError):
        return _unreadable(arrival, "is no topic that devices write to")
    try:
        message = decode_message(kind, arrival.payload)
        _check(message)
    except DecodeError as error:
        stamp = decode_stamp(address.channel, arrival.payload) if address.channel is Channel.EVENT else None
        return _unreadable(arrival, f"{address.channel}: {error}", device=address.device, stamp=stamp)
    return Reading(
        device=address.device,
        message=message,
        body=arrival.payload.decode(),
        live=not arrival.retained,
        received_at=arrival.received_at,
    )


def _check(message: UpwardMessage) -> None:
    match message:
        case Inventory(labels=labels):
            long = [
                key
                for key, value in labels.items()
                if len(key) > _MAX_LABEL_KEY or len(value) > _MAX_LABEL_VALUE
            ]
            if long:
                bounds = (
                    f"a label's key has at most {_MAX_LABEL_KEY} characters, its value {_MAX_LABEL_VALUE}"
                )
                raise DecodeError(
                    tuple(Problem(path=f"labels[{json.dumps(key[:80])}]", message=bounds) for key in long)
                )
        case _:
            pass


def _unreadable(
    arrival: Arrival, reason: str, *, device: str | None = None, stamp: Stamp | None = None
) -> Unreadable:
    return Unreadable(
        device=device,
        topic=arrival.topic,
        message=reason[:_MAX_MESSAGE],
        stamp=stamp,
        live=not arrival.retained,
        received_at=arrival.received_at,
    )
