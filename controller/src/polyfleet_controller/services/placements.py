"""A workload on the whole fleet: which devices have it, and what their documents hold from now on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from polyfleet_controller.domain.documents import Content, put_decision, write_content
from polyfleet_controller.domain.placement import Decision, Share, Workload, make_assignment, place
from polyfleet_controller.domain.scheduling.fleet import Fleet, Member
from polyfleet_controller.domain.scheduling.requests import Request
from polyfleet_controller.domain.scheduling.selection import Selection, select
from polyfleet_controller.services.settlement import Change, settle
from polyfleet_controller.services.stagings import stage
from polyfleet_controller.store.assignments import delete_assignments, save_assignments
from polyfleet_controller.store.contents import load_contents, save_written_contents, sweep_contents
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.devices import give_documents, load_devices
from polyfleet_controller.store.fleet import load_devices_out_of_step, load_members
from polyfleet_controller.store.outbox import send_desired
from polyfleet_controller.store.rollouts import load_rollout_in_effect, request_looks
from polyfleet_controller.store.workloads import (
    delete_workload,
    load_placeable,
    request_placing,
    save_placing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that decides where workloads run, as it is now."""

    workloads: dict[str, Workload]
    members: tuple[Member, ...]
    contents: dict[str, Content]
    fleet: Fleet
    _selected: dict[str, tuple[Request, datetime, Selection]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def of(
        cls,
        workloads: Mapping[str, Workload],
        members: tuple[Member, ...],
        contents: Mapping[str, Content],
    ) -> "Snapshot":
        """Of these workloads by uid, devices, and contents of their documents by digest."""
        layers = {
            child.child: frozenset(layer.digest for layer in child.layers)
            for workload in workloads.values()
            for named in workload.request.images
            for child in named.image.children
        }
        requests = {uid: workload.request for uid, workload in workloads.items()}
        return cls(
            workloads=dict(workloads),
            members=members,
            contents=dict(contents),
            fleet=Fleet(requests, contents, layers),
        )

    def select(self, request: Request, *, now: datetime) -> Selection:
        """Choose a workload's devices; one that is not there yet may be asked for as well.

        To look over the fleet is what costs: the same question again is not asked anew.
        """
        known = self._selected.get(request.uid)
        if known is not None and known[:2] == (request, now):
            return known[2]
        candidates = (self.fleet.show(member, request.uid, now=now) for member in self.members)
        selection = select(request, candidates, now=now)
        self._selected[request.uid] = (request, now, selection)
        return selection


def take_snapshot(connection: Connection) -> Snapshot:
    """Look at every workload and at every device that may be given work."""
    members = load_members(connection)
    contents = load_contents(connection, {member.content for member in members if member.content is not None})
    workloads = {workload.uid: workload for workload in load_placeable(connection)}
    return Snapshot.of(workloads, members, contents)


def place_workload(connection: Connection, uid: str, *, now: datetime, seen: Snapshot | None = None) -> bool:
    """Carry a workload's newest state to the devices that are to have it; whether something is to be sent.

    `seen` was taken in the same transaction: nothing has changed since but this workload.
    """
    snapshot = take_snapshot(connection) if seen is None else seen
    (newest,) = load_placeable(connection, uid)
    workload = stage(connection, newest, load_rollout_in_effect(connection, uid))
    selection = snapshot.select(workload.request, now=now)
    changed = _Spreading(connection, snapshot, now).spread(workload, selection.chosen)
    save_placing(connection, uid, missing=selection.missing)
    request_looks(connection, [uid], now=now)
    return changed


def withdraw_workload(connection: Connection, uid: str, *, now: datetime) -> bool:
    """Forget a workload, and take it from all devices; whether something is to be sent now."""
    snapshot = take_snapshot(connection)
    delete_workload(connection, uid)
    return _Spreading(connection, snapshot, now).spread(snapshot.workloads[uid], frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What a device's document holds from now on; `excess` says why no document can hold it.

    `text` is of a content that is new.
    """

    content: Content
    digest: str
    excess: str | None
    text: str


@dataclass(slots=True, kw_only=True)
class _Moves:
    """Devices by name: `given` another document; `taken` the workload from; `singly` to be derived anew."""

    given: list[tuple[Member, Decision | None, _Given]] = field(default_factory=list)
    singly: list[str] = field(default_factory=list)


class _Spreading:
    """One workload's decisions, written for all devices in a number of statements that does not grow."""

    def __init__(self, connection: Connection, snapshot: Snapshot, now: datetime) -> None:
        self._connection = connection
        self._snapshot = snapshot
        self._now = now
        self._decisions: dict[tuple[object, ...], tuple[Decision | None, _Given]] = {}
        self._placed: dict[tuple[object, ...], Decision | None] = {}

    def spread(self, workload: Workload, chosen: frozenset[str]) -> bool:
        """Give it to those that are chosen, take it from all others; whether something is to be sent now."""
        moves = self._find_moves(workload, chosen)
        self._write(workload.uid, moves)
        self._make_room_known(workload, moves)
        changed = _derive(self._connection, moves.singly, self._now)
        sweep_contents(self._connection)
        return changed or bool(moves.given)

    def _find_moves(self, workload: Workload, chosen: frozenset[str]) -> _Moves:
        moves = _Moves(singly=list(load_devices_out_of_step(self._connection)))
        for member in self._snapshot.members:
            decision, given = self._decide(workload, member, chosen=member.name in chosen)
            if given.digest == member.content:
                continue
            if given.excess is None:
                moves.given.append((member, decision, given))
            else:
                moves.singly.append(member.name)
        return moves

    def _decide(self, workload: Workload, member: Member, *, chosen: bool) -> tuple[Decision | None, _Given]:
        """Worked out once for devices of the same content, platforms and share of the workload."""
        content = member.content or ""
        share = workload.find_share(member.name, member.platforms) if chosen else None
        key = (content,) if share is None else (content, member.platform_set, share.key)
        if key not in self._decisions:
            decision = None if share is None else self._place(workload, member, share)
            self._decisions[key] = (decision, self._give(content, workload.uid, decision))
        return self._decisions[key]

    def _place(self, workload: Workload, member: Member, share: Share) -> Decision | None:
        """Whatever else devices run, those of the same platforms and share have the same of the workload."""
        key = (member.platform_set, share.key)
        if key not in self._placed:
            self._placed[key] = place(workload, member.platforms, share)
        return self._placed[key]

    def _give(self, digest: str, uid: str, decision: Decision | None) -> _Given:
        """A content that stays as it is was measured before: most stay."""
        old = self._snapshot.contents[digest]
        new = put_decision(old, uid, decision)
        if new == old:
            return _Given(content=old, digest=digest, excess=None, text="")
        written = write_content(new)
        return _Given(content=new, digest=written.digest, excess=written.excess, text=written.text)

    def _write(self, uid: str, moves: _Moves) -> None:
        save_written_contents(
            self._connection,
            {given.digest: (given.content, given.text) for _, _, given in moves.given},
        )
        save_assignments(
            self._connection,
            [
                (member.name, make_assignment(decision, member.platforms[0].platform))
                for member, decision, _ in moves.given
                if decision is not None
            ],
        )
        delete_assignments(
            self._connection, [(member.name, uid) for member, decision, _ in moves.given if decision is None]
        )
        give_documents(self._connection, [(member.name, given.digest) for member, _, given in moves.given])
        send_desired(self._connection, [member.name for member, _, _ in moves.given], now=self._now)

    def _make_room_known(self, workload: Workload, moves: _Moves) -> None:
        """What it leaves, others may have been waiting for."""
        leaves = any(decision is None for _, decision, _ in moves.given)
        if leaves and workload.request.takes_room:
            waiting = [
                uid
                for uid, other in self._snapshot.workloads.items()
                if uid != workload.uid and other.request.takes_room
            ]
            request_placing(self._connection, waiting, now=self._now)


def _derive(connection: Connection, names: Sequence[str], now: datetime) -> bool:
    if not names:
        return False
    return derive_devices(connection, names, now=now)


def derive_devices(connection: Connection, names: Iterable[str], *, now: datetime) -> bool:
    """Decide anew what these devices run; whether something is to be sent now."""
    devices = load_devices(connection, names).values()
    changes = [Change(before=device, after=device, derive=True) for device in devices]
    return settle(connection, changes, now=now).outbox_changed
