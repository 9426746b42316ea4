"""Places workloads anew when something other than their manifests asks for it: room, or time."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from polyfleet_controller.domain.placement import Workload
from polyfleet_controller.domain.scheduling.requests import Replicas
from polyfleet_controller.domain.taints import find_next_end
from polyfleet_controller.services.placements import derive_devices, place_workload
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.fleet import list_gone
from polyfleet_controller.store.marks import load_taints
from polyfleet_controller.store.workloads import list_unplaced, load_placeable, load_workload


class Rescheduling:
    """Until when time was looked at is remembered in memory only: a start looks at all of it once more."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change
        self._looked: datetime | None = None

    def look(self, *, now: datetime) -> None:
        """Move what time asks to be moved; each workload in a transaction of its own.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            workloads = load_placeable(connection)
            due = {*list_unplaced(connection, now=now), *self._find_abandoned(connection, workloads, now)}
            expelling = self._find_expelling(connection, workloads, now)
        for uid in sorted(due):
            self._commit(partial(_place, uid=uid, now=now))
        if expelling:
            self._commit(partial(derive_devices, names=expelling, now=now))
        self._looked = now

    def _commit(self, change: Callable[[Connection], bool]) -> None:
        with self._database.begin() as connection:
            outbox_changed = change(connection)
        if outbox_changed:
            self._on_change()

    def _find_abandoned(
        self, connection: Connection, workloads: Iterable[Workload], now: datetime
    ) -> set[str]:
        """Workloads of which a replica is on a device that has just been gone for longer than it may be."""
        patience = {
            workload.uid: extent.patience
            for workload in workloads
            if isinstance(extent := workload.request.extent, Replicas) and extent.patience is not None
        }
        return {
            uid
            for uid, since in list_gone(connection, patience)
            if self._falls_due(since + patience[uid], now)
        }

    def _find_expelling(
        self, connection: Connection, workloads: Iterable[Workload], now: datetime
    ) -> tuple[str, ...]:
        """Devices with a taint that somebody put up with until now."""
        tolerations = tuple(item for workload in workloads for item in workload.request.tolerations)
        found = []
        for device, taints in load_taints(connection, None).items():
            end = find_next_end(taints, tolerations, after=self._looked)
            if end is not None and end <= now:
                found.append(device)
        return tuple(found)

    def _falls_due(self, moment: datetime, now: datetime) -> bool:
        return moment <= now and (self._looked is None or moment > self._looked)


def _place(connection: Connection, *, uid: str, now: datetime) -> bool:
    """Not if it was deleted meanwhile."""
    return load_workload(connection, uid) is not None and place_workload(connection, uid, now=now)
