"""Workloads as they are shown: what is proven of the newest release, and what still runs an earlier one."""

from collections import Counter
from collections.abc import Iterable, Mapping

from polyfleet_controller.domain.rollout.states import Rollout
from polyfleet_controller.domain.sync import PROVEN, Standing
from polyfleet_controller.services.rollout_reading import glance_at_rollout
from polyfleet_controller.services.views import DevicePlacement, PlatformCount, ReleaseCount, WorkloadView
from polyfleet_controller.store.alarms import load_alarms
from polyfleet_controller.store.assignments import StandingCount, count_standings
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.listings import Placement
from polyfleet_controller.store.rollouts import load_rollouts_in_effect
from polyfleet_controller.store.workloads import StoredWorkload, load_releases
from polyfleet_shared.platforms import Platform


def view_workloads(connection: Connection, workloads: Iterable[StoredWorkload]) -> list[WorkloadView]:
    """Workloads as lists show them."""
    stored = list(workloads)
    uids = [item.uid for item in stored]
    releases = load_releases(
        connection, [(item.uid, item.revision) for item in stored if item.revision is not None]
    )
    newest = {uid: release.release.release for (uid, _), release in releases.items()}
    rollouts = load_rollouts_in_effect(connection, uids)
    counts = _count_standings(connection, uids, rollouts)
    alarms = load_alarms(connection, uids)
    return [
        WorkloadView(
            uid=item.uid,
            namespace=item.namespace,
            name=item.name,
            generation=item.generation,
            resource_version=item.resource_version,
            observed_generation=item.observed_generation,
            created_at=item.created_at,
            updated_at=item.updated_at,
            image=str(item.manifest.container.image),
            release=newest.get(item.uid),
            condition=item.failure,
            platforms=_count_platforms(counts.get(item.uid, []), newest.get(item.uid)),
            alarm=alarms.get(item.uid),
            other_images=tuple(map(str, item.manifest.images[1:])),
            earlier=_count_earlier(counts.get(item.uid, []), newest.get(item.uid)),
            rollout=glance_at_rollout(rollouts[item.uid]) if item.uid in rollouts else None,
        )
        for item in stored
    ]


def view_placement(placement: Placement) -> DevicePlacement:
    """One device under a workload."""
    assignment = placement.assignment
    return DevicePlacement(
        device=placement.device,
        connectivity=placement.connectivity,
        platform=assignment.platform,
        child=assignment.images[0].child if assignment.images else None,
        held=assignment.held,
        standing=assignment.standing,
        report=placement.report,
        other_children=tuple(image.child for image in assignment.images[1:]),
        release=assignment.release,
    )


def _count_standings(
    connection: Connection, uids: Iterable[str], rollouts: Mapping[str, Rollout]
) -> dict[str, list[StandingCount]]:
    """Only where a rollout decides can devices have different releases: others are counted by an index."""
    uids = list(uids)
    found: dict[str, list[StandingCount]] = {}
    for count in (
        *count_standings(connection, [uid for uid in uids if uid not in rollouts]),
        *count_standings(connection, [uid for uid in uids if uid in rollouts], by_release=True),
    ):
        found.setdefault(count.workload, []).append(count)
    return found


def _count_platforms(counts: Iterable[StandingCount], newest: str | None) -> tuple[PlatformCount, ...]:
    standings: dict[Platform, Counter[Standing]] = {}
    earlier: Counter[Platform] = Counter()
    for count in counts:
        found = standings.setdefault(count.platform, Counter())
        if _proves_earlier(count, newest):
            earlier[count.platform] += count.devices
        else:
            found[count.standing] += count.devices
    return tuple(
        PlatformCount(
            platform=platform,
            devices=found.total() + earlier[platform],
            running=found[Standing.RUNNING],
            completed=found[Standing.COMPLETED],
            failing=found[Standing.FAILING],
            held=found[Standing.HELD],
            earlier=earlier[platform],
        )
        for platform, found in standings.items()
    )


def _count_earlier(counts: Iterable[StandingCount], newest: str | None) -> tuple[ReleaseCount, ...]:
    found: Counter[str] = Counter()
    for count in counts:
        if count.release is not None and _proves_earlier(count, newest):
            found[count.release] += count.devices
    return tuple(ReleaseCount(release=release, devices=found[release]) for release in sorted(found))


def _proves_earlier(count: StandingCount, newest: str | None) -> bool:
    return count.release not in (None, newest) and count.standing in PROVEN
