"""Releases are cut: a manifest and what its images stand for, under a name for ever."""

import hashlib
from dataclasses import replace
from datetime import datetime

from polyfleet_controller.domain.images import NamedImage
from polyfleet_controller.domain.placement import Release
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.workloads import (
    StoredRelease,
    StoredWorkload,
    add_release,
    find_last_revision,
    save_workload,
)
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import dump_json


def cut_release(
    connection: Connection,
    workload: StoredWorkload,
    images: tuple[NamedImage, ...],
    *,
    by: str,
    now: datetime,
) -> None:
    """Make the images, with the newest manifest, the release in force; devices are placed by the caller."""
    revision = find_last_revision(connection, workload.uid) + 1
    release = Release(
        release=_name(workload, revision, images),
        revision=revision,
        manifest=workload.manifest,
        images=images,
    )
    add_release(
        connection, StoredRelease(workload=workload.uid, created_at=now, created_by=by, release=release)
    )
    save_workload(
        connection,
        replace(
            workload,
            observed_generation=workload.generation,
            revision=revision,
            failure=None,
            attempts=0,
            retry_at=None,
        ),
    )


def _name(workload: StoredWorkload, revision: int, images: tuple[NamedImage, ...]) -> str:
    """For a person by its revision; unique by its content, since a restored database counts anew."""
    content = dump_json(
        {"manifest": encode(workload.manifest), "images": [encode(each.image) for each in images]}
    )
    return f"{workload.name}-{revision}-{hashlib.sha256(content).hexdigest()[:8]}"
