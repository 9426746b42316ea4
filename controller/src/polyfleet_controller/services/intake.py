"""A batch of messages, folded into the devices that sent them, in the order in which they came."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from polyfleet_controller.domain.devices import Device, receive
from polyfleet_controller.services.arrivals import Read, Reading, Unreadable
from polyfleet_controller.store.messages import StoredInventory, StoredReport
from polyfleet_controller.store.values import name_platforms, write_platforms
from polyfleet_shared.messages import Event, Inventory, Presence, Reported, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """An event of a device's life in force; `refusal` instead of the event where it cannot be read."""

    device: str
    incarnation: str
    seq: int
    event: Event | None
    refusal: str
    received_at: datetime


@dataclass(slots=True, kw_only=True)
class Intake:
    """What a batch comes to: collected while it is folded. Of each channel only the newest is kept."""

    devices: dict[str, Device]
    inventories: dict[str, StoredInventory] = field(default_factory=dict)
    reports: dict[str, StoredReport] = field(default_factory=dict)
    telemetry: dict[str, str] = field(default_factory=dict)
    events: list[ReceivedEvent] = field(default_factory=list)


def fold(reads: Iterable[Read], known: Mapping[str, Device], tombstones: frozenset[str]) -> Intake:
    """Fold a batch. A deleted device is back, and pending, with its first live message."""
    intake = Intake(devices=dict(known))
    for read in reads:
        if read.device is None:
            continue
        device = intake.devices.get(read.device)
        if device is None:
            if read.device in tombstones and not read.live:
                continue
            device = Device(name=read.device, first_seen=read.received_at, decided=read.device in tombstones)
            intake.devices[read.device] = device
        if isinstance(read, Reading):
            _take(intake, device, read)
        else:
            _set_aside(intake, device, read)
    return intake


def _take(intake: Intake, device: Device, reading: Reading) -> None:
    changed = receive(device, reading.message, live=reading.live, now=reading.received_at)
    if changed is None:
        return
    name, message = device.name, reading.message
    if changed.lives.current != device.lives.current:
        intake.reports.pop(name, None)
    match message:
        case Inventory():
            changed = _apply_inventory(changed, message)
            intake.inventories[name] = StoredInventory(device=name, inventory=message, body=reading.body)
        case Reported():
            intake.reports[name] = StoredReport(device=name, report=message, body=reading.body)
        case Telemetry():
            intake.telemetry[name] = reading.body
        case Event(stamp=stamp):
            intake.events.append(
                ReceivedEvent(
                    device=name,
                    incarnation=stamp.incarnation,
                    seq=stamp.seq,
                    event=message,
                    refusal="",
                    received_at=reading.received_at,
                )
            )
        case Presence():
            pass
    intake.devices[name] = changed


def _set_aside(intake: Intake, device: Device, read: Unreadable) -> None:
    """An event that cannot be read must not stop those behind it from being acknowledged."""
    stamp = read.stamp
    if stamp is not None and stamp.incarnation == device.lives.current:
        intake.events.append(
            ReceivedEvent(
                device=device.name,
                incarnation=stamp.incarnation,
                seq=stamp.seq,
                event=None,
                refusal=read.message,
                received_at=read.received_at,
            )
        )
    if read.live:
        intake.devices[device.name] = replace(device, last_seen=read.received_at)


def _apply_inventory(device: Device, inventory: Inventory) -> Device:
    platforms = write_platforms(inventory.platforms)
    return replace(device, platform=inventory.platform, platform_set=name_platforms(platforms))
