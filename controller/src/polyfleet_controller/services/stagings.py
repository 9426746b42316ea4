"""Workloads with what their rollouts give to each device."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from polyfleet_controller.domain.placement import Workload
from polyfleet_controller.domain.rollout.states import Rollout
from polyfleet_controller.domain.staging import describe_staging
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.rollouts import load_members, load_rollouts_in_effect
from polyfleet_controller.store.workloads import load_releases


def stage_all(
    connection: Connection, workloads: Iterable[Workload], devices: Collection[str]
) -> tuple[Workload, ...]:
    """The same workloads, as far as their rollouts concern these devices."""
    found = tuple(workloads)
    rollouts = load_rollouts_in_effect(connection, [workload.uid for workload in found])
    if not rollouts:
        return found
    members = load_members(connection, rollouts, devices)
    return tuple(
        stage(connection, workload, rollouts[workload.uid].with_members(members.get(workload.uid, {})))
        if workload.uid in rollouts
        else workload
        for workload in found
    )


def stage(connection: Connection, workload: Workload, rollout: Rollout | None) -> Workload:
    """The same workload, as far as a rollout concerns its members; without one, all get the newest."""
    if rollout is None:
        return workload
    staging = describe_staging(rollout, rollout.members)
    newest = 0 if workload.release is None else workload.release.revision
    wanted = [(workload.uid, revision) for revision in sorted(staging.revisions - {newest})]
    earlier = load_releases(connection, wanted) if wanted else {}
    return replace(
        workload,
        staging=staging,
        earlier={revision: stored.release for (_, revision), stored in earlier.items()},
    )
