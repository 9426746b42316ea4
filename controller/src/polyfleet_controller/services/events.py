"""The history of a device."""

from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.pages import PageRequest, cut_page
from polyfleet_controller.services.views import EventView, Page
from polyfleet_controller.store.database import Database
from polyfleet_controller.store.events import StoredEvent, has_device, list_events


class Events:
    """Reads what ingest keeps."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, device: str, page: PageRequest) -> Page[EventView]:
        """A device's events, newest first.

        Raises:
            NotFoundError: there is no such device.
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        before = page.number_key()
        with self._database.read() as connection:
            if not has_device(connection, device):
                raise NotFoundError("device", device)
            rows = list_events(connection, device, limit=page.limit + 1, before=before)
        return cut_page(rows, page, key=lambda row: [row.number], view=view_event)


def view_event(event: StoredEvent) -> EventView:
    """An event as it is shown."""
    return EventView(
        device=event.key.device,
        seq=event.key.seq,
        kind=event.kind,
        at=event.at,
        received_at=event.received_at,
        workload=event.workload,
        release=event.release,
        reason=event.reason,
        message=event.message,
        size=event.size,
        seconds=event.seconds,
    )
