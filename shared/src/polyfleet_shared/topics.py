"""Topics: `polyfleet/v1/<device>/<channel>`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.names import check_name, is_name

WIRE_VERSION: Final = 1
_ROOT: Final = f"polyfleet/v{WIRE_VERSION}"


class Channel(StrEnum):
    """A device writes only its own `up/` and reads only its own `down/`."""

    PRESENCE = "up/presence"
    INVENTORY = "up/inventory"
    REPORTED = "up/reported"
    EVENT = "up/event"
    TELEMETRY = "up/telemetry"
    DESIRED = "down/desired"
    ACK = "down/ack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How a channel's messages travel; `limit` is the largest payload in bytes that its codec accepts."""

    qos: int
    retain: bool
    limit: int


_KIB: Final = 1024

DELIVERY: Final[dict[Channel, Delivery]] = {
    Channel.PRESENCE: Delivery(qos=1, retain=True, limit=4 * _KIB),
    Channel.INVENTORY: Delivery(qos=1, retain=True, limit=64 * _KIB),
    Channel.REPORTED: Delivery(qos=1, retain=True, limit=256 * _KIB),
    Channel.EVENT: Delivery(qos=1, retain=False, limit=16 * _KIB),
    Channel.TELEMETRY: Delivery(qos=0, retain=False, limit=16 * _KIB),
    Channel.DESIRED: Delivery(qos=1, retain=True, limit=256 * _KIB),
    Channel.ACK: Delivery(qos=1, retain=False, limit=4 * _KIB),
}

# Above every limit, so that what lies between is refused with its path and acknowledged: what the broker
# itself refuses, a client sends again for ever.
BROKER_PACKET_LIMIT: Final = 1024 * _KIB

UPWARD: Final = tuple(channel for channel in Channel if channel.startswith("up/"))
DOWNWARD: Final = tuple(channel for channel in Channel if channel.startswith("down/"))


class InvalidTopicError(PolyfleetError, ValueError):
    """A topic outside the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Whose message, and on which channel."""

    device: str
    channel: Channel


def format_topic(device: str, channel: Channel) -> str:
    """The topic of one device's channel; the name is checked, since '+', '#' and '/' would shift it."""
    return f"{_ROOT}/{check_name('device name', device)}/{channel}"


def format_filter(channel: Channel) -> str:
    """The subscription that takes one channel of every device."""
    return f"{_ROOT}/+/{channel}"


def parse_topic(topic: str) -> Address:
    """Read a topic.

    Raises:
        InvalidTopicError: it is not of this contract, or the device's name is none.
    """
    parts = topic.split("/", 3)
    if len(parts) == 4 and f"{parts[0]}/{parts[1]}" == _ROOT and is_name(parts[2]):  # noqa: PLR2004 - the form
        try:
            return Address(device=parts[2], channel=Channel(parts[3]))
        except ValueError:
            pass
    raise InvalidTopicError(f"{topic[:120]!r} is no topic of {_ROOT}/<device>/<channel>")
