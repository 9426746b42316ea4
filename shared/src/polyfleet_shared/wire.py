"""Messages to payloads and back: bounded, versioned, strict.

Upward, unknown fields are ignored (an agent may be newer); downward they are refused, and a document says
what it `requires` instead.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from polyfleet_shared.codec import UnknownFields, decode, encode
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, describe, dump_json, parse_json
from polyfleet_shared.messages import Acknowledgement, Event, Inventory, Presence, Reported, Stamp, Telemetry
from polyfleet_shared.topics import DELIVERY, WIRE_VERSION, Channel

T = TypeVar("T")

_VERSION: Final = "version"

UpwardMessage = Presence | Inventory | Reported | Event | Telemetry

CHANNEL_OF: Final[dict[type, Channel]] = {
    Presence: Channel.PRESENCE,
    Inventory: Channel.INVENTORY,
    Reported: Channel.REPORTED,
    Event: Channel.EVENT,
    Telemetry: Channel.TELEMETRY,
    Acknowledgement: Channel.ACK,
}


class OversizedMessageError(PolyfleetError):
    """A message of our own that its channel does not carry."""


def encode_message(message: UpwardMessage | Acknowledgement) -> bytes:
    """The payload for a message.

    Raises:
        OversizedMessageError: it is larger than its channel allows; the sender must shorten it.
    """
    return seal(CHANNEL_OF[type(message)], encode(message))


def decode_message(kind: type[T], payload: bytes) -> T:
    """Read a payload as the message that its channel carries.

    Raises:
        DecodeError: too large, another wire version, or a document that is not of this kind.
    """
    channel = CHANNEL_OF[kind]
    unknown = UnknownFields.IGNORE if channel.startswith("up/") else UnknownFields.REFUSE
    return decode(kind, unseal(channel, payload), unknown=unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stamped:
    stamp: Stamp


def decode_stamp(channel: Channel, payload: bytes) -> Stamp | None:
    """Where a message that `decode_message` refused stands, None if not even that can be read.

    So that a refused event can be acknowledged, and does not block those behind it.
    """
    try:
        return decode(_Stamped, unseal(channel, payload), unknown=UnknownFields.IGNORE).stamp
    except DecodeError:
        return None


def seal(channel: Channel, document: dict[str, JsonValue]) -> bytes:
    """Put the wire version on a document and check its size."""
    payload = dump_json({**document, _VERSION: WIRE_VERSION})
    limit = DELIVERY[channel].limit
    if len(payload) > limit:
        raise OversizedMessageError(f"{channel}: {len(payload)} bytes are more than the {limit} allowed")
    return payload


def unseal(channel: Channel, payload: bytes) -> dict[str, JsonValue]:
    """Check size and wire version; give the document without the version."""
    document = parse_json(payload, limit=DELIVERY[channel].limit)
    if not isinstance(document, dict):
        raise DecodeError((Problem(path="", message="expected an object"),))
    version = document.pop(_VERSION, None)
    if type(version) is not int or version != WIRE_VERSION:
        shown = "missing" if version is None else f"{describe(version)} is not spoken here"
        raise DecodeError((Problem(path=_VERSION, message=f"{shown}; this side speaks {WIRE_VERSION}"),))
    return document
