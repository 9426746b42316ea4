"""Two operators who edit one workload: who has not seen the other's change is told, and loses nothing."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from controlroom import ControlRoom, Voice, index, manifest
from polyfleet_controller.services.errors import ConflictError, NotFoundError
from polyfleet_controller.services.pages import PageRequest
from polyfleet_controller.services.views import Applied, Change
from polyfleet_controller.store.workloads import find_workload, save_workload
from polyfleet_shared.json_text import Problem

WRITERS = 2
EDITS = 8


def ask(version: str | None = None, *, replicas: int = 0, **metadata: object) -> dict[str, Any]:
    document = manifest()
    document["metadata"] |= metadata
    document["spec"]["replicas"] = replicas
    if version is not None:
        document["metadata"]["resourceVersion"] = version
    return document


def put(room: ControlRoom, document: dict[str, Any]) -> Applied:
    return room.workloads.apply(document, now=room.now)


def read(room: ControlRoom) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(room.workload().manifest)
    return document


def version_of(room: ControlRoom) -> str:
    return room.workload().workload.resource_version


def test_what_was_read_is_written_and_has_another_version_then(room: ControlRoom) -> None:
    first = put(room, ask()).workload.resource_version
    document = read(room)
    assert document["metadata"]["resourceVersion"] == first
    document["spec"]["replicas"] = 3
    second = put(room, document)
    assert (second.change, second.workload.generation) == (Change.CHANGED, 2)
    assert second.workload.resource_version != first
    assert read(room) == {
        **document,
        "metadata": {**document["metadata"], "resourceVersion": second.workload.resource_version},
    }
    (listed,) = room.workloads.list(PageRequest()).items
    assert listed.resource_version == second.workload.resource_version


def test_what_is_no_change_keeps_the_version(room: ControlRoom) -> None:
    """Nobody has to read anew what no operator has changed: a release, a report, a moved tag."""
    voice = Voice()
    room.enrol(voice)
    first = put(room, ask(replicas=1))
    room.settle(voice)
    room.shelf.answers["1"] = index("other")
    again = put(room, ask(first.workload.resource_version, replicas=1))
    assert (again.change, again.workload.resource_version) == (
        Change.MOVED,
        first.workload.resource_version,
    )
    assert version_of(room) == first.workload.resource_version


def test_the_version_is_no_part_of_the_manifest(room: ControlRoom) -> None:
    first = put(room, ask())
    again = put(room, ask(first.workload.resource_version))
    assert (again.change, again.workload) == (Change.UNCHANGED, first.workload)
    with room.database.read() as connection:
        stored = find_workload(connection, "default", "hello")
    assert stored is not None
    assert stored.manifest.metadata.resource_version is None
    (release,) = room.releases.list("default", "hello", PageRequest()).items
    assert release.release == first.workload.release


def test_an_old_version_is_refused_with_what_was_changed_meanwhile(room: ControlRoom) -> None:
    seen = put(room, ask()).workload.resource_version
    room.pass_time(minutes=1)
    other = put(room, ask(replicas=5))
    room.pass_time(minutes=1)
    before = room.workload()
    with pytest.raises(ConflictError) as conflict:
        put(room, ask(seen, replicas=2))
    assert str(conflict.value) == (
        f"the workload default/hello is at resourceVersion {other.workload.resource_version}, not {seen}: "
        "it was changed meanwhile, last at 2026-01-01 00:01:00Z. Nothing is done; read it anew and make your "
        "change there, or leave resourceVersion out to do it all the same"
    )
    assert conflict.value.changes == (Problem(path="spec.replicas", message="was 0, is 5 now"),)
    assert conflict.value.resource_version == other.workload.resource_version
    assert room.workload() == before
    assert put(room, ask(replicas=2)).change is Change.CHANGED


def test_what_was_added_and_removed_meanwhile_is_told(room: ControlRoom) -> None:
    seen = put(room, ask(labels={"tier": "edge"})).workload.resource_version
    document = ask()
    document["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "x" * 100}]
    put(room, document)
    with pytest.raises(ConflictError) as conflict:
        put(room, ask(seen))
    assert conflict.value.changes == (
        Problem(path="metadata.labels.tier", message='is gone: it was "edge"'),
        Problem(
            path="spec.template.spec.containers[main].env[A]",
            message='is there now: {"name":"A","value":"' + "x" * 59 + "…",
        ),
    )


def test_a_dry_run_of_an_old_version_is_refused_too(room: ControlRoom) -> None:
    seen = put(room, ask()).workload.resource_version
    put(room, ask(replicas=5))
    with pytest.raises(ConflictError):
        room.workloads.try_out(ask(seen, replicas=2), now=room.now)


def test_a_change_while_the_registry_is_asked_is_no_lost_update(room: ControlRoom) -> None:
    seen = put(room, ask()).workload.resource_version
    room.shelf.meanwhile = lambda: put(room, ask(replicas=5))
    with pytest.raises(ConflictError):
        put(room, ask(seen, replicas=2))
    assert read(room)["spec"]["replicas"] == 5


def test_a_workload_made_anew_is_another_one(room: ControlRoom) -> None:
    seen = put(room, ask()).workload.resource_version
    room.workloads.delete("default", "hello", now=room.now)
    with pytest.raises(ConflictError) as conflict:
        put(room, ask(seen))
    assert (str(conflict.value), conflict.value.resource_version) == (
        (
            f"there is no workload default/hello to be at resourceVersion {seen}: it was deleted meanwhile. "
            "Nothing is done; leave resourceVersion out to create it anew"
        ),
        None,
    )
    with pytest.raises(NotFoundError):
        room.workload()
    put(room, ask())
    with pytest.raises(ConflictError):
        put(room, ask(seen))


def test_a_restored_database_counts_anew_and_gives_no_version_twice(room: ControlRoom) -> None:
    put(room, ask())
    with room.database.read() as connection:
        backup = find_workload(connection, "default", "hello")
    assert backup is not None
    lost = put(room, ask(replicas=1)).workload
    with room.database.begin() as connection:
        save_workload(connection, backup)
    other = put(room, ask(replicas=2)).workload
    assert (lost.generation, other.generation) == (2, 2)
    with pytest.raises(ConflictError):
        put(room, ask(lost.resource_version, replicas=3))


@pytest.mark.parametrize("version", ["1", "x" * 1000, "-"])
def test_a_version_that_nobody_gave_is_an_old_one(room: ControlRoom, version: str) -> None:
    put(room, ask())
    with pytest.raises(ConflictError) as conflict:
        put(room, ask(version))
    assert (conflict.value.changes, len(str(conflict.value)) < 400) == ((), True)


def test_the_empty_version_is_none(room: ControlRoom) -> None:
    assert [put(room, ask("", replicas=number)).change for number in (1, 2)] == [
        Change.CREATED,
        Change.CHANGED,
    ]


def test_only_the_state_that_was_seen_is_deleted(room: ControlRoom) -> None:
    seen = put(room, ask()).workload.resource_version
    put(room, ask(replicas=5))
    for version in (seen, ""):
        with pytest.raises(ConflictError):
            room.workloads.delete("default", "hello", version=version, now=room.now)
    room.workloads.delete("default", "hello", version=version_of(room), now=room.now)
    with pytest.raises(NotFoundError):
        room.workload()


def test_of_two_writers_none_loses_an_update(room: ControlRoom) -> None:
    """Each counts up what it has read, and reads anew where the other was faster."""
    put(room, ask())
    start = threading.Barrier(WRITERS)

    def count_up(_writer: int) -> int:
        start.wait()
        conflicts = done = 0
        while done < EDITS:
            document = read(room)
            document["spec"]["replicas"] += 1
            try:
                put(room, document)
                done += 1
            except ConflictError:
                conflicts += 1
        return conflicts

    with ThreadPoolExecutor(WRITERS) as writers:
        conflicts = sum(writers.map(count_up, range(WRITERS)))
    assert read(room)["spec"]["replicas"] == WRITERS * EDITS
    assert room.workload().workload.generation == 1 + WRITERS * EDITS
    assert conflicts <= WRITERS * EDITS
