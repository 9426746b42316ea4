"""What documents hold, and the lists of platforms: each kept once, under its digest."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, cast

from sqlalchemy import Connection, delete, select

from polyfleet_controller.domain.documents import Content, write_content
from polyfleet_controller.store.statements import insert_missing
from polyfleet_controller.store.tables import CONTENT, DEVICE, PLATFORM_SET
from polyfleet_controller.store.values import (
    name_platforms,
    read_json,
    read_platforms,
    write_platforms,
)
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import JsonValue, dump_json
from polyfleet_shared.platforms import RunnablePlatform
from polyfleet_shared.workloads import DesiredWorkload, HeldWorkload

# Contents that were read or written, by digest: what that names never changes. They share their workloads,
# so that one takes little more than a reference to each.
_KNOWN: Final[dict[str, Content]] = {}
_MAX_KNOWN: Final = 8192


def load_contents(connection: Connection, digests: Iterable[str]) -> dict[str, Content]:
    """Contents by digest."""
    wanted = frozenset(digests)
    known = {digest: content for digest in wanted if (content := _KNOWN.get(digest)) is not None}
    unknown = list(wanted - known.keys())
    found = connection.execute(select(CONTENT).where(CONTENT.c.digest.in_(unknown))) if unknown else ()
    read = {row.digest: _read_content(row.body) for row in found}
    _remember(read)
    return {**known, **read}


def _remember(contents: Mapping[str, Content]) -> None:
    """Whatever becomes of the transaction: a digest names the same for ever."""
    if len(_KNOWN) + len(contents) > _MAX_KNOWN:
        _KNOWN.clear()
    _KNOWN.update(contents)


def save_contents(connection: Connection, contents: Mapping[str, Content]) -> None:
    """Keep contents under their digests."""
    save_written_contents(
        connection, {digest: (content, write_content(content).text) for digest, content in contents.items()}
    )


def save_written_contents(connection: Connection, contents: Mapping[str, tuple[Content, str]]) -> None:
    """The same for contents that were written as text already."""
    rows = [{"digest": digest, "body": text} for digest, (_, text) in contents.items()]
    insert_missing(connection, CONTENT, rows)
    _remember({digest: content for digest, (content, _) in contents.items()})


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


def _read_content(text: str) -> Content:
    """Workload by workload: contents differ as devices do, and consist of the same few workloads."""
    document = cast("dict[str, list[JsonValue]]", read_json(text))
    return Content(
        workloads=tuple(_read_workload(dump_json(item)) for item in document["workloads"]),
        held=tuple(_read_held(dump_json(item)) for item in document["held"]),
    )


@lru_cache(maxsize=4096)
def _read_workload(text: bytes) -> DesiredWorkload:
    return decode(DesiredWorkload, read_json(text.decode()))


@lru_cache(maxsize=4096)
def _read_held(text: bytes) -> HeldWorkload:
    return decode(HeldWorkload, read_json(text.decode()))
