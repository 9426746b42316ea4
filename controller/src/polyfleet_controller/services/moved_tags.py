"""Looks again at the tags of workloads that some devices cannot run, in case the tag gains their platform."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from polyfleet_controller.domain.images import ResolvedImage
from polyfleet_controller.domain.moved_tags import releases_held_devices
from polyfleet_controller.services.placements import place_everywhere
from polyfleet_controller.services.ports import Registry, RegistryFailure
from polyfleet_controller.services.releases import cut_release
from polyfleet_controller.store.assignments import list_uncovered_workloads
from polyfleet_controller.store.database import Connection, Database
from polyfleet_controller.store.groups import load_groups
from polyfleet_controller.store.workloads import load_placeable, load_workload

# Public registries count each look against a quota (Docker Hub's: 100 in six hours).
_FIRST_LOOK: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_DOUBLINGS: Final = 8


class MovedTags:
    """When a tag is looked at next is remembered in memory only: a restart looks sooner, and that is all."""

    def __init__(self, database: Database, registry: Registry, on_change: Callable[[], None]) -> None:
        self._database = database
        self._registry = registry
        self._on_change = on_change
        self._looks: dict[str, int] = {}
        self._due: dict[str, datetime] = {}

    def look(self, *, now: datetime) -> None:
        """Look at every tag that is due; a held device goes on at once if it can.

        Takes as long as the registries may.

        Raises:
            StoreError: the database does not answer.
        """
        with self._database.read() as connection:
            uncovered = list_uncovered_workloads(connection)
        for uid in self._due.keys() - set(uncovered):
            del self._due[uid], self._looks[uid]
        for uid in uncovered:
            looks = self._looks.setdefault(uid, 0)
            if self._due.setdefault(uid, now + _FIRST_LOOK) <= now:
                self._looks[uid] = looks + 1
                self._due[uid] = now + min(_LONGEST_PAUSE, _FIRST_LOOK * 2 ** min(looks, _DOUBLINGS))
                self._follow(uid, now)

    def _follow(self, uid: str, now: datetime) -> None:
        with self._database.read() as connection:
            workload = load_workload(connection, uid)
        if workload is None or workload.observed_generation != workload.generation:
            return
        try:
            found = self._registry.resolve(workload.manifest.container.image)
        except RegistryFailure:
            return  # nothing is worse for it: the release in force stays in force
        with self._database.begin() as connection:
            changed = _cut_if_it_helps(connection, uid, workload.generation, found, now)
        if changed:
            self._on_change()


def _cut_if_it_helps(
    connection: Connection, uid: str, generation: int, found: ResolvedImage, now: datetime
) -> bool:
    workload = load_workload(connection, uid)
    if workload is None or (workload.generation, workload.observed_generation) != (generation, generation):
        return False
    (placeable,) = load_placeable(connection, uid)
    fleet = {group.platforms for group in load_groups(connection)}
    if placeable.release is None or not releases_held_devices(placeable.release.image, found, fleet):
        return False
    cut_release(connection, workload, found, now)
    return place_everywhere(connection, uid, now=now)
