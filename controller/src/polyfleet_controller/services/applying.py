"""A manifest becomes a workload and its release in one transaction, or nothing is changed."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from polyfleet_controller.domain.images import NamedImage
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.services.advancing import release_workload
from polyfleet_controller.services.errors import DevicesUncoveredError
from polyfleet_controller.services.image_views import ImageCheck
from polyfleet_controller.services.placements import Snapshot, take_snapshot
from polyfleet_controller.services.preconditions import check_version
from polyfleet_controller.services.preflight import check_workload, describe_uncovered, is_refused
from polyfleet_controller.services.releases import note_failure
from polyfleet_controller.services.views import Change
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.workloads import (
    StoredRelease,
    StoredWorkload,
    find_workload,
    load_release_in_force,
    save_workload,
)
from polyfleet_shared.messages import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What applying a manifest did. `outbox_changed` if something is to be sent now."""

    change: Change
    preflight: ImageCheck | None
    outbox_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a manifest comes to, before anything is written.

    `images` is empty without an answer of the registry. `is_released` if a release is to be cut from them.
    """

    before: StoredWorkload | None
    after: StoredWorkload
    change: Change
    images: tuple[NamedImage, ...]
    preflight: ImageCheck | None
    is_released: bool


def judge_manifest(
    connection: Connection,
    snapshot: Snapshot,
    manifest: WorkloadManifest,
    outcome: tuple[NamedImage, ...] | Condition,
    *,
    now: datetime,
) -> Intent:
    """Say what a manifest comes to, with what its images name now or why that is not known.

    `snapshot` was taken in the same transaction.

    Raises:
        ConflictError: the manifest was made of another state than the workload is in.
        DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
    """
    namespace, name = manifest.metadata.namespace, manifest.metadata.name
    before = find_workload(connection, namespace, name)
    # Kubernetes takes the empty text for none.
    check_version(connection, f"{namespace}/{name}", before, manifest.metadata.resource_version or None)
    manifest = manifest.at_version(None)
    in_force = None if before is None else load_release_in_force(connection, before)
    after = _change(before, manifest, now)
    change = _name_change(before, after)
    if isinstance(outcome, Condition):
        return Intent(before=before, after=after, change=change, images=(), preflight=None, is_released=False)
    check = check_workload(connection, snapshot, after.uid, manifest, outcome, now=now)
    is_released = not (_is_released(after) and _names(in_force, outcome))
    if is_released and is_refused(check):
        raise DevicesUncoveredError(_explain_refusal(check), check)
    if is_released and change is Change.UNCHANGED and _is_released(after):
        change = Change.MOVED
    return Intent(
        before=before, after=after, change=change, images=outcome, preflight=check, is_released=is_released
    )


def apply_manifest(
    connection: Connection,
    manifest: WorkloadManifest,
    outcome: tuple[NamedImage, ...] | Condition,
    *,
    by: str,
    now: datetime,
) -> Application:
    """Carry out a manifest, with what its images name now or why that is not known.

    A manifest without an answer of the registry is kept, and its release cut later.

    Raises:
        ConflictError: the manifest was made of another state than the workload is in.
        DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
    """
    snapshot = take_snapshot(connection)
    intent = judge_manifest(connection, snapshot, manifest, outcome, now=now)
    before, after = intent.before, intent.after
    if isinstance(outcome, Condition):
        return _go_without(connection, before, after, outcome, now)
    changed = False
    if intent.is_released:
        save_workload(connection, after)
        changed = release_workload(connection, after, outcome, by=by, now=now, seen=snapshot)
    elif after != before:
        save_workload(connection, after)
    return Application(change=intent.change, preflight=intent.preflight, outbox_changed=changed)


def _go_without(
    connection: Connection,
    before: StoredWorkload | None,
    after: StoredWorkload,
    why: Condition,
    now: datetime,
) -> Application:
    changed = False
    if not _is_released(after):
        changed = note_failure(connection, after, why, now)
    elif after != before:
        save_workload(connection, after)
    return Application(change=_name_change(before, after), preflight=None, outbox_changed=changed)


def _change(before: StoredWorkload | None, manifest: WorkloadManifest, now: datetime) -> StoredWorkload:
    """The workload with this manifest; one whose spec stays the same keeps its release."""
    if before is None:
        return StoredWorkload(
            uid=str(uuid4()),
            namespace=manifest.metadata.namespace,
            name=manifest.metadata.name,
            generation=1,
            manifest=manifest,
            created_at=now,
            updated_at=now,
            retry_at=now,
        )
    if before.manifest == manifest:
        return before
    changed = replace(before, generation=before.generation + 1, manifest=manifest, updated_at=now)
    if _is_released(before) and before.manifest.spec == manifest.spec:
        return replace(changed, observed_generation=changed.generation)
    return replace(changed, failure=None, attempts=0, retry_at=now)


def _is_released(workload: StoredWorkload) -> bool:
    return workload.observed_generation == workload.generation


def _names(release: StoredRelease | None, images: tuple[NamedImage, ...]) -> bool:
    """Whether the release was cut from these very images: no tag has moved since."""
    return release is not None and _list_indexes(release.release.images) == _list_indexes(images)


def _list_indexes(images: tuple[NamedImage, ...]) -> list[str]:
    return [each.image.index for each in images]


def _name_change(before: StoredWorkload | None, after: StoredWorkload) -> Change:
    if before is None:
        return Change.CREATED
    return Change.UNCHANGED if before.generation == after.generation else Change.CHANGED


def _explain_refusal(check: ImageCheck) -> str:
    return (
        f"{describe_uncovered(check)}. Nothing was changed: publish the image for these platforms, or set "
        "spec.onUncovered: hold, to let these devices wait for it, or exclude, to leave them out"
    )
