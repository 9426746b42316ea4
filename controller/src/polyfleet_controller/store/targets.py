"""The devices that an image is checked for: counted by what decides about them, named only where asked.

One statement counts them all, whatever their number.
"""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection, and_, func, literal_column, or_, select

from polyfleet_controller.domain.devices import Admission
from polyfleet_controller.domain.preflight import TargetGroup
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.store.fleet import ELIGIBLE
from polyfleet_controller.store.label_filters import selects
from polyfleet_controller.store.tables import ASSIGNMENT, DEVICE, PLATFORM_SET
from polyfleet_controller.store.values import read_platforms

_EVERYTHING: Final = Selector()
_SEPARATOR: Final = ","
# What the controller counts as proof that an image is on the device.
_PROVEN: Final = (Standing.RUNNING.value, Standing.COMPLETED.value)
# In the key's order on both databases; another order would only make more groups.
_CHILDREN: Final = func.aggregate_strings(ASSIGNMENT.c.child, _SEPARATOR)
_UNJUDGED: Final = and_(
    DEVICE.c.admission == Admission.ADMITTED.value,
    or_(DEVICE.c.duplicate_since.is_not(None), DEVICE.c.platform_set.is_(None)),
)


def load_targets(connection: Connection, selector: Selector = _EVERYTHING) -> tuple[TargetGroup, ...]:
    """All devices that are given work and that the selector selects."""
    proven = (
        select(_CHILDREN)
        .where(ASSIGNMENT.c.device == DEVICE.c.name, ASSIGNMENT.c.standing.in_(_PROVEN))
        .scalar_subquery()
    )
    each = (
        select(DEVICE.c.platform_set, proven.label("children")).where(ELIGIBLE, selects(selector)).subquery()
    )
    keys = (each.c.platform_set, each.c.children)
    counted = select(*keys, func.count(literal_column("*")).label("devices")).group_by(*keys).subquery()
    query = select(counted, PLATFORM_SET.c.body).join(
        PLATFORM_SET, PLATFORM_SET.c.digest == counted.c.platform_set
    )
    return tuple(
        TargetGroup(
            platform_set=row.platform_set,
            platforms=read_platforms(row.body),
            proven=_read_children(row.children),
            devices=row.devices,
        )
        for row in connection.execute(query)
    )


def load_proven(connection: Connection) -> dict[str, frozenset[str]]:
    """The children that each device proves to run, by the device's name; without any, it is not in it."""
    query = (
        select(ASSIGNMENT.c.device, _CHILDREN.label("children"))
        .where(ASSIGNMENT.c.standing.in_(_PROVEN))
        .group_by(ASSIGNMENT.c.device)
    )
    return {row.device: _read_children(row.children) for row in connection.execute(query)}


def count_unjudged(connection: Connection, selector: Selector = _EVERYTHING) -> int:
    """Admitted devices that get nothing new: their platforms are unknown, or two machines share the name."""
    query = select(func.count(literal_column("*"))).select_from(DEVICE)
    return int(connection.execute(query.where(_UNJUDGED, selects(selector))).scalar_one())


def list_target_names(
    connection: Connection,
    platform_sets: Collection[str],
    selector: Selector = _EVERYTHING,
    *,
    limit: int,
) -> dict[str, tuple[str, ...]]:
    """The first names of the devices with each of these lists of platforms, at most `limit` of each."""
    if not platform_sets:
        return {}
    numbered = (
        select(
            DEVICE.c.platform_set,
            DEVICE.c.name,
            func.row_number()
            .over(partition_by=DEVICE.c.platform_set, order_by=DEVICE.c.name)
            .label("position"),
        )
        .where(ELIGIBLE, selects(selector), DEVICE.c.platform_set.in_(list(platform_sets)))
        .subquery()
    )
    query = select(numbered).where(numbered.c.position <= limit).order_by(numbered.c.name)
    names: dict[str, tuple[str, ...]] = {}
    for row in connection.execute(query):
        names[row.platform_set] = (*names.get(row.platform_set, ()), row.name)
    return names


def _read_children(text: str | None) -> frozenset[str]:
    return frozenset((text or "").split(_SEPARATOR)) - {""}
