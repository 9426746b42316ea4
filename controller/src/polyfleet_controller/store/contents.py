"""What documents hold, and the lists of platforms: each kept once, under its digest."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select

from polyfleet_controller.domain.documents import Content
from polyfleet_controller.store.statements import insert_missing
from polyfleet_controller.store.tables import CONTENT, DEVICE, PLATFORM_SET
from polyfleet_controller.store.values import (
    name_platforms,
    read_json,
    read_platforms,
    write_json,
    write_platforms,
)
from polyfleet_shared.codec import decode
from polyfleet_shared.platforms import RunnablePlatform


def load_contents(connection: Connection, digests: Iterable[str]) -> dict[str, Content]:
    """Contents by digest."""
    found = connection.execute(select(CONTENT).where(CONTENT.c.digest.in_(list(digests))))
    return {row.digest: decode(Content, read_json(row.body)) for row in found}


def save_contents(connection: Connection, contents: Mapping[str, Content]) -> None:
    """Keep contents under their digests."""
    rows = [{"digest": digest, "body": write_json(content)} for digest, content in contents.items()]
    insert_missing(connection, CONTENT, rows)


def sweep_contents(connection: Connection) -> None:
    """Forget what no device's document holds, and lists of platforms that no device has any more."""
    for table, column in ((CONTENT, DEVICE.c.document_digest), (PLATFORM_SET, DEVICE.c.platform_set)):
        used = select(DEVICE.c.name).where(column == table.c.digest).exists()
        connection.execute(delete(table).where(~used))


def load_platform_sets(
    connection: Connection, names: Iterable[str]
) -> dict[str, tuple[RunnablePlatform, ...]]:
    """Lists of platforms by their names."""
    found = connection.execute(select(PLATFORM_SET).where(PLATFORM_SET.c.digest.in_(list(names))))
    return {row.digest: read_platforms(row.body) for row in found}


def save_platform_sets(connection: Connection, lists: Iterable[tuple[RunnablePlatform, ...]]) -> None:
    """Keep lists of platforms under their names."""
    bodies = {write_platforms(platforms) for platforms in lists}
    insert_missing(
        connection, PLATFORM_SET, [{"digest": name_platforms(body), "body": body} for body in sorted(bodies)]
    )
