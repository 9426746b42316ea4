"""Workloads and their releases."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, tuple_, update
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.images import ImageReference, NamedImage, ResolvedImage
from polyfleet_controller.domain.manifest import WorkloadManifest, read_manifest
from polyfleet_controller.domain.placement import Release, Workload
from polyfleet_controller.domain.resource_versions import name_version
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import RELEASE, WORKLOAD
from polyfleet_controller.store.values import read_json, write_json
from polyfleet_shared.codec import decode
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorkload:
    """A workload and its newest manifest.

    `observed_generation` is the newest one that has a release, `revision` that release's, None before the
    first. `failure` says why `generation` has none; after `attempts` it is tried again at `retry_at`.
    """

    uid: str
    namespace: str
    name: str
    generation: int
    manifest: WorkloadManifest
    created_at: datetime
    updated_at: datetime
    observed_generation: int = 0
    revision: int | None = None
    failure: Condition | None = None
    attempts: int = 0
    retry_at: datetime | None = None

    @property
    def resource_version(self) -> str:
        """What names this state of it to operators."""
        return name_version(self.uid, self.generation, self.manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRelease:
    """A release of a workload; `created_by` is empty where that was not kept."""

    workload: str
    created_at: datetime
    created_by: str
    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resolved:
    images: tuple[NamedImage, ...]


def find_workload(connection: Connection, namespace: str, name: str) -> StoredWorkload | None:
    """A workload by its name."""
    query = select(WORKLOAD).where(WORKLOAD.c.namespace == namespace, WORKLOAD.c.name == name)
    row = connection.execute(query).first()
    return None if row is None else _read_workload(row)


def load_workload(connection: Connection, uid: str) -> StoredWorkload | None:
    """A workload by its uid."""
    row = connection.execute(select(WORKLOAD).where(WORKLOAD.c.uid == uid)).first()
    return None if row is None else _read_workload(row)


def list_workloads(
    connection: Connection, *, limit: int, after: tuple[str, ...] | None
) -> tuple[StoredWorkload, ...]:
    """Workloads by namespace and name, after such a pair."""
    query = select(WORKLOAD).order_by(WORKLOAD.c.namespace, WORKLOAD.c.name).limit(limit)
    if after is not None:
        query = query.where(tuple_(WORKLOAD.c.namespace, WORKLOAD.c.name) > tuple_(*after))
    return tuple(_read_workload(row) for row in connection.execute(query))


def list_released_workloads(connection: Connection) -> tuple[str, ...]:
    """The uids of workloads that have a release in force."""
    query = select(WORKLOAD.c.uid).where(WORKLOAD.c.revision.is_not(None)).order_by(WORKLOAD.c.uid)
    return tuple(connection.execute(query).scalars())


def list_due(connection: Connection, *, now: datetime) -> tuple[str, ...]:
    """The uids of workloads whose newest manifest is to be tried now."""
    query = select(WORKLOAD.c.uid).where(WORKLOAD.c.retry_at <= now).order_by(WORKLOAD.c.retry_at)
    return tuple(connection.execute(query).scalars())


def find_next_due(connection: Connection) -> datetime | None:
    """When the next of them is."""
    moment: datetime | None = connection.execute(select(func.min(WORKLOAD.c.retry_at))).scalar_one()
    return moment


def save_workload(connection: Connection, workload: StoredWorkload) -> None:
    """Write a workload, new or changed."""
    upsert(
        connection,
        WORKLOAD,
        [
            {
                "uid": workload.uid,
                "namespace": workload.namespace,
                "name": workload.name,
                "generation": workload.generation,
                "manifest": write_json(workload.manifest),
                "created_at": workload.created_at,
                "updated_at": workload.updated_at,
                "observed_generation": workload.observed_generation,
                "revision": workload.revision,
                "failure_reason": None if workload.failure is None else workload.failure.reason.value,
                "failure_message": None if workload.failure is None else workload.failure.message,
                "attempts": workload.attempts,
                "retry_at": workload.retry_at,
            }
        ],
    )


def delete_workload(connection: Connection, uid: str) -> None:
    """Forget a workload, its releases and its assignments."""
    connection.execute(delete(WORKLOAD).where(WORKLOAD.c.uid == uid))


def add_release(connection: Connection, release: StoredRelease) -> None:
    """Keep a release."""
    row = {
        "workload": release.workload,
        "revision": release.release.revision,
        "release": release.release.release,
        "created_at": release.created_at,
        "resolved": write_json(_Resolved(images=release.release.images)),
        "manifest": write_json(release.release.manifest),
        "created_by": release.created_by,
    }
    connection.execute(insert(RELEASE), [row])


def load_releases(
    connection: Connection, wanted: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], StoredRelease]:
    """Releases by (workload, revision)."""
    query = select(RELEASE).where(tuple_(RELEASE.c.workload, RELEASE.c.revision).in_(wanted))
    return {(row.workload, row.revision): _read_release(row) for row in connection.execute(query)}


def load_release_in_force(connection: Connection, workload: StoredWorkload) -> StoredRelease | None:
    """The release that a workload's devices are given, None before the first."""
    if workload.revision is None:
        return None
    return load_releases(connection, [(workload.uid, workload.revision)])[workload.uid, workload.revision]


def list_releases(
    connection: Connection, workload: str, *, limit: int, before: int | None
) -> tuple[StoredRelease, ...]:
    """A workload's releases, newest first, from before a revision."""
    query = select(RELEASE).where(RELEASE.c.workload == workload)
    if before is not None:
        query = query.where(RELEASE.c.revision < before)
    rows = connection.execute(query.order_by(RELEASE.c.revision.desc()).limit(limit))
    return tuple(_read_release(row) for row in rows)


def load_references(
    connection: Connection, workload: str, releases: Collection[str]
) -> dict[str, tuple[ImageReference, ...]]:
    """The images that these releases of a workload name, in their order, by the release's name."""
    query = select(RELEASE).where(RELEASE.c.workload == workload, RELEASE.c.release.in_(list(releases)))
    found = [_read_release(row).release for row in connection.execute(query)]
    return {release.release: release.manifest.images for release in found}


def find_last_revision(connection: Connection, workload: str) -> int:
    """The highest revision of a workload's releases, 0 before the first."""
    query = select(func.max(RELEASE.c.revision)).where(RELEASE.c.workload == workload)
    return int(connection.execute(query).scalar() or 0)


def save_placing(connection: Connection, uid: str, *, missing: int) -> None:
    """Note that a workload was placed just now, and how many of its replicas found no device."""
    connection.execute(update(WORKLOAD).where(WORKLOAD.c.uid == uid).values(missing=missing, place_at=None))


def request_placing(connection: Connection, uids: Collection[str], *, now: datetime) -> None:
    """Have these workloads placed anew."""
    if uids:
        statement = update(WORKLOAD).where(WORKLOAD.c.uid.in_(list(uids)), WORKLOAD.c.place_at.is_(None))
        connection.execute(statement.values(place_at=now))


def request_placing_of_missing(connection: Connection, *, now: datetime) -> None:
    """Have the workloads placed anew of which replicas are missing."""
    statement = update(WORKLOAD).where(WORKLOAD.c.missing > 0, WORKLOAD.c.place_at.is_(None))
    connection.execute(statement.values(place_at=now))


def list_unplaced(connection: Connection, *, now: datetime) -> tuple[str, ...]:
    """The uids of the workloads that are to be placed anew, the longest waiting first."""
    query = select(WORKLOAD.c.uid).where(WORKLOAD.c.place_at <= now).order_by(WORKLOAD.c.place_at)
    return tuple(connection.execute(query).scalars())


def load_placeable(connection: Connection, uid: str | None = None) -> tuple[Workload, ...]:
    """Workloads with the releases in force: all, or one."""
    query: Select[Any] = select(
        WORKLOAD, RELEASE.c.release, RELEASE.c.resolved, RELEASE.c.manifest.label("released")
    )
    query = query.outerjoin(
        RELEASE, (RELEASE.c.workload == WORKLOAD.c.uid) & (RELEASE.c.revision == WORKLOAD.c.revision)
    )
    if uid is not None:
        query = query.where(WORKLOAD.c.uid == uid)
    return tuple(_read_placeable(row) for row in connection.execute(query.order_by(WORKLOAD.c.uid)))


def _read_workload(row: ResultRow[Any]) -> StoredWorkload:
    return StoredWorkload(
        uid=row.uid,
        namespace=row.namespace,
        name=row.name,
        generation=row.generation,
        manifest=_read_manifest(row.manifest),
        created_at=row.created_at,
        updated_at=row.updated_at,
        observed_generation=row.observed_generation,
        revision=row.revision,
        failure=_read_failure(row),
        attempts=row.attempts,
        retry_at=row.retry_at,
    )


def _read_placeable(row: ResultRow[Any]) -> Workload:
    release = None
    if row.revision is not None:
        release = Release(
            release=row.release,
            revision=row.revision,
            manifest=_read_manifest(row.released),
            images=_read_images(row.resolved, row.released),
        )
    return Workload(
        uid=row.uid,
        namespace=row.namespace,
        name=row.name,
        manifest=_read_manifest(row.manifest) if release is None else release.manifest,
        release=release,
        failure=_read_failure(row),
        missing=row.missing,
    )


def _read_release(row: ResultRow[Any]) -> StoredRelease:
    return StoredRelease(
        workload=row.workload,
        created_at=row.created_at,
        created_by=row.created_by,
        release=Release(
            release=row.release,
            revision=row.revision,
            manifest=_read_manifest(row.manifest),
            images=_read_images(row.resolved, row.manifest),
        ),
    )


def _read_failure(row: ResultRow[Any]) -> Condition | None:
    if row.failure_reason is None:
        return None
    return Condition(reason=Reason(row.failure_reason), message=row.failure_message)


@lru_cache(maxsize=1024)
def _read_manifest(text: str) -> WorkloadManifest:
    return read_manifest(read_json(text))


@lru_cache(maxsize=1024)
def _read_images(resolved: str, manifest: str) -> tuple[NamedImage, ...]:
    """Rows of versions that knew one image of a workload have that alone; the manifest names it."""
    document = read_json(resolved)
    if isinstance(document, dict) and "images" in document:
        return decode(_Resolved, document).images
    reference = _read_manifest(manifest).container.image
    return (NamedImage(reference=reference, image=decode(ResolvedImage, document)),)
