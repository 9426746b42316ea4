"""Workloads, as operators write and see them."""

from collections.abc import Callable, Sequence
from datetime import datetime

from polyfleet_controller.domain.images import ImageReference, NamedImage, ResolvedImage
from polyfleet_controller.domain.kubernetes.documents import read_workload
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.services.advancing import UNNAMED
from polyfleet_controller.services.applying import apply_manifest
from polyfleet_controller.services.dry_runs import Verdict, try_manifest, try_manifests
from polyfleet_controller.services.errors import NotFoundError
from polyfleet_controller.services.pages import PageRequest, cut_page
from polyfleet_controller.services.placements import withdraw_workload
from polyfleet_controller.services.ports import Registry
from polyfleet_controller.services.preconditions import check_version
from polyfleet_controller.services.releases import look_up, view_releases
from polyfleet_controller.services.views import (
    Applied,
    DryRun,
    Page,
    WorkloadDetail,
    WorkloadView,
)
from polyfleet_controller.services.workload_reading import view_placement, view_workloads
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.image_failures import load_image_failures
from polyfleet_controller.store.listings import list_placements
from polyfleet_controller.store.values import write_json
from polyfleet_controller.store.workloads import (
    StoredWorkload,
    find_workload,
    list_workloads,
    load_release_in_force,
)
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.messages import Condition


class Workloads:
    """`on_change` is called after a commit that put something into the outbox."""

    def __init__(self, database: Database, registry: Registry, on_change: Callable[[], None]) -> None:
        self._database = database
        self._registry = registry
        self._on_change = on_change

    def apply(self, document: JsonValue, *, by: str = UNNAMED, now: datetime) -> Applied:
        """Create or change a workload by its manifest, with its release, where all devices are provided for.

        The manifest is one of ours, or a Pod, Deployment or DaemonSet of Kubernetes.
        The same manifest again cuts a new release if its tag names another image by now. A registry that has
        no answer is no failure of this: the workload's condition tells of it. `by` is who wants it.

        Raises:
            DecodeError: everything that is wrong in the manifest.
            ConflictError: it was made of another state than the workload is in.
            DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
            StoreError: the database does not answer.
        """
        manifest = read_workload(document)
        outcome = self._look_up(manifest)
        with self._database.begin() as connection:
            done = apply_manifest(connection, manifest, outcome, by=by, now=now)
            written = _find(connection, manifest.metadata.namespace, manifest.metadata.name)
            (view,) = view_workloads(connection, [written])
        if done.outbox_changed:
            self._on_change()
        return Applied(
            workload=view,
            change=done.change,
            preflight=done.preflight,
            unanswered=outcome if isinstance(outcome, Condition) else None,
        )

    def try_out(self, document: JsonValue, *, now: datetime) -> DryRun:
        """Say what `apply` would do with a manifest, and do nothing.

        Raises:
            DecodeError: everything that is wrong in the manifest.
            ConflictError: it was made of another state than the workload is in.
            DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
            StoreError: the database does not answer.
        """
        manifest = read_workload(document)
        outcome = self._look_up(manifest)
        with self._database.read() as connection:
            return try_manifest(connection, manifest, outcome, now=now)

    def try_out_all(
        self, documents: Sequence[JsonValue], *, now: datetime
    ) -> tuple[Verdict | DecodeError, ...]:
        """The same for manifests that are applied in turn, each of another workload: an answer for each.

        Raises:
            StoreError: the database does not answer.
        """
        seen: set[tuple[str, str]] = set()
        read = [_read_another(document, seen) for document in documents]
        trials = [(each, self._look_up(each)) for each in read if isinstance(each, WorkloadManifest)]
        with self._database.read() as connection:
            verdicts = iter(try_manifests(connection, trials, now=now))
        return tuple(each if isinstance(each, DecodeError) else next(verdicts) for each in read)

    def _look_up(self, manifest: WorkloadManifest) -> tuple[NamedImage, ...] | Condition:
        """Ask the registry, outside of any transaction; what a digest names is known from the release."""
        known: dict[ImageReference, ResolvedImage] = {}
        if any(reference.digest is not None for reference in manifest.images):
            with self._database.read() as connection:
                workload = find_workload(connection, manifest.metadata.namespace, manifest.metadata.name)
                release = None if workload is None else load_release_in_force(connection, workload)
            named = () if release is None else release.release.images
            known = {each.reference: each.image for each in named if each.reference.digest is not None}
        return look_up(self._registry, manifest.images, known=known)

    def list(self, page: PageRequest) -> Page[WorkloadView]:
        """Workloads by namespace and name.

        Raises:
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        after = page.text_key(2)
        with self._database.read() as connection:
            rows = list_workloads(connection, limit=page.limit + 1, after=after)
            views = {view.uid: view for view in view_workloads(connection, rows[: page.limit])}
        return cut_page(
            rows, page, key=lambda row: [row.namespace, row.name], view=lambda row: views[row.uid]
        )

    def get(self, namespace: str, name: str, page: PageRequest | None = None) -> WorkloadDetail:
        """Everything about a workload, and a page of its devices.

        Raises:
            NotFoundError: there is no such workload.
            InvalidPageError: the cursor is none of ours.
            StoreError: the database does not answer.
        """
        page = page or PageRequest()
        after = page.text_key(1)
        with self._database.read() as connection:
            workload = _find(connection, namespace, name)
            (view,) = view_workloads(connection, [workload])
            release = load_release_in_force(connection, workload)
            children = () if release is None else release.release.children
            shown = None if release is None else view_releases(connection, workload, [release])[0]
            failures = load_image_failures(connection, {child.child for child in children})
            rows = list_placements(
                connection, workload.uid, limit=page.limit + 1, after=None if after is None else after[0]
            )
        placements = cut_page(rows, page, key=lambda row: [row.device], view=view_placement)
        return WorkloadDetail(
            workload=view,
            manifest=write_json(workload.manifest.at_version(workload.resource_version)),
            release=shown,
            placements=placements.items,
            next_cursor=placements.next_cursor,
            failures=failures,
        )

    def delete(self, namespace: str, name: str, *, version: str | None = None, now: datetime) -> None:
        """Forget a workload and stop it on all devices; with a resourceVersion, only that state of it.

        Raises:
            ConflictError: it is in another state.
            NotFoundError: there is no such workload.
            StoreError: the database does not answer.
        """
        with self._database.begin() as connection:
            workload = _find(connection, namespace, name)
            check_version(connection, f"{namespace}/{name}", workload, version)
            outbox_changed = withdraw_workload(connection, workload.uid, now=now)
        if outbox_changed:
            self._on_change()


def _read_another(document: JsonValue, seen: set[tuple[str, str]]) -> WorkloadManifest | DecodeError:
    """The manifest, of another workload than those before it, or what is wrong in it."""
    try:
        manifest = read_workload(document)
    except DecodeError as error:
        return error
    place = (str(manifest.metadata.namespace), str(manifest.metadata.name))
    if place in seen:
        message = "a manifest before this one is of the same workload"
        return DecodeError((Problem(path="metadata.name", message=message),))
    seen.add(place)
    return manifest


def _find(connection: Connection, namespace: str, name: str) -> StoredWorkload:
    workload = find_workload(connection, namespace, name)
    if workload is None:
        raise NotFoundError("workload", f"{namespace}/{name}")
    return workload
