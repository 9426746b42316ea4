"""What follows from a change of devices: assignments, documents, how they stand, and what is sent.

Everything is derived from what is known after the change, whatever led to it: messages, an operator, or a
workload. It costs the same number of statements for one device and for a thousand.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from polyfleet_controller.domain.derivation import Derivation, Derived
from polyfleet_controller.domain.devices import Admission, Connectivity, Device, Document
from polyfleet_controller.domain.image_failures import find_failure
from polyfleet_controller.domain.observation import Lag, begin_epoch, compare, next_version
from polyfleet_controller.domain.placement import Assignment, Decision, make_assignment
from polyfleet_controller.domain.scheduling.fleet import Member
from polyfleet_controller.domain.sync import (
    Standing,
    Sync,
    has_prefetched,
    is_available,
    judge_device,
    judge_workload,
)
from polyfleet_controller.services.stagings import stage_all
from polyfleet_controller.store.assignments import delete_assignments, load_assignments, save_assignments
from polyfleet_controller.store.contents import load_platform_sets, save_contents
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.devices import save_devices
from polyfleet_controller.store.epochs import load_epoch, save_epoch
from polyfleet_controller.store.image_failures import save_image_failures
from polyfleet_controller.store.marks import PlacementFacts, load_placement_facts, load_taints
from polyfleet_controller.store.messages import load_reports
from polyfleet_controller.store.outbox import cancel_later, send_all_desired, send_desired, send_desired_later
from polyfleet_controller.store.rollouts import request_looks, request_looks_for_devices
from polyfleet_controller.store.workloads import (
    load_placeable,
    request_placing,
    request_placing_of_missing,
)
from polyfleet_shared.messages import DocumentVersion, Reported, WorkloadReport

# A device that does not take its document, or whose broker lost it, is sent it again, but not in a loop.
RESEND_AFTER: Final = timedelta(seconds=30)

Assignments: TypeAlias = Mapping[str, Assignment]
FindAssignments: TypeAlias = Callable[[Connection, Iterable[str]], Mapping[str, Assignments]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A device before and after; `report` if a new one came, `derive` if what it should run may be another.

    `facts` are those of a new inventory, which is not written yet.
    """

    before: Device | None
    after: Device
    report: Reported | None = None
    derive: bool = False
    facts: PlacementFacts | None = None

    @property
    def is_derived(self) -> bool:
        """Whether what the device should run may be another now."""
        if not _is_eligible(self.after):
            return False
        before = self.before
        return (
            self.derive
            or before is None
            or not _is_eligible(before)
            or (before.platform, before.platform_set) != (self.after.platform, self.after.platform_set)
        )

    @property
    def brings_room(self) -> bool:
        """Whether a replica that found no device may find this one."""
        back = self.before is not None and self.before.contact.connectivity is Connectivity.OFFLINE
        return self.is_derived or (back and self.after.contact.connectivity is Connectivity.ONLINE)

    @property
    def is_reached(self) -> bool:
        """Whether it came within reach, or went out of it."""
        before = Connectivity.UNKNOWN if self.before is None else self.before.contact.connectivity
        return before is not self.after.contact.connectivity

    @property
    def is_judged(self) -> bool:
        """Whether how the device stands may be another now."""
        before, after = self.before, self.after
        return (
            self.report is not None
            or self.is_derived
            or (before is not None and before.lives.current != after.lives.current)
            or (before is not None and before.impeded != after.impeded)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was written of the devices, and whether others than these changed with them.

    `assignments` are all of those whose standing was looked at. `outbox_changed` if something is to be sent
    now.
    """

    devices: Mapping[str, Device]
    assignments: Mapping[str, Assignments]
    others_changed: bool
    outbox_changed: bool


def settle(
    connection: Connection,
    changes: Sequence[Change],
    *,
    now: datetime,
    find_assignments: FindAssignments = load_assignments,
) -> Settled:
    """Write devices and all that follows from their change."""
    settlement = _Settlement(connection, changes, now=now)
    return settlement.run(find_assignments)


class _Settlement:
    def __init__(self, connection: Connection, changes: Sequence[Change], *, now: datetime) -> None:
        self._connection = connection
        self._changes = {change.after.name: change for change in changes}
        self._now = now
        self._devices = {name: change.after for name, change in self._changes.items()}
        self._lags: dict[str, Lag] = {}
        # Few for many devices: those of one list of platforms have the same document.
        self._versions: dict[tuple[int, int, str | None], DocumentVersion | None] = {}
        self._old_epoch = self._epoch = load_epoch(connection)

    def run(self, find_assignments: FindAssignments) -> Settled:
        judged = [name for name, change in self._changes.items() if change.is_judged]
        derived = [name for name in judged if self._changes[name].is_derived]
        before = find_assignments(self._connection, judged) if judged else {}
        self._meet_devices_ahead(judged)
        after = {**before, **self._derive(derived, before)}
        after = self._judge(judged, after, self._reports(judged))
        self._save(before, after)
        self._save_failures(after)
        if any(change.brings_room for change in self._changes.values()):
            request_placing_of_missing(self._connection, now=self._now)
        outbox_changed = self._send(judged)
        return Settled(
            devices=self._devices,
            assignments=after,
            others_changed=self._epoch != self._old_epoch,
            outbox_changed=outbox_changed,
        )

    def _meet_devices_ahead(self, names: Sequence[str]) -> None:
        for name in names:
            device = self._devices[name]
            if device.observed is not None and self._lag(device) is Lag.AHEAD:
                self._epoch = max(self._epoch, begin_epoch(self._old_epoch, device.observed))

    def _derive(self, names: Sequence[str], before: Mapping[str, Assignments]) -> dict[str, Assignments]:
        """Decide anew what devices run."""
        if not names:
            return {}
        workloads = stage_all(self._connection, load_placeable(self._connection), names)
        derivation = Derivation(workloads, now=self._now)
        members = self._find_members(names)
        none: Assignments = {}
        derived = {
            name: derivation.derive(members[name], frozenset(before.get(name, none))) for name in names
        }
        self._give_contents(derived)
        request_placing(
            self._connection, {uid for each in derived.values() for uid in each.lost}, now=self._now
        )
        return {
            name: _assign(self._devices[name], each.decisions, before.get(name, none))
            for name, each in derived.items()
        }

    def _find_members(self, names: Sequence[str]) -> dict[str, Member]:
        """What decides about these devices, each by its newest inventory."""
        told = {name: self._changes[name].facts for name in names}
        known = load_placement_facts(
            self._connection, [name for name, facts in told.items() if facts is None]
        )
        sets = {self._devices[name].platform_set or "" for name in names}
        platforms = load_platform_sets(self._connection, sets)
        taints = load_taints(self._connection, names)
        members: dict[str, Member] = {}
        for name in names:
            facts = told[name] or known[name]
            platform_set = self._devices[name].platform_set or ""
            members[name] = Member(
                name=name,
                platform_set=platform_set,
                platforms=platforms[platform_set],
                labels=facts.labels,
                taints=taints.get(name, ()),
                capacity=facts.capacity,
            )
        return members

    def _give_contents(self, derived: Mapping[str, Derived]) -> None:
        fitting = {item.digest: item.content for item in derived.values() if item.excess is None}
        save_contents(self._connection, fitting)
        for name, given in derived.items():
            device = self._devices[name]
            self._devices[name] = replace(device, document=self._next_document(device, given))

    def _next_document(self, device: Device, given: Derived) -> Document:
        document = device.document
        if given.excess is not None:
            return replace(document, oversized=given.excess)
        if given.digest == document.digest:
            return replace(document, oversized=None)
        self._epoch, generation = next_version(
            epoch=self._epoch, generation=document.generation, observed=device.observed
        )
        return replace(document, generation=generation, digest=given.digest, oversized=None)

    def _reports(self, judged: Sequence[str]) -> dict[str, Reported]:
        """What each device reported last in the life in force, now or before."""
        new = {name: change.report for name, change in self._changes.items() if change.report is not None}
        known = [name for name in judged if name not in new and self._devices[name].reported_order > (0, 0)]
        return {**new, **(load_reports(self._connection, known) if known else {})}

    def _judge(
        self, names: Sequence[str], assignments: Mapping[str, Assignments], reports: Mapping[str, Reported]
    ) -> dict[str, Assignments]:
        judged: dict[str, Assignments] = {}
        for name in names:
            device = self._devices[name]
            self._lags[name] = lag = self._lag(device)
            judged[name] = found = _judge_assignments(
                assignments.get(name, {}), reports.get(name), is_current=lag is Lag.CURRENT
            )
            standings = (assignment.standing for assignment in found.values())
            sync = judge_device(lag, standings, impeded=device.impeded)
            if sync is not device.sync:
                self._devices[name] = replace(device, sync=sync)
        return judged

    def _save(self, before: Mapping[str, Assignments], after: Mapping[str, Assignments]) -> None:
        save_devices(
            self._connection,
            [(change.before, self._devices[name]) for name, change in self._changes.items()],
        )
        none: Assignments = {}
        changed = [
            (name, assignment)
            for name, found in after.items()
            for uid, assignment in found.items()
            if before.get(name, none).get(uid) != assignment
        ]
        gone = [(name, uid) for name, found in before.items() for uid in found if uid not in after[name]]
        save_assignments(self._connection, changed)
        delete_assignments(self._connection, gone)
        uids = {assignment.workload for _, assignment in changed} | {uid for _, uid in gone}
        request_looks(self._connection, uids, now=self._now)
        reached = [name for name, change in self._changes.items() if change.is_reached]
        request_looks_for_devices(self._connection, reached, now=self._now)

    def _save_failures(self, assignments: Mapping[str, Assignments]) -> None:
        """Keep what new reports say about images. Few devices fail, and only those are looked at.

        Those are failing by their newest document: what they speak of is what they were given.
        """
        found = [
            failure
            for name, change in self._changes.items()
            if change.report is not None and self._devices[name].sync is Sync.FAILING
            for report in change.report.workloads
            if (assignment := assignments[name].get(report.uid)) is not None
            and (failure := find_failure(name, assignment, report, now=self._now)) is not None
        ]
        save_image_failures(self._connection, found)

    def _send(self, judged: Sequence[str]) -> bool:
        if self._epoch != self._old_epoch:
            save_epoch(self._connection, self._epoch)
            send_all_desired(self._connection, now=self._now)
            return True
        given = [name for name in judged if self._is_given(name)]
        send_desired(self._connection, given, now=self._now)
        return self._resend(sorted(set(judged) - set(given))) or bool(given)

    def _is_given(self, name: str) -> bool:
        before, document = self._changes[name].before, self._devices[name].document
        return document.digest is not None and (
            before is None or before.document.generation != document.generation
        )

    def _resend(self, names: Sequence[str]) -> bool:
        """Send again to those that lag; whether at once."""
        due: list[tuple[str, datetime]] = []
        caught_up: list[str] = []
        for name in names:
            lag, before = self._lags[name], self._changes[name].before
            if lag is Lag.BEHIND:
                published = self._devices[name].document.published_at
                due.append(
                    (name, self._now if published is None else max(self._now, published + RESEND_AFTER))
                )
            elif lag is Lag.CURRENT and before is not None and before.sync is Sync.BEHIND:
                caught_up.append(name)
        send_desired_later(self._connection, due)
        cancel_later(self._connection, caught_up, now=self._now)
        return any(moment <= self._now for _, moment in due)

    def _lag(self, device: Device) -> Lag:
        document = device.document
        key = (self._epoch, document.generation, document.digest)
        if key not in self._versions:
            self._versions[key] = document.version(self._epoch)
        return compare(self._versions[key], device.observed)


def _is_eligible(device: Device) -> bool:
    """As the store's groups have it: admitted, no duplicate, and its platforms are known."""
    return (
        device.admission is Admission.ADMITTED
        and device.duplicate_since is None
        and device.platform_set is not None
        and device.platform is not None
    )


def _assign(device: Device, decisions: Sequence[Decision], before: Assignments) -> Assignments:
    """The device's assignments by these decisions; what is the same keeps its standing."""
    if device.platform is None:
        return {}
    after: dict[str, Assignment] = {}
    for decision in decisions:
        new = make_assignment(decision, device.platform)
        old = before.get(new.workload)
        after[new.workload] = old if old is not None and old.is_same_as(new) else new
    return after


def _judge_assignments(assignments: Assignments, report: Reported | None, *, is_current: bool) -> Assignments:
    reported = {} if report is None else {item.uid: item for item in report.workloads}
    return {
        uid: _judge(assignment, reported.get(uid), is_current=is_current)
        for uid, assignment in assignments.items()
    }


def _judge(assignment: Assignment, report: WorkloadReport | None, *, is_current: bool) -> Assignment:
    """How it stands by a report. One of an older document knows nothing of an attempt that is just given."""
    standing = judge_workload(assignment.pin, report)
    if standing is Standing.FAILING and assignment.standing is Standing.PENDING and not is_current:
        standing = Standing.PENDING
    available = is_available(standing, report, min_ready_seconds=assignment.min_ready_seconds)
    prefetched = has_prefetched(assignment.prefetch, report)
    known = (assignment.standing, assignment.available, assignment.prefetched)
    if (standing, available, prefetched) == known:
        return assignment
    return replace(assignment, standing=standing, available=available, prefetched=prefetched)
