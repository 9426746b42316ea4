"""Devices as the last batch left them, so that the next one need not read them again."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Final

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.domain.incarnations import Lives
from polyfleet_controller.store.database import Connection, transaction_number
from polyfleet_controller.store.devices import load_devices

_REMEMBERED: Final = 20_000


class Knowledge:
    """What is known of devices is right as long as nobody else writes: then it is read anew."""

    def __init__(self) -> None:
        self._devices: dict[str, Device] = {}
        self._number = 0

    def find(self, connection: Connection, names: Iterable[str]) -> dict[str, Device]:
        """The devices of these names that there are, without their former lives."""
        if transaction_number(connection) != self._number + 1:
            self._devices.clear()
        found: dict[str, Device] = {}
        missing: list[str] = []
        for name in names:
            device = self._devices.get(name)
            if device is None:
                missing.append(name)
            else:
                found[name] = device
        return found | load_devices(connection, missing) if missing else found

    def keep(self, devices: Mapping[str, Device], *, number: int) -> None:
        """What the transaction of this number has written, once it is committed."""
        self._number = number
        self._devices |= {name: _strip(device) for name, device in devices.items()}
        surplus = max(0, len(self._devices) - _REMEMBERED)
        for name in list(islice(self._devices, surplus)):
            del self._devices[name]

    def forget(self) -> None:
        """More than is known here has changed."""
        self._devices.clear()


def _strip(device: Device) -> Device:
    """As it would be read again."""
    return replace(device, lives=Lives(current=device.lives.current)) if device.lives.former else device
