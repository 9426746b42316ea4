"""Labels and taints, as operators set and remove them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from polyfleet_controller.domain.device_labels import LabelChange
from polyfleet_controller.domain.marks import MarkConflictError, MarkRefusedError
from polyfleet_controller.domain.taint_changes import TaintChange, change_taints
from polyfleet_controller.services.device_views import view_device
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.labelling import load_device_labels
from polyfleet_controller.services.settlement import Change, settle
from polyfleet_controller.services.views import DeviceView, Marked, MarkOutcome
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
from polyfleet_shared.json_text import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effect:
    """What marking did: whether anything changed, and whether what the device should run may be another."""

    changed: bool
    derives: bool


_Mark: TypeAlias = Callable[[Connection, str], _Effect]
_NOTHING = _Effect(changed=False, derives=False)


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
        return self._change(name, _label(change), now=now)

    def label_all(self, names: Sequence[str], change: LabelChange, *, now: datetime) -> tuple[Marked, ...]:
        """The same for several devices in one transaction; one that is refused keeps none of the others back.

        Raises:
            StoreError: the database does not answer.
        """
        return self._change_all(names, _label(change), now=now)

    def taint(self, name: str, change: TaintChange, *, now: datetime) -> DeviceView:
        """Set and remove taints of a device; all of it, or nothing.

        Raises:
            NotFoundError: there is no such device.
            MarkConflictError: a taint has another value, and the change does not overwrite.
            MarkRefusedError: with everything that is wrong in the change.
            StoreError: the database does not answer.
        """
        return self._change(name, _taint(change, now), now=now)

    def taint_all(self, names: Sequence[str], change: TaintChange, *, now: datetime) -> tuple[Marked, ...]:
        """The same for several devices in one transaction; one that is refused keeps none of the others back.

        Raises:
            StoreError: the database does not answer.
        """
        return self._change_all(names, _taint(change, now), now=now)

    def _change(self, name: str, mark: _Mark, *, now: datetime) -> DeviceView:
        outbox_changed = False
        with self._database.begin() as connection:
            change, _ = _mark_device(connection, name, mark)
            if change is not None:
                outbox_changed = settle(connection, [change], now=now).outbox_changed
            listed = find_listed_device(connection, name)
            epoch = load_epoch(connection)
        if outbox_changed:
            self._on_change()
        if listed is None:
            raise NotFoundError("device", name)
        return view_device(listed, epoch)

    def _change_all(self, names: Sequence[str], mark: _Mark, *, now: datetime) -> tuple[Marked, ...]:
        changes: list[Change] = []
        marked: list[Marked] = []
        outbox_changed = False
        with self._database.begin() as connection:
            for name in dict.fromkeys(names):
                try:
                    change, effect = _mark_device(connection, name, mark)
                except (NotFoundError, MarkRefusedError) as refusal:
                    marked.append(_refuse(name, refusal))
                    continue
                if change is not None:
                    changes.append(change)
                outcome = MarkOutcome.CHANGED if effect.changed else MarkOutcome.UNCHANGED
                marked.append(Marked(device=name, outcome=outcome))
            if changes:
                outbox_changed = settle(connection, changes, now=now).outbox_changed
        if outbox_changed:
            self._on_change()
        return tuple(marked)


def _mark_device(connection: Connection, name: str, mark: _Mark) -> tuple[Change | None, _Effect]:
    """Write the marks; what is to be settled then, None if nothing is."""
    device = load_device(connection, name)
    if device is None:
        raise NotFoundError("device", name)
    effect = mark(connection, name)
    change = Change(before=device, after=device, derive=True) if effect.derives else None
    return change, effect


def _label(change: LabelChange) -> _Mark:
    def mark(connection: Connection, name: str) -> _Effect:
        known = load_device_labels(connection, name)
        after = replace(known, operator=known.change(change))
        if after.operator == known.operator:
            return _NOTHING
        save_operator_labels(connection, name, after.operator)
        counting = after.counting
        if counting == known.counting:
            return _Effect(changed=True, derives=False)
        save_counting_labels(connection, name, counting)
        return _Effect(changed=True, derives=True)

    return mark


def _taint(change: TaintChange, now: datetime) -> _Mark:
    def mark(connection: Connection, name: str) -> _Effect:
        known = load_taints(connection, [name]).get(name, ())
        after = change_taints(known, change, now=now)
        if after == known:
            return _NOTHING
        save_taints(connection, name, after)
        return _Effect(changed=True, derives=True)

    return mark


def _refuse(name: str, refusal: NotFoundError | MarkRefusedError) -> Marked:
    if isinstance(refusal, NotFoundError):
        return Marked(
            device=name,
            outcome=MarkOutcome.NOT_FOUND,
            problems=(Problem(path="", message=str(refusal)),),
        )
    conflicts = isinstance(refusal, MarkConflictError)
    outcome = MarkOutcome.CONFLICT if conflicts else MarkOutcome.REFUSED
    return Marked(device=name, outcome=outcome, problems=refusal.problems)
