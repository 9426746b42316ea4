"""Rollouts, as time and what devices say bring them on, and as operators see and steer them."""

from collections.abc import Callable
from datetime import datetime

from polyfleet_controller.domain.rollout.events import Verb
from polyfleet_controller.domain.rollout.states import Rollout
from polyfleet_controller.domain.rollout.verbs import find_refusal
from polyfleet_controller.services.advancing import look_at, obey
from polyfleet_controller.services.errors import NotFoundError, NotSteerableError
from polyfleet_controller.services.pages import PageRequest, cut_page
from polyfleet_controller.services.rollout_reading import view_record, view_rollout
from polyfleet_controller.services.rollout_views import MAX_RECORDS, RolloutDetail, RolloutView
from polyfleet_controller.services.views import Page
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.rollouts import (
    list_due_rollouts,
    list_records,
    list_rolling_workloads,
    list_rollouts,
    load_rollout,
    load_rollout_in_effect,
)
from polyfleet_controller.store.workloads import StoredWorkload, find_workload, load_workload


class Rollouts:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def advance(self, *, now: datetime) -> None:
        """Bring on every rollout that is due, each in a transaction of its own.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            due = list_due_rollouts(connection, now=now)
        for uid in due:
            with self._database.begin() as connection:
                outbox_changed = look_at(connection, uid, now=now)
            if outbox_changed:
                self._on_change()

    def list_all(self) -> tuple[RolloutView, ...]:
        """The rollouts in effect of all workloads, by name.

        Raises:
            StoreError: the database does not answer.
        """
        views: list[RolloutView] = []
        with self._database.read() as connection:
            for uid in list_rolling_workloads(connection):
                workload, rollout = load_workload(connection, uid), load_rollout_in_effect(connection, uid)
                if workload is not None and rollout is not None:
                    views.append(view_rollout(connection, workload, rollout, in_effect=True))
        return tuple(sorted(views, key=lambda view: (view.namespace, view.name)))

    def list(self, namespace: str, name: str, page: PageRequest) -> Page[RolloutView]:
        """A workload's rollouts, newest first.

        Raises:
            NotFoundError: there is no such workload.
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        before = page.number_key()
        with self._database.read() as connection:
            workload = _find(connection, namespace, name)
            rows = list_rollouts(connection, workload.uid, limit=page.limit + 1, before=before)
            current = load_rollout_in_effect(connection, workload.uid)
            views = {row.number: _view(connection, workload, row, current) for row in rows}
        return cut_page(rows, page, key=lambda row: [row.number], view=lambda row: views[row.number])

    def show(self, namespace: str, name: str, number: int | None = None) -> RolloutDetail:
        """A workload's rollout of this number, else its newest.

        Raises:
            NotFoundError: there is no such workload, or no such rollout.
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            workload = _find(connection, namespace, name)
            rollout = load_rollout(connection, workload.uid, number)
            if rollout is None:
                raise NotFoundError("rollout", _call(namespace, name, number))
            current = load_rollout_in_effect(connection, workload.uid)
            return _view_detail(connection, workload, rollout, current)

    def steer(
        self, namespace: str, name: str, verb: Verb, *, number: int | None = None, now: datetime
    ) -> RolloutDetail:
        """Tell the rollout in effect what an operator wants; that of this number, where it is given.

        Raises:
            NotFoundError: there is no such workload, or it has no rollout in effect.
            NotSteerableError: another rollout is in effect, or this one cannot be steered like this as it is.
            StoreError: the database does not answer.
        """
        with self._database.begin() as connection:
            workload = _find(connection, namespace, name)
            rollout = load_rollout_in_effect(connection, workload.uid)
            if rollout is None:
                raise NotFoundError("rollout in effect", _call(namespace, name, number))
            if number is not None and rollout.number != number:
                raise NotSteerableError(
                    f"rollout {number} of {namespace}/{name} is over: {rollout.created_by} began rollout "
                    f"{rollout.number}; look at that first"
                )
            refusal = find_refusal(rollout, verb)
            if refusal is not None:
                raise NotSteerableError(f"{namespace}/{name}, rollout {rollout.number}: {refusal}")
            outbox_changed = obey(connection, rollout, verb, now=now)
            after = load_rollout(connection, workload.uid, rollout.number) or rollout
            current = load_rollout_in_effect(connection, workload.uid)
            detail = _view_detail(connection, workload, after, current)
        if outbox_changed:
            self._on_change()
        return detail


def _find(connection: Connection, namespace: str, name: str) -> StoredWorkload:
    workload = find_workload(connection, namespace, name)
    if workload is None:
        raise NotFoundError("workload", f"{namespace}/{name}")
    return workload


def _call(namespace: str, name: str, number: int | None) -> str:
    return f"{namespace}/{name}" + ("" if number is None else f" {number}")


def _view(
    connection: Connection, workload: StoredWorkload, rollout: Rollout, current: Rollout | None
) -> RolloutView:
    """With its members, if it is the one in effect."""
    if current is not None and current.number == rollout.number:
        return view_rollout(connection, workload, current, in_effect=True)
    return view_rollout(connection, workload, rollout, in_effect=False)


def _view_detail(
    connection: Connection, workload: StoredWorkload, rollout: Rollout, current: Rollout | None
) -> RolloutDetail:
    records = list_records(connection, workload.uid, rollout.number, limit=MAX_RECORDS)
    waves = enumerate(rollout.strategy.waves, start=1)
    return RolloutDetail(
        rollout=_view(connection, workload, rollout, current),
        records=tuple(map(view_record, records)),
        approvals=tuple(number for number, wave in waves if wave.approval),
        approved=rollout.approved,
    )
