"""A database of an older version, with what is in it, becomes one of this."""

import json
from typing import Any, Final

from alembic import command
from sqlalchemy import Connection, MetaData, create_engine, insert

from controlroom import START, ControlRoom, Voice
from polyfleet_controller.domain.device_labels import DeviceLabels
from polyfleet_controller.services.devices import DeviceFilter
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.marks import PlacementFacts, load_placement_facts
from polyfleet_controller.store.migrations import configure
from polyfleet_shared.messages import Inventory
from polyfleet_shared.wire import encode_message

CONFIGURED: Final = {
    "site": "north",
    "polyfleet.io/site": "attic",
    "polyfleet.io/tier": "gold",
    "polyfleet.io/variant": "v9",
    "no key": "x",
    "hall": "north hall",
    "example.com/empty": "",
}
DEVICE: Final[dict[str, Any]] = {
    "admission": "admitted",
    "decided": True,
    "first_seen": START,
    "incarnation": "life-1",
    "connectivity": "online",
    "generation": 0,
    "sync": "unassigned",
    "events": 0,
    **{f"{kind}_{part}": 0 for kind in ("inventory", "telemetry", "reported") for part in ("boot", "seq")},
    **{f"presence_{part}": 0 for part in ("boot", "connection", "rank")},
}


def keep(connection: Connection, name: str, inventory: Inventory) -> None:
    """What a controller of that time kept of an inventory."""
    tables = MetaData()
    tables.reflect(connection)
    columns = {"name": name, "platform": str(inventory.platform), **DEVICE}
    connection.execute(insert(tables.tables["device"]), columns)
    labels = {
        **inventory.labels,
        "kubernetes.io/arch": inventory.platform.architecture,
        "kubernetes.io/os": inventory.platform.os,
        "kubernetes.io/hostname": inventory.host.hostname,
    }
    connection.execute(
        insert(tables.tables["inventory"]),
        {
            "device": name,
            "platform_source": inventory.platform_source.value,
            "agent_version": inventory.agent_version,
            "labels": json.dumps({"labels": labels}),
            "body": encode_message(inventory).decode(),
        },
    )
    rows = [{"device": name, "key": key, "value": value} for key, value in labels.items()]
    connection.execute(insert(tables.tables["device_label"]), rows)


def test_what_inventories_said_before_there_were_marks_is_read_again(database_url: str) -> None:
    known = {
        "edge-1": Voice("edge-1", platform="linux/amd64/v3", labels=CONFIGURED).inventory(),
        "edge-2": Voice("edge-2", labels={"site": "north"}).inventory(),
    }
    engine = create_engine(database_url)
    with engine.begin() as connection:
        command.upgrade(configure(connection), "0002")
        for name, inventory in known.items():
            keep(connection, name, inventory)
    engine.dispose()

    database = Database(database_url)
    database.migrate()
    with database.read() as connection:
        assert load_placement_facts(connection, known) == {
            name: PlacementFacts(
                labels=DeviceLabels.gather(name, inventory, {}).counting,
                cpu_count=inventory.host.cpu_count,
                memory_total=inventory.host.memory_total,
            )
            for name, inventory in known.items()
        }
    room = ControlRoom(database)
    found = {
        f"{key}={value}": [
            device.name
            for device in room.devices.list(PageRequest(limit=10), DeviceFilter(labels={key: value})).items
        ]
        for key, value in {**CONFIGURED, "polyfleet.io/variant": "v3", "kubernetes.io/os": "linux"}.items()
    }
    assert found == {
        "site=north": ["edge-1", "edge-2"],
        "polyfleet.io/site=attic": ["edge-1"],
        "polyfleet.io/tier=gold": [],
        "polyfleet.io/variant=v3": ["edge-1"],
        "no key=x": [],
        "hall=north hall": [],
        "example.com/empty=": ["edge-1"],
        "kubernetes.io/os=linux": ["edge-1", "edge-2"],
    }
    database.close()
