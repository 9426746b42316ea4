"""Looks again at the tags of releases: what devices wait for may come, and what they run may go."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from polyfleet_controller.domain.images import ImageReference, NamedImage, ResolvedImage
from polyfleet_controller.domain.moved_tags import (
    Alarm,
    ImageUse,
    describe_loss,
    find_lost,
    join_losses,
    releases_held_devices,
    renew,
)
from polyfleet_controller.domain.rollout.states import Rollout, RolloutStatus
from polyfleet_controller.services.advancing import BY_ITSELF, release_workload
from polyfleet_controller.services.ports import Registry, RegistryFailure
from polyfleet_controller.store.alarms import load_alarms, save_alarm
from polyfleet_controller.store.assignments import (
    list_uncovered_workloads,
    load_assigned_platforms,
    load_image_uses,
)
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.rollouts import load_rollouts_in_effect
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

# What references name, or why they name nothing.
_Answers: TypeAlias = dict[ImageReference, ResolvedImage | RegistryFailure]

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
        """Ask what the tags name, and do what that allows; `silent` collects registries without an answer.

        Of several tags all must be known: a release is cut from all of them.
        """
        with self._database.read() as connection:
            workload = _find_settled(connection, uid)
            placeable = load_placeable(connection, uid)
        known = [named for each in placeable if each.release is not None for named in each.release.images]
        if workload is None or all(named.reference.digest is not None for named in known):
            return ()
        answers: _Answers = {}
        for named in known:
            answer = self._ask(named, silent)
            if answer is None:
                return ()  # nothing is worse for it: the release in force stays in force
            answers[named.reference] = answer
        # Most looks find nothing new, and a transaction that may write has a price for others.
        with self._database.read() as connection:
            finding = _judge(connection, uid, workload.generation, answers, now)
        if finding is None or not finding.is_news:
            return ()
        with self._database.begin() as connection:
            finding = _judge(connection, uid, workload.generation, answers, now)
            changed = finding is not None and _carry_out(connection, finding, now)
        if changed:
            self._on_change()
        return () if finding is None else finding.changes

    def _ask(self, named: NamedImage, silent: set[str]) -> ResolvedImage | RegistryFailure | None:
        """What a reference names now, or why it names nothing; None if that cannot be told now."""
        reference = named.reference
        if reference.digest is not None:
            return named.image
        if reference.registry in silent:
            return None
        try:
            return self._registry.resolve(reference, known=named.image)
        except RegistryFailure as failure:
            if failure.reason is Reason.REGISTRY_UNREACHABLE:
                silent.add(reference.registry)
            return failure if failure.reason in _GONE else None


@dataclass(slots=True, kw_only=True)
class _Watch:
    """`is_awaited` if a device waits for the tag; `looks` counts those since then."""

    is_awaited: bool
    due: datetime
    looks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What a look at the tags comes to: `images` are to be the next release, empty if none is cut."""

    workload: StoredWorkload
    revision: int
    images: tuple[NamedImage, ...]
    before: Alarm | None
    after: Alarm | None

    @property
    def is_news(self) -> bool:
        return bool(self.images) or self.before != self.after

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
    answers: _Answers,
    now: datetime,
) -> _Finding | None:
    """What the answers mean for the workload as it is, None if that is not what was asked about any more."""
    workload = _find_settled(connection, uid)
    if workload is None or workload.generation != generation:
        return None
    (placeable,) = load_placeable(connection, uid)
    release = placeable.release
    if release is None or not answers.keys() >= {named.reference for named in release.images}:
        return None
    moved = {
        named.reference: answer
        for named in release.images
        if isinstance(answer := answers[named.reference], RegistryFailure)
        or answer.children != named.image.children
    }
    found = tuple(
        NamedImage(reference=named.reference, image=answer)
        for named in release.images
        if not isinstance(answer := answers[named.reference], RegistryFailure)
    )
    cuts = (
        bool(moved)
        and len(found) == len(release.images)
        and releases_held_devices(release.images, found, load_assigned_platforms(connection, uid))
        and not _is_undecided(load_rollouts_in_effect(connection, [uid]).get(uid))
    )
    before = load_alarms(connection, [uid]).get(uid)
    loss = join_losses(_describe_losses(load_image_uses(connection, uid), moved)) if moved else None
    return _Finding(
        workload=workload,
        revision=release.revision,
        images=found if cuts else (),
        before=before,
        after=renew(before, loss, now=now),
    )


def _is_undecided(rollout: Rollout | None) -> bool:
    """Whether some platform has not come to the release: a new one would try it there again, unasked."""
    return rollout is not None and rollout.status is not RolloutStatus.COMPLETED


def _describe_losses(uses: Iterable[ImageUse], moved: _Answers) -> Iterator[str]:
    """What each of these tags has lost, in words."""
    in_use = tuple(uses)
    for reference, answer in moved.items():
        found, gone = (None, answer.message) if isinstance(answer, RegistryFailure) else (answer, "")
        lost = find_lost((use for use in in_use if use.reference == reference), found)
        yield describe_loss(reference, lost, gone=gone)


def _carry_out(connection: Connection, finding: _Finding, now: datetime) -> bool:
    """Write what was found; whether something is to be sent now."""
    uid = finding.workload.uid
    if finding.before != finding.after:
        save_alarm(connection, uid, finding.revision, finding.after)
    if not finding.images:
        return False
    return release_workload(connection, finding.workload, finding.images, by=BY_ITSELF, now=now)
