"""Releases: the moment at which the names of images become digests.

The registry is asked outside of any transaction. What it cannot answer now is asked again, less and less
often; meanwhile an older release stays in force, or the devices are told why they get none. So it is with an
image that leaves devices uncovered, where the manifest does not say what to do about them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from polyfleet_controller.domain.images import ImageReference, IndexChild, NamedImage, ResolvedImage
from polyfleet_controller.domain.release_status import ReleaseStatus, find_release_status
from polyfleet_controller.services.advancing import BY_ITSELF, release_workload
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.pages import PageRequest, cut_page
from polyfleet_controller.services.placements import place_workload, take_snapshot
from polyfleet_controller.services.ports import Registry, RegistryFailure
from polyfleet_controller.services.preflight import check_workload, describe_uncovered, is_refused
from polyfleet_controller.services.views import Child, OtherImage, Page, ReleaseView
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.rollouts import load_statuses
from polyfleet_controller.store.workloads import (
    StoredRelease,
    StoredWorkload,
    find_next_due,
    find_workload,
    list_due,
    list_releases,
    load_workload,
    save_workload,
)
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason

_FIRST_RETRY: Final = timedelta(seconds=2)
_LONGEST_RETRY: Final = timedelta(seconds=60)
# A registry that does not answer soon may; a tag gains a platform when somebody publishes it, and public
# registries count each look against a quota.
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_DOUBLINGS: Final = 9


class Releases:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, registry: Registry, on_change: Callable[[], None]) -> None:
        self._database = database
        self._registry = registry
        self._on_change = on_change

    def resolve(self, workload: str, *, now: datetime) -> None:
        """Cut the release for a workload's newest manifest, or note why there is none.

        Takes as long as the registry may. `workload` is a uid; one that is gone, or has its release, is left.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            stored = load_workload(connection, workload)
        if stored is None or stored.observed_generation == stored.generation:
            return
        outcome = look_up(self._registry, stored.manifest.images)
        with self._database.begin() as connection:
            outbox_changed = _conclude(connection, stored, outcome, now)
        if outbox_changed:
            self._on_change()

    def resolve_pending(self, *, now: datetime) -> datetime | None:
        """Try all workloads that are due; when the next one is, None if none waits.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            due = list_due(connection, now=now)
        for workload in due:
            self.resolve(workload, now=now)
        with self._database.read() as connection:
            return find_next_due(connection)

    def list(self, namespace: str, name: str, page: PageRequest) -> Page[ReleaseView]:
        """A workload's releases, newest first.

        Raises:
            NotFoundError: there is no such workload.
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        before = page.number_key()
        with self._database.read() as connection:
            workload = find_workload(connection, namespace, name)
            if workload is None:
                raise NotFoundError("workload", f"{namespace}/{name}")
            rows = list_releases(connection, workload.uid, limit=page.limit + 1, before=before)
            views = {view.revision: view for view in view_releases(connection, workload, rows)}
        return cut_page(
            rows,
            page,
            key=lambda row: [row.release.revision],
            view=lambda row: views[row.release.revision],
        )


def look_up(
    registry: Registry,
    references: Iterable[ImageReference],
    *,
    known: Mapping[ImageReference, ResolvedImage] = MappingProxyType({}),
) -> tuple[NamedImage, ...] | Condition:
    """What references name now, or why that is not known of one; those that are `known` are not asked for.

    Takes as long as the registries may.
    """
    try:
        return tuple(
            NamedImage(reference=reference, image=known.get(reference) or registry.resolve(reference))
            for reference in references
        )
    except RegistryFailure as failure:
        return Condition(reason=failure.reason, message=failure.message)


def view_releases(
    connection: Connection, workload: StoredWorkload, stored: Sequence[StoredRelease]
) -> tuple[ReleaseView, ...]:
    """Releases as they are shown, with what has become of them."""
    statuses = load_statuses(connection, workload.uid, [each.release.revision for each in stored])
    return tuple(
        _view_release(
            each,
            find_release_status(
                statuses.get(each.release.revision), is_newest=each.release.revision == workload.revision
            ),
        )
        for each in stored
    )


def _view_release(stored: StoredRelease, status: ReleaseStatus) -> ReleaseView:
    release = stored.release
    first, *others = release.images
    return ReleaseView(
        release=release.release,
        workload=stored.workload,
        revision=release.revision,
        created_at=stored.created_at,
        created_by=stored.created_by,
        status=status,
        image=str(first.reference),
        index=first.image.index,
        children=_view_children(first.image.children),
        others=tuple(
            OtherImage(
                image=str(each.reference),
                index=each.image.index,
                children=_view_children(each.image.children),
            )
            for each in others
        ),
    )


def _view_children(children: Iterable[IndexChild]) -> tuple[Child, ...]:
    return tuple(
        Child(platform=child.platform, child=child.child, config=child.config, size=child.size)
        for child in children
    )


def _conclude(
    connection: Connection,
    asked_for: StoredWorkload,
    outcome: tuple[NamedImage, ...] | Condition,
    now: datetime,
) -> bool:
    """Write what the registry said, unless the workload has moved on since it was asked."""
    workload = load_workload(connection, asked_for.uid)
    if workload is None or workload.observed_generation >= asked_for.generation:
        return False
    if workload.generation != asked_for.generation:
        return False
    if not isinstance(outcome, Condition):
        manifest = workload.manifest
        snapshot = take_snapshot(connection)
        check = check_workload(connection, snapshot, workload.uid, manifest, outcome, now=now)
        if not is_refused(check):
            return release_workload(connection, workload, outcome, by=BY_ITSELF, now=now, seen=snapshot)
        outcome = Condition(reason=Reason.NO_MATCHING_PLATFORM, message=describe_uncovered(check))
    return note_failure(connection, workload, outcome, now)


def note_failure(connection: Connection, workload: StoredWorkload, why: Condition, now: datetime) -> bool:
    """Keep why the newest manifest has no release, and when to try again; whether to send something now."""
    longest = _LONGEST_PAUSE if why.reason is Reason.NO_MATCHING_PLATFORM else _LONGEST_RETRY
    save_workload(
        connection,
        replace(
            workload,
            failure=why,
            attempts=workload.attempts + 1,
            retry_at=now + min(longest, _FIRST_RETRY * 2 ** min(workload.attempts, _DOUBLINGS)),
        ),
    )
    return why != workload.failure and place_workload(connection, workload.uid, now=now)
