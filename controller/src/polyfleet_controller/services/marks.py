"""Labels and taints, as operators set and remove them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from polyfleet_controller.domain.device_labels import LabelChange
from polyfleet_controller.domain.taint_changes import TaintChange, change_taints
from polyfleet_controller.services.device_views import view_device
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.labelling import load_device_labels
from polyfleet_controller.services.settlement import Change, settle
from polyfleet_controller.services.views import DeviceView
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.devices import load_device
from polyfleet_controller.store.epochs import load_epoch
from polyfleet_controller.store.listings import find_listed_device
from polyfleet_controller.store.marks import (
    load_taints,
    save_counting_labels,
    save_operator_labels,
    save_taints,
)

# Whether what the device should run may be another now.
_Mark: TypeAlias = Callable[[Connection], bool]


class Marks:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def label(self, name: str, change: LabelChange, *, now: datetime) -> DeviceView:
        """Set and remove labels of a device; all of it, or nothing.

        Raises:
            NotFoundError: there is no such device.
            MarkConflictError: a label has another value, and the change does not overwrite.
            MarkRefusedError: with everything that is wrong in the change.
            StoreError: the database does not answer.
        """

        def mark(connection: Connection) -> bool:
            known = load_device_labels(connection, name)
            after = replace(known, operator=known.change(change))
            if after.operator != known.operator:
                save_operator_labels(connection, name, after.operator)
            counting = after.counting
            if counting == known.counting:
                return False
            save_counting_labels(connection, name, counting)
            return True

        return self._change(name, mark, now=now)

    def taint(self, name: str, change: TaintChange, *, now: datetime) -> DeviceView:
        """Set and remove taints of a device; all of it, or nothing.

        Raises:
            NotFoundError: there is no such device.
            MarkConflictError: a taint has another value, and the change does not overwrite.
            MarkRefusedError: with everything that is wrong in the change.
            StoreError: the database does not answer.
        """

        def mark(connection: Connection) -> bool:
            known = load_taints(connection, [name]).get(name, ())
            after = change_taints(known, change, now=now)
            if after == known:
                return False
            save_taints(connection, name, after)
            return True

        return self._change(name, mark, now=now)

    def _change(self, name: str, mark: _Mark, *, now: datetime) -> DeviceView:
        outbox_changed = False
        with self._database.begin() as connection:
            device = load_device(connection, name)
            if device is None:
                raise NotFoundError("device", name)
            if mark(connection):
                change = Change(before=device, after=device, derive=True)
                outbox_changed = settle(connection, [change], now=now).outbox_changed
            listed = find_listed_device(connection, name)
            epoch = load_epoch(connection)
        if outbox_changed:
            self._on_change()
        if listed is None:
            raise NotFoundError("device", name)
        return view_device(listed, epoch)
