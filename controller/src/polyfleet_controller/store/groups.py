"""Groups of devices that run the same and list the same platforms: what is decided for one holds for all.

A fleet has few of them. So a changed workload costs a few statements for each group, and none for a device.
Devices that are not in step with their documents (duplicates, oversized ones, those without a document) are
in no group: they are derived one by one.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, bindparam, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from polyfleet_controller.domain.devices import Admission
from polyfleet_controller.domain.sync import Sync
from polyfleet_controller.store.tables import DEVICE, PLATFORM_SET
from polyfleet_controller.store.values import read_platforms
from polyfleet_shared.platforms import RunnablePlatform

# Devices that are given work at all.
ELIGIBLE: Final[ColumnElement[bool]] = and_(
    DEVICE.c.admission == Admission.ADMITTED.value,
    DEVICE.c.duplicate_since.is_(None),
    DEVICE.c.platform_set.is_not(None),
)
_IN_STEP: Final = and_(ELIGIBLE, DEVICE.c.oversized.is_(None), DEVICE.c.document_digest.is_not(None))
_OUT_OF_STEP: Final = and_(ELIGIBLE, or_(DEVICE.c.oversized.is_not(None), DEVICE.c.document_digest.is_(None)))
GROUP_OF_DEVICE: Final[ColumnElement[bool]] = and_(
    _IN_STEP,
    DEVICE.c.platform_set == bindparam("group_platforms"),
    DEVICE.c.document_digest == bindparam("group_digest"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`platform_set` names the `platforms`; `digest` is of the content that all of its devices have."""

    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    digest: str


def load_groups(connection: Connection) -> tuple[Group, ...]:
    """Every group there is."""
    query = (
        select(DEVICE.c.platform_set, DEVICE.c.document_digest, PLATFORM_SET.c.body)
        .join(PLATFORM_SET, PLATFORM_SET.c.digest == DEVICE.c.platform_set)
        .where(_IN_STEP)
        .distinct()
        .order_by(DEVICE.c.platform_set, DEVICE.c.document_digest)
    )
    return tuple(
        Group(platform_set=row.platform_set, platforms=read_platforms(row.body), digest=row.document_digest)
        for row in connection.execute(query)
    )


def load_devices_out_of_step(connection: Connection) -> tuple[str, ...]:
    """The devices that must be derived one by one."""
    return tuple(connection.execute(select(DEVICE.c.name).where(_OUT_OF_STEP)).scalars())


def load_members(connection: Connection, group: Group) -> tuple[str, ...]:
    """The devices of a group."""
    query = select(DEVICE.c.name).where(GROUP_OF_DEVICE)
    return tuple(connection.execute(query, group_parameters(group)).scalars())


def give_contents(connection: Connection, contents: list[tuple[Group, str]]) -> None:
    """Give every device of each group a new document, of the content with this digest."""
    if contents:
        statement = (
            update(DEVICE)
            .where(GROUP_OF_DEVICE)
            .values(
                document_digest=bindparam("new_digest"),
                generation=DEVICE.c.generation + 1,
                sync=Sync.BEHIND.value,
            )
        )
        connection.execute(
            statement, [group_parameters(group) | {"new_digest": digest} for group, digest in contents]
        )


def group_parameters(group: Group) -> dict[str, object]:
    """What binds `GROUP_OF_DEVICE` to a group."""
    return {"group_platforms": group.platform_set, "group_digest": group.digest}
