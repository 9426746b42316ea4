"""What devices found out about images: the newest of each kind, as many as anybody can use."""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Connection, delete, select, tuple_

from polyfleet_controller.domain.image_failures import ImageFailure
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import IMAGE_FAILURE
from polyfleet_controller.store.values import read_platform
from polyfleet_shared.reasons import Reason

# They outlive the workload: whoever applies the same image again is warned.
KEPT: Final = 1000


def save_image_failures(connection: Connection, failures: Sequence[ImageFailure]) -> None:
    """Keep failures, new or repeated; of each child, platform and reason the newest. The oldest go."""
    if not failures:
        return
    newest = {failure.key: failure for failure in sorted(failures, key=lambda failure: failure.seen_at)}
    upsert(
        connection,
        IMAGE_FAILURE,
        [
            {
                "child": failure.child,
                "platform": str(failure.platform),
                "reason": failure.reason.value,
                "message": failure.message,
                "device": failure.device,
                "workload": failure.workload,
                "seen_at": failure.seen_at,
            }
            for failure in newest.values()
        ],
    )
    keys = (IMAGE_FAILURE.c.child, IMAGE_FAILURE.c.platform, IMAGE_FAILURE.c.reason)
    surplus = select(*keys).order_by(IMAGE_FAILURE.c.seen_at.desc(), *keys).offset(KEPT)
    connection.execute(delete(IMAGE_FAILURE).where(tuple_(*keys).in_(surplus)))


def load_image_failures(connection: Connection, children: Collection[str]) -> tuple[ImageFailure, ...]:
    """What is known against these children, newest first."""
    query = select(IMAGE_FAILURE).where(IMAGE_FAILURE.c.child.in_(list(children)))
    query = query.order_by(
        IMAGE_FAILURE.c.seen_at.desc(),
        IMAGE_FAILURE.c.child,
        IMAGE_FAILURE.c.platform,
        IMAGE_FAILURE.c.reason,
    )
    return tuple(
        ImageFailure(
            child=row.child,
            platform=read_platform(row.platform),
            reason=Reason(row.reason),
            message=row.message,
            device=row.device,
            workload=row.workload,
            seen_at=row.seen_at,
        )
        for row in connection.execute(query)
    )
