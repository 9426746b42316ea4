"""Devices, as operators see and change them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.devices import Admission, Connectivity, Device, resolve_duplicate
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.domain.sync import Sync
from polyfleet_controller.services.device_views import show_device, view_device
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.lives import renew_lives
from polyfleet_controller.services.pages import PageRequest, cut_page
from polyfleet_controller.services.settlement import Change, settle
from polyfleet_controller.services.views import DeviceDetail, DeviceView, Page
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.devices import delete_device, load_device
from polyfleet_controller.store.epochs import load_epoch
from polyfleet_controller.store.listings import find_listed_device, list_devices
from polyfleet_controller.store.lives import load_lives, save_lives
from polyfleet_controller.store.outbox import clear_channels
from polyfleet_shared.platforms import Platform
from polyfleet_shared.topics import DELIVERY, Channel

_RETAINED: Final = tuple(channel for channel in Channel if DELIVERY[channel].retain)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFilter:
    """Which devices to list: those that have all that is named."""

    admission: Admission | None = None
    connectivity: Connectivity | None = None
    sync: Sync | None = None
    platform: Platform | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    selector: Selector = field(default_factory=Selector)


_ALL: Final = DeviceFilter()


class Devices:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def list(self, page: PageRequest, filters: DeviceFilter = _ALL) -> Page[DeviceView]:
        """Devices by name.

        Raises:
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        after = page.text_key(1)
        with self._database.read() as connection:
            epoch = load_epoch(connection)
            rows = list_devices(
                connection,
                equal=_columns(filters),
                labels=filters.labels,
                requirements=filters.selector.requirements,
                limit=page.limit + 1,
                after=None if after is None else after[0],
            )
        return cut_page(
            rows, page, key=lambda row: [row.device.name], view=lambda row: view_device(row, epoch)
        )

    def show(self, name: str) -> DeviceDetail:
        """Everything about a device, with its newest events.

        Raises:
            NotFoundError: nobody of this name was ever heard, or it was deleted.
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            listed = find_listed_device(connection, name)
            if listed is None:
                raise NotFoundError("device", name)
            return show_device(connection, listed)

    def admit(self, name: str, *, now: datetime) -> DeviceView:
        """Give a pending device work; nothing changes for one that is admitted.

        Raises:
            NotFoundError: there is no such device.
            StoreError: the database does not answer.
        """
        return self._change(name, _admit, now=now)

    def resolve_duplicate(self, name: str, *, now: datetime) -> DeviceView:
        """Say that only one machine has the name again; which, is seen by the next message.

        Raises:
            NotFoundError: there is no such device.
            StoreError: the database does not answer.
        """
        return self._change(name, _resolve, now=now)

    def delete(self, name: str, *, now: datetime) -> None:
        """Forget a device and clear its retained topics. Comes it back, it is pending.

        Raises:
            NotFoundError: there is no such device.
            StoreError: the database does not answer.
        """
        with self._database.begin() as connection:
            if load_device(connection, name) is None:
                raise NotFoundError("device", name)
            delete_device(connection, name, now=now)
            clear_channels(connection, name, _RETAINED, now=now)
        self._on_change()

    def _change(self, name: str, change: Callable[[Device], Device], *, now: datetime) -> DeviceView:
        with self._database.begin() as connection:
            before = load_device(connection, name)
            if before is None:
                raise NotFoundError("device", name)
            after = change(before)
            outbox_changed = after != before and _commit(connection, before, after, now)
            listed = find_listed_device(connection, name)
            epoch = load_epoch(connection)
        if outbox_changed:
            self._on_change()
        if listed is None:
            raise NotFoundError("device", name)
        return view_device(listed, epoch)


def _admit(device: Device) -> Device:
    return replace(device, admission=Admission.ADMITTED, decided=True)


def _resolve(device: Device) -> Device:
    return device if device.duplicate_since is None else resolve_duplicate(device)


def _commit(connection: Connection, before: Device, after: Device, now: datetime) -> bool:
    outbox_changed = settle(connection, [Change(before=before, after=after)], now=now).outbox_changed
    lives = load_lives(connection, [after.name]).get(after.name, {})
    save_lives(connection, {after.name: list(renew_lives(lives, after.lives, now=now).values())})
    return outbox_changed


def _columns(filters: DeviceFilter) -> dict[str, str]:
    wanted = {
        "admission": filters.admission,
        "connectivity": filters.connectivity,
        "sync": filters.sync,
        "platform": filters.platform,
    }
    return {column: str(value) for column, value in wanted.items() if value is not None}
