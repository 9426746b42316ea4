"""Devices as the domain knows them, read and written by the batch."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.devices import Admission, Connectivity, Contact, Device, Document
from polyfleet_controller.domain.incarnations import Lives
from polyfleet_controller.domain.sync import Sync
from polyfleet_controller.store.bulk import Values, bulk_insert, bulk_update
from polyfleet_controller.store.lives import attach_lives, load_lives
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import DEVICE, TOMBSTONE
from polyfleet_controller.store.values import read_platform
from polyfleet_shared.messages import DocumentVersion

_COLUMNS = tuple(column.name for column in DEVICE.columns)
# What reports and events change.
_HEARD = (
    "last_seen",
    "events",
    "reported_boot",
    "reported_seq",
    "observed_epoch",
    "observed_generation",
    "observed_digest",
)
# An index is written again for each row whose column is set, changed or not.
_INDEXED = ("admission", "connectivity", "platform", "platform_set", "document_digest", "sync")
_PLAIN = tuple(name for name in _COLUMNS if name not in {"name", *_HEARD, *_INDEXED})
# Where these are the same, so are all of the columns above.
_get_heard = attrgetter("last_seen", "events", "reported_order", "observed")
_get_plain = attrgetter(
    "decided", "lives", "duplicate_since", "contact", "inventory_order", "telemetry_order", "document"
)
_get_indexed = attrgetter(
    "admission", "contact.connectivity", "platform", "platform_set", "document.digest", "sync"
)

_INSERT = bulk_insert(DEVICE, ("name", *_HEARD, *_PLAIN, *_INDEXED))
_UPDATE_HEARD = bulk_update(DEVICE, _HEARD, key="name")
_UPDATE_PLAIN = bulk_update(DEVICE, _PLAIN, key="name")
_UPDATE_INDEXED = bulk_update(DEVICE, _INDEXED, key="name")


def load_devices(connection: Connection, names: Iterable[str]) -> dict[str, Device]:
    """The devices of these names that are known, without their former lives."""
    rows = connection.execute(select(DEVICE).where(DEVICE.c.name.in_(list(names))))
    return {device.name: device for device in map(read_device, rows)}


def load_device(connection: Connection, name: str) -> Device | None:
    """One device with its former lives."""
    device = load_devices(connection, [name]).get(name)
    if device is None:
        return None
    former = load_lives(connection, [name]).get(name, {})
    return attach_lives(device, former)


def save_devices(connection: Connection, changes: Sequence[tuple[Device | None, Device]]) -> None:
    """Write devices, each beside what it was when loaded, None if it is new."""
    new = [device for before, device in changes if before is None]
    _INSERT.execute(connection, [(item.name, *_heard(item), *_plain(item), *_indexed(item)) for item in new])
    known = [(before, device) for before, device in changes if before is not None]
    for statement, get, columns in (
        (_UPDATE_HEARD, _get_heard, _heard),
        (_UPDATE_PLAIN, _get_plain, _plain),
        (_UPDATE_INDEXED, _get_indexed, _indexed),
    ):
        rows = [(*columns(device), device.name) for before, device in known if get(device) != get(before)]
        statement.execute(connection, rows)


def give_documents(connection: Connection, documents: Sequence[tuple[str, str]]) -> None:
    """Give (device, digest): each a new document, of the content with this digest."""
    if documents:
        statement = (
            update(DEVICE)
            .where(DEVICE.c.name == bindparam("of"))
            .values(
                document_digest=bindparam("holds"),
                generation=DEVICE.c.generation + 1,
                sync=Sync.BEHIND.value,
            )
        )
        connection.execute(statement, [{"of": name, "holds": digest} for name, digest in documents])


def delete_device(connection: Connection, name: str, *, now: datetime) -> None:
    """Forget a device and all that belongs to it, but that it was deleted."""
    connection.execute(delete(DEVICE).where(DEVICE.c.name == name))
    upsert(connection, TOMBSTONE, [{"device": name, "deleted_at": now}])


def load_tombstones(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Which of these names are those of deleted devices."""
    found = connection.execute(select(TOMBSTONE.c.device).where(TOMBSTONE.c.device.in_(list(names))))
    return frozenset(found.scalars())


def read_device(row: ResultRow[Any]) -> Device:
    """A device from its row, whose first columns are the table's."""
    (
        name,
        admission,
        decided,
        first_seen,
        last_seen,
        incarnation,
        duplicate_since,
        connectivity,
        since,
        presence_boot,
        presence_connection,
        presence_rank,
        inventory_boot,
        inventory_seq,
        telemetry_boot,
        telemetry_seq,
        reported_boot,
        reported_seq,
        observed_epoch,
        observed_generation,
        observed_digest,
        platform,
        platform_set,
        generation,
        document_digest,
        oversized,
        published_at,
        sync,
        events,
    ) = row[: len(_COLUMNS)]
    observed = None
    if observed_epoch is not None:
        observed = DocumentVersion(
            epoch=observed_epoch, generation=observed_generation, digest=observed_digest
        )
    return Device(
        name=name,
        first_seen=first_seen,
        last_seen=last_seen,
        admission=Admission(admission),
        decided=decided,
        lives=Lives(current=incarnation),
        duplicate_since=duplicate_since,
        contact=Contact(
            order=(presence_boot, presence_connection, presence_rank),
            connectivity=Connectivity(connectivity),
            since=since,
        ),
        inventory_order=(inventory_boot, inventory_seq),
        telemetry_order=(telemetry_boot, telemetry_seq),
        reported_order=(reported_boot, reported_seq),
        observed=observed,
        platform=None if platform is None else read_platform(platform),
        platform_set=platform_set,
        document=Document(
            generation=generation, digest=document_digest, oversized=oversized, published_at=published_at
        ),
        sync=Sync(sync),
        events=events,
    )


def _heard(device: Device) -> Values:
    """The values of _HEARD."""
    observed = device.observed
    seen = (device.last_seen, device.events, *device.reported_order)
    if observed is None:
        return (*seen, None, None, None)
    return (*seen, observed.epoch, observed.generation, observed.digest)


def _plain(device: Device) -> Values:
    """The values of _PLAIN."""
    return (
        device.decided,
        device.first_seen,
        device.lives.current,
        device.duplicate_since,
        device.contact.since,
        *device.contact.order,
        *device.inventory_order,
        *device.telemetry_order,
        device.document.generation,
        device.document.oversized,
        device.document.published_at,
    )


def _indexed(device: Device) -> Values:
    """The values of _INDEXED."""
    return (
        device.admission.value,
        device.contact.connectivity.value,
        None if device.platform is None else str(device.platform),
        device.platform_set,
        device.document.digest,
        device.sync.value,
    )
