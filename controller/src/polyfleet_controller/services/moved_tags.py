"""Looks again at the tags of releases: what devices wait for may come, and what they run may go."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from polyfleet_controller.domain.images import ResolvedImage
from polyfleet_controller.domain.moved_tags import (
    Alarm,
    describe_loss,
    find_lost,
    releases_held_devices,
    renew,
)
from polyfleet_controller.services.placements import place_workload
from polyfleet_controller.services.ports import Registry, RegistryFailure
from polyfleet_controller.services.releases import cut_release
from polyfleet_controller.store.alarms import load_alarms, save_alarm
from polyfleet_controller.store.assignments import (
    list_uncovered_workloads,
    load_assigned_platforms,
    load_image_uses,
)
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.workloads import (
    StoredWorkload,
    list_released_workloads,
    load_placeable,
    load_workload,
)
from polyfleet_shared.reasons import Reason

# Public registries count each tag that has moved against a quota (Docker Hub's: 100 in six hours).
DEFAULT_INTERVAL: Final = timedelta(minutes=15)
_FIRST_LOOK: Final = timedelta(seconds=5)
_DOUBLINGS: Final = 20

# The registry has answered, and what it said is that the tag names no image.
_GONE: Final = frozenset({Reason.IMAGE_NOT_FOUND, Reason.IMAGE_INVALID})


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmChange:
    """An alarm that was raised for a workload, or withdrawn: None."""

    namespace: str
    name: str
    alarm: Alarm | None


class MovedTags:
    """When a tag is looked at next is remembered in memory only: a restart looks sooner, and that is all.

    A tag that devices wait for is looked at soon, and then ever more rarely; any other every `interval`.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        on_change: Callable[[], None],
        *,
        interval: timedelta = DEFAULT_INTERVAL,
    ) -> None:
        self._database = database
        self._registry = registry
        self._on_change = on_change
        self._interval = interval
        self._watches: dict[str, _Watch] = {}

    def look(self, *, now: datetime) -> tuple[AlarmChange, ...]:
        """Look at every tag that is due; a held device goes on at once if it can.

        Takes as long as the registries may; of one that does not answer, a single tag's time.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            released = list_released_workloads(connection)
            uncovered = set(list_uncovered_workloads(connection))
        due = self._find_due(released, uncovered, now)
        changes: list[AlarmChange] = []
        silent: set[str] = set()
        for uid in due:
            changes += self._follow(uid, now, silent)
        return tuple(changes)

    def _find_due(self, released: tuple[str, ...], uncovered: Collection[str], now: datetime) -> list[str]:
        """The workloads that are to be looked at now; each is given its next time."""
        for uid in self._watches.keys() - set(released):
            del self._watches[uid]
        due: list[str] = []
        for uid in released:
            is_awaited = uid in uncovered
            watch = self._watches.get(uid)
            if watch is None or watch.is_awaited != is_awaited:
                watch = self._watches[uid] = self._begin(uid, now, is_awaited=is_awaited)
            if watch.due <= now:
                watch.due = now + (self._pause(watch.looks) if is_awaited else self._interval)
                watch.looks += 1
                due.append(uid)
        return due

    def _begin(self, uid: str, now: datetime, *, is_awaited: bool) -> "_Watch":
        first = self._pause(0) if is_awaited else self._interval * _spread(uid)
        return _Watch(is_awaited=is_awaited, due=now + first)

    def _pause(self, looks: int) -> timedelta:
        pause: timedelta = _FIRST_LOOK * 2 ** min(looks, _DOUBLINGS)
        return min(self._interval, pause)

    def _follow(self, uid: str, now: datetime, silent: set[str]) -> tuple[AlarmChange, ...]:
        """Ask what the tag names, and do what that allows; `silent` collects registries without an answer."""
        with self._database.read() as connection:
            workload = _find_settled(connection, uid)
            placeable = load_placeable(connection, uid)
        known = [each.release.image for each in placeable if each.release is not None]
        if workload is None or not known:
            return ()
        reference = workload.manifest.container.image
        if reference.digest is not None or reference.registry in silent:
            return ()
        try:
            answer: ResolvedImage | RegistryFailure = self._registry.resolve(reference, known=known[0])
        except RegistryFailure as failure:
            if failure.reason is Reason.REGISTRY_UNREACHABLE:
                silent.add(reference.registry)
            if failure.reason not in _GONE:
                return ()  # nothing is worse for it: the release in force stays in force
            answer = failure
        # Most looks find nothing new, and a transaction that may write has a price for others.
        with self._database.read() as connection:
            finding = _judge(connection, uid, workload.generation, answer, now)
        if finding is None or not finding.is_news:
            return ()
        with self._database.begin() as connection:
            finding = _judge(connection, uid, workload.generation, answer, now)
            changed = finding is not None and _carry_out(connection, finding, now)
        if changed:
            self._on_change()
        return () if finding is None else finding.changes


@dataclass(slots=True, kw_only=True)
class _Watch:
    """`is_awaited` if a device waits for the tag; `looks` counts those since then."""

    is_awaited: bool
    due: datetime
    looks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What a look at a tag comes to: `image` is to be the next release, None if nothing is cut from it."""

    workload: StoredWorkload
    revision: int
    image: ResolvedImage | None
    before: Alarm | None
    after: Alarm | None

    @property
    def is_news(self) -> bool:
        return self.image is not None or self.before != self.after

    @property
    def changes(self) -> tuple[AlarmChange, ...]:
        """What is worth a line in the log: not that a lasting alarm counts other devices now."""
        if (self.before is None) == (self.after is None):
            return ()
        workload = self.workload
        return (AlarmChange(namespace=workload.namespace, name=workload.name, alarm=self.after),)


def _spread(uid: str) -> float:
    """A workload's own place in the interval, in [0, 1): a registry is never asked about all tags at once."""
    return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:4]) / 2**32


def _find_settled(connection: Connection, uid: str) -> StoredWorkload | None:
    """The workload, if its newest manifest has a release."""
    workload = load_workload(connection, uid)
    if workload is None or workload.observed_generation != workload.generation:
        return None
    return workload


def _judge(
    connection: Connection,
    uid: str,
    generation: int,
    answer: ResolvedImage | RegistryFailure,
    now: datetime,
) -> _Finding | None:
    """What the answer means for the workload as it is, None if that is not what was asked about any more."""
    workload = _find_settled(connection, uid)
    if workload is None or workload.generation != generation:
        return None
    (placeable,) = load_placeable(connection, uid)
    release = placeable.release
    if release is None:
        return None
    found = None if isinstance(answer, RegistryFailure) else answer
    gone = answer.message if isinstance(answer, RegistryFailure) else ""
    is_same = found is not None and found.children == release.image.children
    lost = {} if is_same else find_lost(load_image_uses(connection, uid), found)
    cuts = (
        found is not None
        and not is_same
        and releases_held_devices(release.image, found, load_assigned_platforms(connection, uid))
    )
    before = load_alarms(connection, [uid]).get(uid)
    loss = describe_loss(workload.manifest.container.image, lost, gone=gone)
    return _Finding(
        workload=workload,
        revision=release.revision,
        image=found if cuts else None,
        before=before,
        after=renew(before, loss, now=now),
    )


def _carry_out(connection: Connection, finding: _Finding, now: datetime) -> bool:
    """Write what was found; whether something is to be sent now."""
    uid = finding.workload.uid
    if finding.before != finding.after:
        save_alarm(connection, uid, finding.revision, finding.after)
    if finding.image is None:
        return False
    cut_release(connection, finding.workload, finding.image, now)
    return place_workload(connection, uid, now=now)
