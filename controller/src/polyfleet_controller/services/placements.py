"""A changed workload on the whole fleet, by groups of devices for which the same is decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from polyfleet_controller.domain.documents import Content, find_excess, put_decision
from polyfleet_controller.domain.placement import Assignment, Decision, Workload, make_assignment, place
from polyfleet_controller.services.settlement import Change, settle
from polyfleet_controller.store.assignments import assign_groups, unassign_groups
from polyfleet_controller.store.contents import load_contents, save_contents, sweep_contents
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.devices import load_devices
from polyfleet_controller.store.groups import (
    Group,
    give_contents,
    load_devices_out_of_step,
    load_groups,
    load_members,
)
from polyfleet_controller.store.outbox import send_desired_to_groups
from polyfleet_controller.store.workloads import delete_workload, load_placeable


def place_everywhere(connection: Connection, uid: str, *, now: datetime) -> bool:
    """Carry a workload's newest state to all devices; whether something is to be sent now."""
    (workload,) = load_placeable(connection, uid)
    return _spread(connection, uid, workload, now)


def withdraw_everywhere(connection: Connection, uid: str, *, now: datetime) -> bool:
    """Forget a workload, and take it from all devices; whether something is to be sent now."""
    delete_workload(connection, uid)
    return _spread(connection, uid, None, now)


def _spread(connection: Connection, uid: str, workload: Workload | None, now: datetime) -> bool:
    groups = load_groups(connection)
    contents = load_contents(connection, {group.digest for group in groups})
    moves: list[_Move] = []
    singly = list(load_devices_out_of_step(connection))
    for group in groups:
        decision = None if workload is None else place(workload, group.platforms)
        content = put_decision(contents[group.digest], uid, decision)
        if content.digest == group.digest:
            continue
        if find_excess(content) is None:
            moves.append(_Move(group=group, decision=decision, content=content))
        else:
            singly += load_members(connection, group)
    _move(connection, uid, moves, now)
    changed = _settle_singly(connection, singly, now)
    sweep_contents(connection)
    return changed or bool(moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    group: Group
    decision: Decision | None
    content: Content


def _move(connection: Connection, uid: str, moves: Sequence[_Move], now: datetime) -> None:
    save_contents(connection, {move.content.digest: move.content for move in moves})
    assign_groups(
        connection,
        [(move.group, _assignment(move.group, move.decision)) for move in moves if move.decision is not None],
    )
    unassign_groups(connection, [(move.group, uid) for move in moves if move.decision is None])
    send_desired_to_groups(connection, [move.group for move in moves], now=now)
    # Last: from here on the devices belong to other groups.
    give_contents(connection, [(move.group, move.content.digest) for move in moves])


def _assignment(group: Group, decision: Decision) -> Assignment:
    return make_assignment(decision, group.platforms[0].platform)


def _settle_singly(connection: Connection, names: Sequence[str], now: datetime) -> bool:
    if not names:
        return False
    devices = load_devices(connection, names).values()
    changes = [Change(before=device, after=device, derive=True) for device in devices]
    return settle(connection, changes, now=now).outbox_changed
