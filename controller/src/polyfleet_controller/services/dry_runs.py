"""What applying a manifest would change, by the rules that apply it; nothing is written."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.images import NamedImage
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.domain.placement import Assigned, Release, Workload, place
from polyfleet_controller.services.applying import Intent, judge_manifest
from polyfleet_controller.services.placements import Snapshot, take_snapshot
from polyfleet_controller.services.views import DryRun, SomeDevices
from polyfleet_controller.store.database import Connection
from polyfleet_shared.messages import Condition
from polyfleet_shared.workloads import DesiredWorkload

# Of the devices of one kind; their number says how many more there are.
MAX_NAMES: Final = 10


def try_manifest(
    connection: Connection,
    manifest: WorkloadManifest,
    outcome: tuple[NamedImage, ...] | Condition,
    *,
    now: datetime,
) -> DryRun:
    """Say what a manifest would change, with what its images name now or why that is not known.

    Raises:
        ConflictError: the manifest was made of another state than the workload is in.
        DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
    """
    snapshot = take_snapshot(connection)
    intent = judge_manifest(connection, snapshot, manifest, outcome, now=now)
    moves = _find_moves(snapshot, intent, now=now)
    return DryRun(
        namespace=manifest.metadata.namespace,
        name=manifest.metadata.name,
        change=intent.change,
        preflight=intent.preflight,
        unanswered=outcome if isinstance(outcome, Condition) else None,
        gained=_name_some(moves.gained),
        lost=_name_some(moves.lost),
        changed=_name_some(moves.changed),
        missing=moves.missing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moves:
    gained: Collection[str] = ()
    lost: Collection[str] = ()
    changed: Collection[str] = ()
    missing: int = 0


def _find_moves(snapshot: Snapshot, intent: Intent, *, now: datetime) -> _Moves:
    """Compare what devices are to run with what they would be; only a release places them anew."""
    uid = intent.after.uid
    known = snapshot.workloads.get(uid)
    if not intent.images or not intent.is_released:
        return _Moves(missing=0 if known is None else known.missing)
    workload = Workload(
        uid=uid,
        namespace=intent.after.namespace,
        name=intent.after.name,
        manifest=intent.after.manifest,
        release=Release(release="", revision=0, manifest=intent.after.manifest, images=intent.images),
        failure=None,
    )
    selection = snapshot.select(workload.request, now=now)
    before = _list_children(snapshot, uid)
    after: dict[str, tuple[str, ...]] = {}
    for member in snapshot.members:
        if member.name in selection.chosen:
            decision = place(workload, member.platforms, workload.find_share(member.name, member.platforms))
            after[member.name] = _find_children(decision.workload) if isinstance(decision, Assigned) else ()
    return _Moves(
        gained=after.keys() - before.keys(),
        lost=before.keys() - after.keys(),
        changed={name for name in after.keys() & before.keys() if after[name] != before[name]},
        missing=selection.missing,
    )


def _list_children(snapshot: Snapshot, uid: str) -> Mapping[str, tuple[str, ...]]:
    """The children that each device is to run of a workload, one of each image; none where it is held."""
    found: dict[str, tuple[str, ...]] = {}
    children: dict[str, tuple[str, ...]] = {}
    for digest, content in snapshot.contents.items():
        for workload in content.workloads:
            if workload.uid == uid:
                children[digest] = _find_children(workload)
        if any(held.uid == uid for held in content.held):
            children[digest] = ()
    for member in snapshot.members:
        if member.content in children:
            found[member.name] = children[member.content]
    return found


def _find_children(workload: DesiredWorkload) -> tuple[str, ...]:
    """As placement orders them; of two images that are the same child, once."""
    containers = (*workload.containers, *workload.init_containers)
    return tuple(dict.fromkeys(container.image.child for container in containers))


def _name_some(devices: Collection[str]) -> SomeDevices:
    return SomeDevices(devices=len(devices), names=tuple(sorted(devices)[:MAX_NAMES]))
