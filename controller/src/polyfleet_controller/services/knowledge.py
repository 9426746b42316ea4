"""Devices as the last batch left them, so that the next one need not read them again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final, TypeVar

from polyfleet_controller.domain.devices import Device
from polyfleet_controller.domain.incarnations import Lives
from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.store.assignments import load_assignments
from polyfleet_controller.store.database import Connection, transaction_number
from polyfleet_controller.store.devices import load_devices
from polyfleet_controller.store.lives import Life, load_lives

T = TypeVar("T")

_REMEMBERED: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a transaction has written, by device; of what it did not look at, nothing."""

    devices: Mapping[str, Device]
    lives: Mapping[str, Mapping[str, Life]]
    assignments: Mapping[str, Mapping[str, Assignment]]


@dataclass(slots=True)
class Knowledge:
    """Right as long as nobody else writes; then everything is read anew."""

    _devices: dict[str, Device] = field(default_factory=dict)
    _lives: dict[str, Mapping[str, Life]] = field(default_factory=dict)
    _assignments: dict[str, Mapping[str, Assignment]] = field(default_factory=dict)
    _number: int = 0

    def begin(self, connection: Connection) -> None:
        """Call first in a transaction."""
        if transaction_number(connection) != self._number + 1:
            self.forget()

    def find_devices(self, connection: Connection, names: Iterable[str]) -> dict[str, Device]:
        """The devices of these names that there are, without their former lives."""
        return _find(self._devices, names, lambda missing: load_devices(connection, missing))

    def find_lives(self, connection: Connection, names: Iterable[str]) -> dict[str, Mapping[str, Life]]:
        """All lives of these devices."""
        return _find(
            self._lives,
            names,
            lambda missing: dict.fromkeys(missing, _NO_LIVES) | load_lives(connection, missing),
        )

    def find_assignments(
        self, connection: Connection, names: Iterable[str]
    ) -> dict[str, Mapping[str, Assignment]]:
        """All assignments of these devices."""
        return _find(
            self._assignments,
            names,
            lambda missing: dict.fromkeys(missing, _NO_ASSIGNMENTS) | load_assignments(connection, missing),
        )

    def keep(self, facts: Facts, *, number: int) -> None:
        """What the transaction of this number has written, once it is committed."""
        self._number = number
        self._devices |= {name: _strip(device) for name, device in facts.devices.items()}
        self._lives |= facts.lives
        self._assignments |= facts.assignments
        surplus = max(0, len(self._devices) - _REMEMBERED)
        for name in list(islice(self._devices, surplus)):
            del self._devices[name]
            self._lives.pop(name, None)
            self._assignments.pop(name, None)

    def forget(self) -> None:
        """More than is known here has changed."""
        for known in (self._devices, self._lives, self._assignments):
            known.clear()


_NO_LIVES: Final[Mapping[str, Life]] = {}
_NO_ASSIGNMENTS: Final[Mapping[str, Assignment]] = {}


def _find(
    known: Mapping[str, T], names: Iterable[str], load: Callable[[list[str]], Mapping[str, T]]
) -> dict[str, T]:
    found: dict[str, T] = {}
    missing: list[str] = []
    for name in names:
        if name in known:
            found[name] = known[name]
        else:
            missing.append(name)
    return {**found, **load(missing)} if missing else found


def _strip(device: Device) -> Device:
    """As it would be read again."""
    return replace(device, lives=Lives(current=device.lives.current)) if device.lives.former else device
