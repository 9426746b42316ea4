"""The tables. Every time is in UTC; every number from the wire has 64 bits; `body` is JSON as it came.

What lists filter by stands in columns with an index that ends in the list's own order, so that a page costs
the same wherever it begins.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Index,
    Table,
    UniqueConstraint,
    false,
    text,
)
from sqlmodel import Field, SQLModel

from polyfleet_controller.store.columns import COUNTED, METADATA, moment, of_device, of_workload, whole_number


class _Controller(SQLModel, table=True):
    """One row. A restored database begins a new epoch; `writes` counts the transactions that wrote."""

    __tablename__ = "controller"

    id: int = Field(primary_key=True)
    epoch: int = whole_number()
    writes: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})


class _Device(SQLModel, table=True):
    """What ingest orders messages by, and lists filter by.

    `decided` becomes true with the first report, or an operator. `platform_set` names the ordered list of all
    that it runs. `generation` and `document_digest` are of its newest desired document.
    """

    __tablename__ = "device"
    __table_args__ = (
        Index("ix_device_admission", "admission", "name"),
        Index("ix_device_connectivity", "connectivity", "name"),
        Index("ix_device_sync", "sync", "name"),
        Index("ix_device_platform", "platform", "name"),
        Index("ix_device_platform_set", "platform_set", "document_digest"),
        Index("ix_device_document_digest", "document_digest"),
    )

    name: str = Field(primary_key=True)
    admission: str
    decided: bool
    first_seen: datetime = moment()
    last_seen: datetime | None = moment(nullable=True)
    incarnation: str | None
    duplicate_since: datetime | None = moment(nullable=True)
    connectivity: str
    since: datetime | None = moment(nullable=True)
    presence_boot: int = whole_number()
    presence_connection: int = whole_number()
    presence_rank: int = whole_number()
    inventory_boot: int = whole_number()
    inventory_seq: int = whole_number()
    telemetry_boot: int = whole_number()
    telemetry_seq: int = whole_number()
    reported_boot: int = whole_number()
    reported_seq: int = whole_number()
    observed_epoch: int | None = whole_number(nullable=True)
    observed_generation: int | None = whole_number(nullable=True)
    observed_digest: str | None
    platform: str | None
    platform_set: str | None
    generation: int = whole_number()
    document_digest: str | None
    oversized: str | None
    published_at: datetime | None = moment(nullable=True)
    sync: str
    events: int = whole_number()


class _Inventory(SQLModel, table=True):
    """`labels` are those that count, whoever says them; what the device itself says is in `body`."""

    __tablename__ = "inventory"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    platform_source: str
    agent_version: str
    labels: str
    cpu_count: int = whole_number()
    memory_total: int = whole_number()
    time_zone: str = Field(sa_column_kwargs={"server_default": text("''")})
    body: str


class _Report(SQLModel, table=True):
    """`incarnation` tells whether it is still of the life in force."""

    __tablename__ = "report"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    incarnation: str
    conditions: str
    body: str


class _Telemetry(SQLModel, table=True):
    __tablename__ = "telemetry"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    body: str


class _DeviceLabel(SQLModel, table=True):
    """The labels that count, for lists to filter by."""

    __tablename__ = "device_label"
    __table_args__ = (of_device(), Index("ix_device_label_key", "key", "value", "device"))

    device: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str


class _OperatorLabel(SQLModel, table=True):
    """What operators have set."""

    __tablename__ = "operator_label"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: str


class _Taint(SQLModel, table=True):
    __tablename__ = "taint"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    effect: str = Field(primary_key=True)
    value: str
    since: datetime = moment()


class _PlatformSet(SQLModel, table=True):
    """An ordered list of platforms, as JSON, under its digest: few for a whole fleet."""

    __tablename__ = "platform_set"

    digest: str = Field(primary_key=True)
    body: str


class _Incarnation(SQLModel, table=True):
    """`boot` and `connection` are the last known of a superseded one; `acknowledged` is of its events."""

    __tablename__ = "incarnation"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    incarnation: str = Field(primary_key=True)
    first_seen: datetime = moment()
    superseded_at: datetime | None = moment(nullable=True)
    boot: int = whole_number()
    connection: int = whole_number()
    acknowledged: int = whole_number()


class _Tombstone(SQLModel, table=True):
    """A deleted device: it does not come back by itself."""

    __tablename__ = "tombstone"

    device: str = Field(primary_key=True)
    deleted_at: datetime = moment()


class _Event(SQLModel, table=True):
    """`number` counts a device's events as they came, over all of its lives."""

    __tablename__ = "event"
    __table_args__ = (of_device(), UniqueConstraint("device", "number"))

    device: str = Field(primary_key=True)
    incarnation: str = Field(primary_key=True)
    seq: int = whole_number(primary_key=True)
    number: int = whole_number()
    kind: str
    at: datetime = moment()
    received_at: datetime = moment()
    workload: str | None
    release: str | None
    reason: str | None
    message: str
    size: int | None = whole_number(nullable=True)
    seconds: float | None


class _Refusal(SQLModel, table=True):
    """A message that could not be taken, once for each text."""

    __tablename__ = "refusal"
    __table_args__ = (of_device(),)

    device: str = Field(primary_key=True)
    message: str = Field(primary_key=True)
    at: datetime = moment()


class _Workload(SQLModel, table=True):
    """`generation` counts manifests; `revision` is of the release in force, cut from `observed_generation`.

    `failure_*` say why the newest manifest has no release; it is tried again at `retry_at`. `missing`
    replicas found no device; it is placed anew at `place_at`, if that is set.
    """

    __tablename__ = "workload"
    __table_args__ = (
        UniqueConstraint("namespace", "name"),
        Index("ix_workload_retry_at", "retry_at"),
        Index("ix_workload_place_at", "place_at"),
    )

    uid: str = Field(primary_key=True)
    namespace: str
    name: str
    generation: int = whole_number()
    manifest: str
    created_at: datetime = moment()
    updated_at: datetime = moment()
    observed_generation: int = whole_number()
    revision: int | None = whole_number(nullable=True)
    failure_reason: str | None
    failure_message: str | None
    attempts: int = whole_number()
    retry_at: datetime | None = moment(nullable=True)
    missing: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    place_at: datetime | None = moment(nullable=True)


class _Release(SQLModel, table=True):
    __tablename__ = "release"
    __table_args__ = (of_workload(),)

    workload: str = Field(primary_key=True)
    revision: int = whole_number(primary_key=True)
    release: str
    created_at: datetime = moment()
    resolved: str
    manifest: str
    created_by: str = Field(sa_column_kwargs={"server_default": text("''")})


# Few are: the index costs the others nothing.
_WHERE_HELD: Final[dict[str, Any]] = {
    f"{dialect}_where": text("held_reason IS NOT NULL") for dialect in ("sqlite", "postgresql")
}


class _Assignment(SQLModel, table=True):
    """One workload on one device: its pin, or why it is held; and how it stands. `platform`: the device's.

    Of each image one value stands in `image_platform`, `child` and `config`, joined by commas in the order of
    the manifest's images. `containers`: the names of those that run together, joined by commas, and by
    semicolons between images; null in rows older than it. `available` once it is proven and has been ready
    for `min_ready_seconds`; `prefetched` once the device has the children in `prefetch`, joined by commas.
    """

    __tablename__ = "assignment"
    __table_args__ = (
        of_device(),
        of_workload(),
        Index("ix_assignment_workload", "workload", "device"),
        Index("ix_assignment_standing", "workload", "platform", "standing"),
        Index("ix_assignment_held", "held_reason", "workload", **_WHERE_HELD),
    )

    device: str = Field(primary_key=True)
    workload: str = Field(primary_key=True)
    platform: str
    release: str | None
    image_platform: str | None
    child: str | None
    config: str | None
    held_reason: str | None
    held_message: str | None
    standing: str
    containers: str | None
    attempt: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "1"})
    min_ready_seconds: int = Field(sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    available: bool = Field(sa_column_kwargs={"server_default": false()})
    prefetch: str | None
    prefetched: bool = Field(sa_column_kwargs={"server_default": false()})


class _ImageFailure(SQLModel, table=True):
    """What a device of this platform found out about a child's build; it outlives device and workload."""

    __tablename__ = "image_failure"
    __table_args__ = (Index("ix_image_failure_seen_at", "seen_at"),)

    child: str = Field(primary_key=True)
    platform: str = Field(primary_key=True)
    reason: str = Field(primary_key=True)
    message: str
    device: str
    workload: str
    seen_at: datetime = moment()


class _Alarm(SQLModel, table=True):
    """What a workload's tag has lost that devices run. Of no meaning once another `revision` is in force."""

    __tablename__ = "alarm"
    __table_args__ = (of_workload(),)

    workload: str = Field(primary_key=True)
    revision: int = whole_number()
    reason: str
    message: str
    since: datetime = moment()


class _Content(SQLModel, table=True):
    """What desired documents hold, under its digest; devices that run the same share it."""

    __tablename__ = "content"

    digest: str = Field(primary_key=True)
    body: str


class _Outbox(SQLModel, table=True):
    """What is to be published. An id is never used twice, so a confirmation cannot hit a newer message.

    A row of `down/desired` stands for the device's newest document; `clears` publishes nothing, retained.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("device", "channel"),
        Index("ix_outbox_due_at", "due_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=COUNTED)
    device: str
    channel: str
    clears: bool
    due_at: datetime = moment()


CONTROLLER: Final[Table] = METADATA.tables["controller"]
DEVICE: Final[Table] = METADATA.tables["device"]
INVENTORY: Final[Table] = METADATA.tables["inventory"]
REPORT: Final[Table] = METADATA.tables["report"]
TELEMETRY: Final[Table] = METADATA.tables["telemetry"]
DEVICE_LABEL: Final[Table] = METADATA.tables["device_label"]
OPERATOR_LABEL: Final[Table] = METADATA.tables["operator_label"]
TAINT: Final[Table] = METADATA.tables["taint"]
PLATFORM_SET: Final[Table] = METADATA.tables["platform_set"]
INCARNATION: Final[Table] = METADATA.tables["incarnation"]
TOMBSTONE: Final[Table] = METADATA.tables["tombstone"]
EVENT: Final[Table] = METADATA.tables["event"]
REFUSAL: Final[Table] = METADATA.tables["refusal"]
WORKLOAD: Final[Table] = METADATA.tables["workload"]
RELEASE: Final[Table] = METADATA.tables["release"]
ASSIGNMENT: Final[Table] = METADATA.tables["assignment"]
IMAGE_FAILURE: Final[Table] = METADATA.tables["image_failure"]
ALARM: Final[Table] = METADATA.tables["alarm"]
CONTENT: Final[Table] = METADATA.tables["content"]
OUTBOX: Final[Table] = METADATA.tables["outbox"]
