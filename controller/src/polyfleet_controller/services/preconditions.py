"""Whether what an operator acts on is still what is there: nobody's change is lost in silence."""

from typing import Final

from polyfleet_controller.domain.manifest_changes import FieldChange, find_changes
from polyfleet_controller.domain.resource_versions import is_version_of
from polyfleet_controller.services.errors import ConflictError
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.workloads import StoredWorkload, list_releases
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import MAX_PROBLEMS, Problem

# How far back is looked for the manifest that an operator has seen.
_RELEASES: Final = 50
_SHOWN: Final = 80


def check_version(
    connection: Connection, called: str, workload: StoredWorkload | None, version: str | None
) -> None:
    """Let pass who has seen the newest state of a workload, and who does not ask.

    `workload` is what is there under the name in `called`, read in the same transaction.

    Raises:
        ConflictError: it is in another state, or not there.
    """
    if version is None:
        return
    asked = _shorten(version)
    if workload is None:
        message = (
            f"there is no workload {called} to be at resourceVersion {asked}: it was deleted meanwhile. "
            "Nothing is done; leave resourceVersion out to create it anew"
        )
        raise ConflictError(message, None)
    current = workload.resource_version
    if version != current:
        message = (
            f"the workload {called} is at resourceVersion {current}, not {asked}: it was changed meanwhile, "
            f"last at {workload.updated_at:%Y-%m-%d %H:%M:%SZ}. Nothing is done; read it anew and make your "
            "change there, or leave resourceVersion out to do it all the same"
        )
        raise ConflictError(message, current, _find_changes(connection, workload, version))


def _find_changes(connection: Connection, workload: StoredWorkload, version: str) -> tuple[Problem, ...]:
    """What was written since; nothing where the manifest that the operator has seen is not known any more."""
    for stored in list_releases(connection, workload.uid, limit=_RELEASES, before=None):
        seen = stored.release.manifest
        if is_version_of(version, workload.uid, seen):
            changes = find_changes(encode(seen), encode(workload.manifest))
            return tuple(map(_describe, changes[:MAX_PROBLEMS]))
    return ()


def _describe(change: FieldChange) -> Problem:
    if change.before is None:
        return Problem(path=change.path, message=f"is there now: {_shorten(change.after or '')}")
    if change.after is None:
        return Problem(path=change.path, message=f"is gone: it was {_shorten(change.before)}")
    return Problem(
        path=change.path, message=f"was {_shorten(change.before)}, is {_shorten(change.after)} now"
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
