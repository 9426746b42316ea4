"""The history of a workload's releases, and the way back to any of them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.placement import Release
from polyfleet_controller.services.advancing import release_workload
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.placements import take_snapshot
from polyfleet_controller.services.preflight import check_workload
from polyfleet_controller.services.releases import view_releases
from polyfleet_controller.services.views import Applied, Change, ReleaseDetail
from polyfleet_controller.services.workload_reading import view_workloads
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.values import write_json
from polyfleet_controller.store.workloads import (
    StoredRelease,
    StoredWorkload,
    find_workload,
    list_releases,
    load_release_in_force,
    load_workload,
    save_workload,
)


class ReleaseHistory:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, on_change: Callable[[], None]) -> None:
        self._database = database
        self._on_change = on_change

    def show(self, namespace: str, name: str, revision: int) -> ReleaseDetail:
        """A release, with its manifest and that of the one before it.

        Raises:
            NotFoundError: there is no such workload, or no such release.
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            workload = _find_workload(connection, namespace, name)
            found = _find_releases(connection, workload, revision)
            (view,) = view_releases(connection, workload, found[:1])
        before = found[1].release if len(found) > 1 else None
        return ReleaseDetail(
            release=view,
            manifest=write_json(found[0].release.manifest),
            previous=None if before is None else before.release,
            previous_manifest=None if before is None else write_json(before.manifest),
        )

    def restore(self, namespace: str, name: str, revision: int, *, by: str, now: datetime) -> Applied:
        """Make an earlier release the newest: its manifest, with the images that it named then.

        No registry is asked. Devices that it has nothing for are held, as those are that came since then.
        What is the newest already stays as it is.

        Raises:
            NotFoundError: there is no such workload, or no such release.
            StoreError: the database does not answer.
        """
        with self._database.begin() as connection:
            workload = _find_workload(connection, namespace, name)
            target = _find_releases(connection, workload, revision)[0].release
            snapshot = take_snapshot(connection)
            check = check_workload(
                connection, snapshot, workload.uid, target.manifest, target.images, now=now
            )
            is_current = _is_current(connection, workload, target)
            outbox_changed = False
            if not is_current:
                restored = replace(
                    workload,
                    generation=workload.generation + 1,
                    manifest=target.manifest,
                    updated_at=now,
                    failure=None,
                    attempts=0,
                    retry_at=None,
                )
                save_workload(connection, restored)
                outbox_changed = release_workload(
                    connection, restored, target.images, by=by, now=now, seen=snapshot
                )
            after = load_workload(connection, workload.uid) or workload
            (view,) = view_workloads(connection, [after])
        if outbox_changed:
            self._on_change()
        return Applied(
            workload=view,
            change=Change.UNCHANGED if is_current else Change.CHANGED,
            preflight=check,
            unanswered=None,
        )


def _find_workload(connection: Connection, namespace: str, name: str) -> StoredWorkload:
    workload = find_workload(connection, namespace, name)
    if workload is None:
        raise NotFoundError("workload", f"{namespace}/{name}")
    return workload


def _find_releases(
    connection: Connection, workload: StoredWorkload, revision: int
) -> tuple[StoredRelease, ...]:
    """The release and the one before it, if there is one."""
    found = list_releases(connection, workload.uid, limit=2, before=revision + 1)
    if not found or found[0].release.revision != revision:
        raise NotFoundError("release", f"{workload.namespace}/{workload.name} {revision}")
    return found


def _is_current(connection: Connection, workload: StoredWorkload, target: Release) -> bool:
    """Whether the newest manifest and its release are the same already, under whatever number."""
    newest = load_release_in_force(connection, workload)
    return (
        newest is not None
        and workload.observed_generation == workload.generation
        and newest.release.manifest.spec == target.manifest.spec
        and newest.release.images == target.images
    )
