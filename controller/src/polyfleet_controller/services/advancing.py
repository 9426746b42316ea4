"""A workload's devices come to a new release: at once, where that changes nothing that runs, else in waves.

Whatever asks for it - a manifest, a tag that moved, an operator, time, or what devices said - ends in a look
at all of the workload's devices as they are; `domain/rollout` decides, and this writes what it decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from polyfleet_controller.domain.images import NamedImage
from polyfleet_controller.domain.placement import Workload
from polyfleet_controller.domain.rollout.beginning import begin_rollout
from polyfleet_controller.domain.rollout.events import Looked, RolloutEvent, Sighting, Superseded, Verb
from polyfleet_controller.domain.rollout.instructions import Instruction, Record
from polyfleet_controller.domain.rollout.machine import react
from polyfleet_controller.domain.rollout.states import Member, Rollout, find_changes
from polyfleet_controller.domain.sightings import SeenDevice, find_report, sight
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.services.cuts import cut_release
from polyfleet_controller.services.placements import Snapshot, derive_devices, place_workload
from polyfleet_controller.services.stagings import stage
from polyfleet_controller.store.contents import sweep_contents
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.messages import load_reports
from polyfleet_controller.store.rollouts import (
    add_records,
    count_updating,
    find_last_number,
    forget_members,
    list_rolling_workloads,
    load_rollout_in_effect,
    save_members,
    save_rollout,
)
from polyfleet_controller.store.sightings import list_seen_devices
from polyfleet_controller.store.workloads import StoredWorkload, load_placeable

# Whoever asked for what no operator did, and who gave no name.
BY_ITSELF: Final = "polyfleet"
UNNAMED: Final = "operator"


def release_workload(
    connection: Connection,
    workload: StoredWorkload,
    images: tuple[NamedImage, ...],
    *,
    by: str,
    now: datetime,
    seen: Snapshot | None = None,
) -> bool:
    """Cut a release of the newest manifest and begin to bring it to devices; whether to send something now.

    `seen` was taken in the same transaction.
    """
    uid = workload.uid
    prior = load_rollout_in_effect(connection, uid)
    before = [stage(connection, each, prior) for each in load_placeable(connection, uid)]
    cut_release(connection, workload, images, by=by, now=now)
    (after,) = load_placeable(connection, uid)
    rollout = _plan_rollout(
        connection,
        after,
        prior,
        base=next((each.release.revision for each in before if each.release is not None), None),
        members=_find_members(before, list_seen_devices(connection, uid)),
        by=by,
        now=now,
    )
    is_needed = _is_needed(connection, after, rollout)
    if prior is not None:
        _supersede(connection, prior, rollout.revision, by=by, now=now)
    if is_needed:
        save_rollout(connection, rollout, in_effect=True, due_at=now)
        save_members(connection, uid, find_changes(rollout.without_members(), rollout))
    changed = place_workload(connection, uid, now=now, seen=seen)
    return (is_needed and _advance(connection, rollout, (), now=now)) or changed


def look_at(connection: Connection, uid: str, *, now: datetime) -> bool:
    """Bring a workload's rollout on, if one is in effect; whether something is to be sent now."""
    rollout = load_rollout_in_effect(connection, uid)
    return rollout is not None and _advance(connection, rollout, (), now=now)


def obey(connection: Connection, rollout: Rollout, verb: Verb, *, now: datetime) -> bool:
    """Tell a rollout in effect, with its members, what an operator wants; whether to send something now."""
    return _advance(connection, rollout, (verb,), now=now)


def _find_members(before: Sequence[Workload], devices: Iterable[SeenDevice]) -> dict[str, Member]:
    """The devices that have the workload, each as it was given it until now."""
    members: dict[str, Member] = {}
    for workload in before:
        for device in devices:
            share = workload.find_share(device.name, device.platforms)
            revision = None if share.release is None else share.release.revision
            members[device.name] = Member(
                device=device.name,
                platform=device.platforms[0].platform,
                revision=revision,
                attempt=share.attempt,
                origin=revision,
                origin_attempt=share.attempt,
            )
    return members


def _plan_rollout(
    connection: Connection,
    workload: Workload,
    prior: Rollout | None,
    *,
    base: int | None,
    members: Mapping[str, Member],
    by: str,
    now: datetime,
) -> Rollout:
    """The rollout to the newest release, before it has looked at anything."""
    spec = workload.manifest.spec
    begun = begin_rollout(
        workload=workload.uid,
        revision=0 if workload.release is None else workload.release.revision,
        strategy=spec.strategy,
        min_ready_seconds=spec.min_ready_seconds,
        progress_deadline_seconds=spec.progress_deadline_seconds,
        previous=prior,
        base=base,
        at=now,
        by=by,
    )
    return replace(begun, number=find_last_number(connection, workload.uid) + 1, members=members)


def _is_needed(connection: Connection, workload: Workload, rollout: Rollout) -> bool:
    """Whether something that runs would change, or the manifest wants its first release rolled out, too."""
    if rollout.base is None:
        return workload.manifest.spec.rollout is not None
    sightings = _see(connection, workload, rollout)
    return any(not item.unaffected and item.revision is not None for item in sightings.values())


def _supersede(connection: Connection, prior: Rollout, revision: int, *, by: str, now: datetime) -> None:
    ended = react(prior, Superseded(by=by, revision=revision), now)
    save_rollout(connection, ended.rollout, in_effect=False, due_at=None)
    add_records(connection, prior.workload, prior.number, _find_records(ended.instructions))
    forget_members(connection, prior.workload)


def _advance(connection: Connection, before: Rollout, verbs: Sequence[Verb], *, now: datetime) -> bool:
    """Look at all devices, after what operators want; write what comes of it."""
    (workload,) = load_placeable(connection, before.workload)
    looked = Looked(
        sightings=_see(connection, workload, before),
        pulls_elsewhere=_count_pulls_elsewhere(connection, workload, before),
    )
    after, instructions = before, list[Instruction]()
    events: tuple[RolloutEvent, ...] = (*verbs, looked)
    for event in events:
        transition = react(after, event, now)
        after = transition.rollout
        instructions += transition.instructions
    _write(connection, before, after)
    add_records(connection, after.workload, after.number, _find_records(instructions))
    moved = _find_moved(looked.sightings, before, after)
    outbox_changed = bool(moved) and derive_devices(connection, moved, now=now)
    sweep_contents(connection)
    return outbox_changed


def _see(connection: Connection, workload: Workload, rollout: Rollout) -> dict[str, Sighting]:
    devices = list_seen_devices(connection, workload.uid, topology_key=rollout.strategy.pulls.topology_key)
    failing = [device.name for device in devices if device.standing is Standing.FAILING]
    reports = load_reports(connection, failing) if failing else {}
    seen = (
        replace(device, report=find_report(reports[device.name].workloads, workload.uid))
        if device.name in reports
        else device
        for device in devices
    )
    return sight(stage(connection, workload, rollout), seen)


def _count_pulls_elsewhere(connection: Connection, workload: Workload, rollout: Rollout) -> int:
    """How many devices other rollouts have on their way that pull from the same registry, if that counts."""
    if rollout.strategy.pulls.per_registry is None:
        return 0
    registries = _find_registries(workload)
    others = [
        uid
        for uid in list_rolling_workloads(connection)
        if uid != workload.uid
        and any(registries & _find_registries(other) for other in load_placeable(connection, uid))
    ]
    return count_updating(connection, others)


def _find_registries(workload: Workload) -> set[str]:
    return {container.image.registry for container in workload.manifest.spec.template.spec.containers}


def _write(connection: Connection, before: Rollout, after: Rollout) -> None:
    in_effect = not _is_over(after)
    save_rollout(connection, after, in_effect=in_effect, due_at=after.wake_at if in_effect else None)
    if in_effect:
        save_members(connection, after.workload, find_changes(before, after))
    else:
        forget_members(connection, after.workload)


def _is_over(rollout: Rollout) -> bool:
    """Whether every device is given the newest release as it would be without a rollout."""
    return not rollout.status.is_open and all(
        (member.revision, member.attempt) == (rollout.revision, 1) for member in rollout.members.values()
    )


def _find_moved(sightings: Mapping[str, Sighting], before: Rollout, after: Rollout) -> tuple[str, ...]:
    """The devices that are given something else than they have."""
    return tuple(
        device
        for device, member in after.members.items()
        if (member.revision, member.attempt) != (sightings[device].revision, sightings[device].attempt)
        or member.prefetching != (device in before.members and before.members[device].prefetching)
    )


def _find_records(instructions: Iterable[Instruction]) -> list[Record]:
    return [instruction for instruction in instructions if isinstance(instruction, Record)]
