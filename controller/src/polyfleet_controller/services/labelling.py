"""What devices' labels come to, and what new inventories make of them: no other message changes them."""

from collections.abc import Mapping

from polyfleet_controller.domain.device_labels import DeviceLabels
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.listings import load_inventory
from polyfleet_controller.store.marks import PlacementFacts, load_operator_labels, load_placement_facts
from polyfleet_controller.store.messages import StoredInventory

Labels = Mapping[str, Mapping[str, str]]


def load_device_labels(connection: Connection, device: str) -> DeviceLabels:
    """What each source says of a device."""
    operator = load_operator_labels(connection, [device]).get(device, {})
    return DeviceLabels.gather(device, load_inventory(connection, device), operator)


def count_labels(connection: Connection, inventories: Mapping[str, StoredInventory]) -> Labels:
    """By device, the labels that count from now on."""
    if not inventories:
        return {}
    operator = load_operator_labels(connection, inventories)
    return {
        name: DeviceLabels.gather(name, stored.inventory, operator.get(name, {})).counting
        for name, stored in inventories.items()
    }


def find_facts(inventories: Mapping[str, StoredInventory], labels: Labels) -> dict[str, PlacementFacts]:
    """By device, what placement looks at from now on."""
    return {
        name: PlacementFacts(
            labels=labels[name],
            cpu_count=stored.inventory.host.cpu_count,
            memory_total=stored.inventory.host.memory_total,
        )
        for name, stored in inventories.items()
    }


def find_moved(connection: Connection, facts: Mapping[str, PlacementFacts]) -> frozenset[str]:
    """The devices that had an inventory before, by which placement may have decided otherwise."""
    if not facts:
        return frozenset()
    known = load_placement_facts(connection, facts)
    return frozenset(name for name, before in known.items() if before != facts[name])
