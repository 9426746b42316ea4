"""A device's labels: three sources say some, and one of them counts for each key.

The inventory's come first: nobody else sets them. An operator's come before those of the device's own
configuration, but only where the operator said that this is meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from polyfleet_controller.domain.labels import find_key_problems, find_value_problems
from polyfleet_controller.domain.marks import RESERVED_PREFIX, Objections, check_room, say, set_path
from polyfleet_shared.messages import Inventory

ARCHITECTURE: Final = "kubernetes.io/arch"
OS: Final = "kubernetes.io/os"
HOSTNAME: Final = "kubernetes.io/hostname"
VARIANT: Final = "polyfleet.io/variant"
SITE: Final = "polyfleet.io/site"

# What operators may put on one device.
MAX_LABELS: Final = 100

PROTECTED: Final = frozenset({ARCHITECTURE, OS, HOSTNAME, VARIANT})
_RESERVED: Final = f"is reserved, as all under {RESERVED_PREFIX} is but for {SITE}"


class LabelSource(StrEnum):
    """Who says a label, the strongest first."""

    INVENTORY = "inventory"
    OPERATOR = "operator"
    DEVICE = "device"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLabel:
    """A label that counts. `configured` is what the device's configuration says in an operator's place."""

    key: str
    value: str
    source: LabelSource
    configured: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoredLabel:
    """A label of the device's configuration that counts nothing, and why."""

    key: str
    value: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """What an operator asks for: values by key, and keys to remove.

    With `overwrite`, a value may take the place of another.
    """

    set: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLabels:
    """What each source says of a device; `configured` is the device's own configuration, as it came."""

    device: str
    inventory: Mapping[str, str] = field(default_factory=dict)
    operator: Mapping[str, str] = field(default_factory=dict)
    configured: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def gather(cls, device: str, inventory: Inventory | None, operator: Mapping[str, str]) -> "DeviceLabels":
        """From the newest inventory, None before the first, and what operators have set."""
        if inventory is None:
            return cls(device=device, operator=operator)
        own = _read_inventory(device, inventory)
        return cls(device=device, inventory=own, operator=operator, configured=inventory.labels)

    @property
    def counting(self) -> dict[str, str]:
        """The labels that count."""
        return self._count(self._accept())

    @property
    def explained(self) -> tuple[DeviceLabel, ...]:
        """The same, by key, each with who says it."""
        accepted = self._accept()
        return tuple(
            self._explain(key, value, accepted.get(key))
            for key, value in sorted(self._count(accepted).items())
        )

    @property
    def ignored(self) -> tuple[IgnoredLabel, ...]:
        """What the device's configuration says in vain, by key; what the inventory says as well is not."""
        return tuple(
            IgnoredLabel(key=key, value=value, message=message)
            for key, value in sorted(self.configured.items())
            if (message := self._find_obstacle(key, value))
        )

    def _accept(self) -> dict[str, str]:
        """What the device's configuration may say."""
        return {key: value for key, value in self.configured.items() if not self._find_obstacle(key, value)}

    def _count(self, accepted: Mapping[str, str]) -> dict[str, str]:
        return {**accepted, **self.operator, **self.inventory}

    def _explain(self, key: str, value: str, configured: str | None) -> DeviceLabel:
        if key in self.inventory:
            return DeviceLabel(key=key, value=value, source=LabelSource.INVENTORY)
        if key in self.operator:
            return DeviceLabel(key=key, value=value, source=LabelSource.OPERATOR, configured=configured)
        return DeviceLabel(key=key, value=value, source=LabelSource.DEVICE)

    def _find_obstacle(self, key: str, value: str) -> str:
        """Why nobody but the inventory can give this key this value; empty if anybody can."""
        if key in PROTECTED:
            return self._find_contradiction(key, value)
        if key.startswith(RESERVED_PREFIX) and key != SITE:
            return f"{say(key)} {_RESERVED}"
        label = f"{say(key)}={say(value)}"
        problems = (*find_key_problems(key), *find_value_problems(value))
        return f"{label}: {'; '.join(problems)}" if problems else ""

    def _find_contradiction(self, key: str, value: str) -> str:
        told = self.inventory.get(key)
        if told == value:
            return ""
        if told is not None:
            return f"{key} is {told} by {self.device}'s inventory, and cannot be set to {say(value)}"
        return f"{key} comes from {self.device}'s inventory, which says none, and cannot be set"

    def change(self, change: LabelChange) -> dict[str, str]:
        """The operators' labels after a change; the same again changes nothing.

        Removing takes away what an operator has set. A label of the device's configuration that it hid counts
        again.

        Raises:
            MarkConflictError: a key has another value, and the change does not overwrite.
            MarkRefusedError: with everything that is wrong in the change.
        """
        objections, accepted = Objections(), self._accept()
        known = {} if change.overwrite else self._count(accepted)
        for key, value in change.set.items():
            self._judge_value(objections, key, value, known.get(key, value))
        for position, key in enumerate(change.remove):
            path = f"remove[{position}]"
            if key in change.set:
                objections.refuse(path, f"{say(key)} is to be set as well: do one of both")
            else:
                self._judge_removal(objections, path, key, accepted.get(key))
        objections.close()
        kept = {key: value for key, value in self.operator.items() if key not in change.remove}
        after = kept | {key: value for key, value in change.set.items() if key not in self.inventory}
        check_room("labels of operators", len(self.operator), len(after), MAX_LABELS)
        return after

    def _judge_value(self, objections: Objections, key: str, value: str, known: str) -> None:
        """`known` is the value that must not be lost."""
        path = set_path(key)
        if obstacle := self._find_obstacle(key, value):
            objections.refuse(path, obstacle)
        elif known != value:
            setter = "an operator" if key in self.operator else "the device's configuration"
            objections.conflict(
                path, f"{key} is {say(known)} already, set by {setter}: overwrite it if {say(value)} is meant"
            )

    def _judge_removal(self, objections: Objections, path: str, key: str, configured: str | None) -> None:
        if key in self.inventory:
            told = say(self.inventory[key])
            objections.refuse(path, f"{key} is {told} by {self.device}'s inventory, and cannot be removed")
        elif configured is not None and key not in self.operator:
            objections.refuse(
                path,
                f"{key} is {say(configured)} by {self.device}'s own configuration: "
                "remove it from [device.labels] in its agent.toml",
            )
        else:
            objections.refuse(path, *(f"{say(key)}: {problem}" for problem in find_key_problems(key)))


def _read_inventory(device: str, inventory: Inventory) -> dict[str, str]:
    platform, hostname = inventory.platform, inventory.host.hostname
    is_fit = hostname and not find_value_problems(hostname)
    labels = {
        ARCHITECTURE: platform.architecture,
        OS: platform.os,
        HOSTNAME: hostname if is_fit else device,
    }
    return labels if platform.variant is None else labels | {VARIANT: platform.variant}
