"""What the parts of the transport hand to each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from polyfleet_controller.transport.stream import Publication
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.topics import DELIVERY, Channel, format_topic


class BrokerError(PolyfleetError):
    """The broker cannot be run; the message names it and the next step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker listens, and as whom the controller speaks to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Messages in the order of their arrival, all of one connection: packet identifiers end with it."""

    connection: int
    at: datetime
    publications: Sequence[Publication]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Packet identifiers of one connection that may be acknowledged, in the order of arrival."""

    connection: int
    packets: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to a device. The sender of one with a `token` is told what became of it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    token: int | None = None

    @classmethod
    def to(
        cls, device: str, channel: Channel, payload: bytes, *, retain: bool, token: int | None = None
    ) -> "Outgoing":
        """Address a message as its channel is delivered."""
        return cls(
            topic=format_topic(device, channel),
            payload=payload,
            qos=DELIVERY[channel].qos,
            retain=retain,
            token=token,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What became of an outgoing message: taken by the broker, or not, and why."""

    token: int
    refusal: str | None


class Listener(Protocol):
    """Hears what happens on the connection, in the connection's thread: quickly, and without raising."""

    def on_connected(self, *, session_present: bool) -> None:
        """The subscriptions stand. Without a session the broker has forgotten all that it had of us."""

    def on_disconnected(self) -> None:
        """Nothing that was on its way will be confirmed any more."""

    def on_received(self, received: Received) -> None:
        """Devices have sent messages; QoS 1 ones wait for their receipt."""

    def on_confirmed(self, confirmations: Sequence[Confirmation]) -> None:
        """The broker has answered for messages with a token."""

    def wants_more(self) -> bool:
        """Whether there is room for more messages; asked often."""
        ...
