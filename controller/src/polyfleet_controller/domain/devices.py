"""A device as the controller knows it, and how each of its messages changes that.

Order is kept per channel within one incarnation: a message that is not newer than the last one of its channel
changes nothing, so loss, repetition and delay end in the state that the newest of each channel gives.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from polyfleet_controller.domain.incarnations import NEVER, Lives, Verdict, judge
from polyfleet_controller.domain.sync import Sync
from polyfleet_shared.messages import DocumentVersion, Event, Inventory, Presence, Reported, Telemetry
from polyfleet_shared.platforms import Platform
from polyfleet_shared.wire import UpwardMessage


class Admission(StrEnum):
    """Whether a device may be given work."""

    ADMITTED = "admitted"
    PENDING = "pending"  # unknown to this controller, or deleted here and back again: an operator decides


class Connectivity(StrEnum):
    """Presence as last known; `unknown` before the first presence message."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Presence. `since` is when it became so, by the clock here: devices' may be wrong, and wills are old."""

    order: tuple[int, int, int] = (0, 0, 0)
    connectivity: Connectivity = Connectivity.UNKNOWN
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The newest desired document; none was made yet at generation 0.

    `oversized` says why a newer one could not be made. `published_at` is when the broker last confirmed it.
    """

    generation: int = 0
    digest: str | None = None
    oversized: str | None = None
    published_at: datetime | None = None

    def version(self, epoch: int) -> DocumentVersion | None:
        """The document's version in an epoch, None before the first."""
        if self.digest is None:
            return None
        return DocumentVersion(epoch=epoch, generation=self.generation, digest=self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device. `decided` once its first report, or an operator, settled the admission.

    `platform_set` names the ordered list of all platforms that it runs. The orders are those of the last
    message of each channel. `events` counts those that are kept or were.
    """

    name: str
    first_seen: datetime
    last_seen: datetime | None = None
    admission: Admission = Admission.PENDING
    decided: bool = False
    lives: Lives = field(default_factory=Lives)
    duplicate_since: datetime | None = None
    contact: Contact = Contact()
    inventory_order: tuple[int, int] = (0, 0)
    telemetry_order: tuple[int, int] = (0, 0)
    reported_order: tuple[int, int] = (0, 0)
    observed: DocumentVersion | None = None
    platform: Platform | None = None
    platform_set: str | None = None
    document: Document = Document()
    sync: Sync = Sync.UNASSIGNED
    events: int = 0

    @property
    def impeded(self) -> bool:
        """Whether something keeps it from being given what it should run."""
        return self.duplicate_since is not None or self.document.oversized is not None


def receive(device: Device, message: UpwardMessage, *, live: bool, now: datetime) -> Device | None:
    """The device after a message, None if the message changes nothing.

    `live` unless the message is the broker's retained copy. Events have no order among themselves here: of
    each, only whose it is gets judged.
    """
    incarnation = message.incarnation if isinstance(message, Presence) else message.stamp.incarnation
    online = message.order[:2] if isinstance(message, Presence) and message.online else None
    verdict = judge(device.lives, incarnation, live=live, online=online)
    if verdict is Verdict.STALE:
        return None
    if verdict is Verdict.CLONE:
        return _find_clone(device, incarnation, NEVER if online is None else online, now)
    if verdict is Verdict.SUPERSEDES:
        device = _supersede(device, incarnation)
    if not _is_newer(device, message):
        return None
    return _take(device, message, now, now if live else device.last_seen)


def resolve_duplicate(device: Device) -> Device:
    """The operator says that one machine has the name again: the one that is heard next."""
    return replace(
        device, duplicate_since=None, lives=replace(device.lives, current=None, former=_former(device))
    )


def _is_newer(device: Device, message: UpwardMessage) -> bool:
    match message:
        case Presence():
            return message.order > device.contact.order
        case Inventory():
            return message.stamp.order > device.inventory_order
        case Telemetry():
            return message.stamp.order > device.telemetry_order
        case Reported():
            return message.stamp.order > device.reported_order
        case Event():
            return True


def _take(device: Device, message: UpwardMessage, now: datetime, seen: datetime | None) -> Device:
    match message:
        case Presence():
            return replace(device, last_seen=seen, contact=_make_contact(message, now))
        case Inventory():
            return replace(device, last_seen=seen, inventory_order=message.stamp.order)
        case Telemetry():
            return replace(device, last_seen=seen, telemetry_order=message.stamp.order)
        case Reported():
            decided = device if device.decided else _decide(device, message.observed)
            order = message.stamp.order
            return replace(decided, last_seen=seen, reported_order=order, observed=message.observed)
        case Event():
            return replace(device, last_seen=seen)


def _make_contact(presence: Presence, now: datetime) -> Contact:
    connectivity = Connectivity.ONLINE if presence.online else Connectivity.OFFLINE
    return Contact(order=presence.order, connectivity=connectivity, since=now)


def _decide(device: Device, observed: DocumentVersion | None) -> Device:
    """A device that works by a document of another controller's is not taken over without being asked."""
    admission = Admission.ADMITTED if observed is None else Admission.PENDING
    return replace(device, decided=True, admission=admission)


def _supersede(device: Device, incarnation: str) -> Device:
    """A life of its own: orders start anew, and what the former one reported is no proof of anything."""
    former = _former(device)
    former.pop(incarnation, None)
    return replace(
        device,
        lives=Lives(current=incarnation, former=former),
        contact=Contact(),
        inventory_order=(0, 0),
        telemetry_order=(0, 0),
        reported_order=(0, 0),
        observed=None,
    )


def _find_clone(device: Device, incarnation: str, seen: tuple[int, int], now: datetime) -> Device:
    lives = replace(device.lives, former={**device.lives.former, incarnation: seen})
    return replace(device, lives=lives, duplicate_since=device.duplicate_since or now)


def _former(device: Device) -> dict[str, tuple[int, int]]:
    former = dict(device.lives.former)
    if device.lives.current is not None:
        former[device.lives.current] = device.contact.order[:2]
    return former
