"""The epoch of all documents: a restored database begins a new one."""

from sqlalchemy import Connection, select, update

from polyfleet_controller.domain.sync import Sync
from polyfleet_controller.store.tables import CONTROLLER, DEVICE


def load_epoch(connection: Connection) -> int:
    """The epoch in force."""
    epoch: int = connection.execute(select(CONTROLLER.c.epoch)).scalar_one()
    return epoch


def save_epoch(connection: Connection, epoch: int) -> None:
    """Begin an epoch: no device has confirmed its document in it yet."""
    connection.execute(update(CONTROLLER).values(epoch=epoch))
    documents = update(DEVICE).where(DEVICE.c.document_digest.is_not(None))
    connection.execute(documents.values(sync=Sync.BEHIND.value))
