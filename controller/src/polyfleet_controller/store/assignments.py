"""Which workload stands how on which device."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, literal_column, select
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.moved_tags import ImageUse
from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.domain.sync import ImagePin, Standing
from polyfleet_controller.store.statements import Row, upsert
from polyfleet_controller.store.tables import ASSIGNMENT, DEVICE, PLATFORM_SET
from polyfleet_controller.store.values import read_platform, read_platforms
from polyfleet_controller.store.workloads import load_references
from polyfleet_shared.messages import Condition
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason

# In no name, platform or digest.
_SEPARATOR: Final = ","
_GROUPS: Final = ";"


def load_assignments(connection: Connection, devices: Iterable[str]) -> dict[str, dict[str, Assignment]]:
    """Every assignment of these devices, by device and workload."""
    found: dict[str, dict[str, Assignment]] = {}
    for row in connection.execute(select(ASSIGNMENT).where(ASSIGNMENT.c.device.in_(list(devices)))):
        assignment = read_assignment(row)
        found.setdefault(row[0], {})[assignment.workload] = assignment
    return found


def save_assignments(connection: Connection, assignments: Sequence[tuple[str, Assignment]]) -> None:
    """Write (device, assignment), new or changed."""
    upsert(connection, ASSIGNMENT, [_row(device, assignment) for device, assignment in assignments])


def delete_assignments(connection: Connection, assignments: Sequence[tuple[str, str]]) -> None:
    """Take away these (device, workload)."""
    if assignments:
        statement = delete(ASSIGNMENT).where(
            ASSIGNMENT.c.device == bindparam("of"), ASSIGNMENT.c.workload == bindparam("what")
        )
        connection.execute(statement, [{"of": device, "what": workload} for device, workload in assignments])


def load_assigned_platforms(connection: Connection, workload: str) -> frozenset[tuple[RunnablePlatform, ...]]:
    """What the devices list, each list once, that a workload is meant for."""
    query = (
        select(PLATFORM_SET.c.body)
        .join(DEVICE, DEVICE.c.platform_set == PLATFORM_SET.c.digest)
        .join(ASSIGNMENT, ASSIGNMENT.c.device == DEVICE.c.name)
        .where(ASSIGNMENT.c.workload == workload)
        .distinct()
    )
    return frozenset(read_platforms(body) for body in connection.execute(query).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingCount:
    """How many devices of a platform stand how with a workload; with which release, if that was asked."""

    workload: str
    platform: Platform
    standing: Standing
    devices: int
    release: str | None = None


def count_standings(
    connection: Connection, workloads: Iterable[str], *, by_release: bool = False
) -> tuple[StandingCount, ...]:
    """Count the devices of these workloads; by their releases, it reads the row of each."""
    keys = [ASSIGNMENT.c.workload, ASSIGNMENT.c.platform, ASSIGNMENT.c.standing]
    if by_release:
        keys.append(ASSIGNMENT.c.release)
    query = (
        select(*keys, func.count(literal_column("*")).label("devices"))
        .where(ASSIGNMENT.c.workload.in_(list(workloads)))
        .group_by(*keys)
        .order_by(*keys)
    )
    return tuple(
        StandingCount(
            workload=row.workload,
            platform=read_platform(row.platform),
            standing=Standing(row.standing),
            devices=row.devices,
            release=row.release if by_release else None,
        )
        for row in connection.execute(query)
    )


def load_image_uses(connection: Connection, workload: str) -> tuple[ImageUse, ...]:
    """Which kinds of device are given which of a workload's children.

    A release may have its images in another order than the one before it.
    """
    key = ASSIGNMENT.c.image_platform
    keys = (key, ASSIGNMENT.c.release, PLATFORM_SET.c.body)
    query = (
        select(*keys, func.count(literal_column("*")).label("devices"))
        .join(DEVICE, DEVICE.c.name == ASSIGNMENT.c.device)
        .join(PLATFORM_SET, PLATFORM_SET.c.digest == DEVICE.c.platform_set)
        .where(ASSIGNMENT.c.workload == workload, key.is_not(None))
        .group_by(*keys)
    )
    rows = connection.execute(query).all()
    references = load_references(connection, workload, {row.release for row in rows})
    return tuple(
        ImageUse(
            reference=reference,
            image_platform=read_platform(image_platform),
            platforms=read_platforms(row.body),
            devices=row.devices,
        )
        for row in rows
        for reference, image_platform in zip(
            references[row.release], row.image_platform.split(_SEPARATOR), strict=True
        )
    )


def list_uncovered_workloads(connection: Connection) -> tuple[str, ...]:
    """The workloads whose image has nothing for some device that they are meant for."""
    query = (
        select(ASSIGNMENT.c.workload)
        .where(ASSIGNMENT.c.standing == Standing.HELD.value)
        .where(ASSIGNMENT.c.held_reason == Reason.NO_MATCHING_PLATFORM.value)
        .distinct()
        .order_by(ASSIGNMENT.c.workload)
    )
    return tuple(connection.execute(query).scalars())


def read_assignment(row: ResultRow[Any]) -> Assignment:
    """An assignment from its row, whose first columns are the table's."""
    (
        _,
        workload,
        platform,
        release,
        image_platform,
        child,
        config,
        reason,
        message,
        standing,
        names,
        *times,
    ) = row[: len(ASSIGNMENT.columns)]
    attempt, min_ready_seconds, available, prefetch, prefetched = times
    return Assignment(
        workload=workload,
        platform=read_platform(platform),
        release=release,
        images=() if child is None else _read_images(image_platform, child, config, names),
        held=None if reason is None else Condition(reason=Reason(reason), message=message),
        standing=Standing(standing),
        attempt=attempt,
        min_ready_seconds=min_ready_seconds,
        available=available,
        prefetch=frozenset() if prefetch is None else frozenset(prefetch.split(_SEPARATOR)),
        prefetched=prefetched,
    )


@lru_cache(maxsize=4096)
def _read_images(platforms: str, children: str, configs: str, names: str | None) -> tuple[ImagePin, ...]:
    """Worked out once for the many devices that are given the same."""
    digests = children.split(_SEPARATOR)
    return tuple(
        ImagePin(
            platform=read_platform(platform),
            child=child,
            config=config,
            containers=None if group is None else frozenset(group.split(_SEPARATOR)) - {""},
        )
        for platform, child, config, group in zip(
            platforms.split(_SEPARATOR),
            digests,
            configs.split(_SEPARATOR),
            [None] * len(digests) if names is None else names.split(_GROUPS),
            strict=True,
        )
    )


def _join_names(images: Sequence[ImagePin]) -> str | None:
    """None where they are not known, as they were read."""
    groups = [image.containers for image in images if image.containers is not None]
    return _GROUPS.join(_SEPARATOR.join(sorted(names)) for names in groups) if groups else None


def _row(device: str, assignment: Assignment) -> Row:
    held, images = assignment.held, assignment.images
    return {
        "device": device,
        "workload": assignment.workload,
        "platform": str(assignment.platform),
        "release": assignment.release,
        "image_platform": _SEPARATOR.join(str(image.platform) for image in images) or None,
        "child": _SEPARATOR.join(image.child for image in images) or None,
        "config": _SEPARATOR.join(image.config for image in images) or None,
        "held_reason": None if held is None else held.reason.value,
        "held_message": None if held is None else held.message,
        "standing": assignment.standing.value,
        "containers": _join_names(images),
        "attempt": assignment.attempt,
        "min_ready_seconds": assignment.min_ready_seconds,
        "available": assignment.available,
        "prefetch": _SEPARATOR.join(sorted(assignment.prefetch)) or None,
        "prefetched": assignment.prefetched,
    }
