"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "content",
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_content")),
    )
    op.create_table(
        "controller",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("writes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_controller")),
    )
    op.create_table(
        "device",
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("admission", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("decided", sa.Boolean(), nullable=False),
        sa.Column("first_seen", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("last_seen", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("incarnation", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("duplicate_since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("connectivity", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("presence_boot", sa.BigInteger(), nullable=False),
        sa.Column("presence_connection", sa.BigInteger(), nullable=False),
        sa.Column("presence_rank", sa.BigInteger(), nullable=False),
        sa.Column("inventory_boot", sa.BigInteger(), nullable=False),
        sa.Column("inventory_seq", sa.BigInteger(), nullable=False),
        sa.Column("telemetry_boot", sa.BigInteger(), nullable=False),
        sa.Column("telemetry_seq", sa.BigInteger(), nullable=False),
        sa.Column("reported_boot", sa.BigInteger(), nullable=False),
        sa.Column("reported_seq", sa.BigInteger(), nullable=False),
        sa.Column("observed_epoch", sa.BigInteger(), nullable=True),
        sa.Column("observed_generation", sa.BigInteger(), nullable=True),
        sa.Column("observed_digest", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("platform", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("platform_set", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("document_digest", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("oversized", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("published_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("sync", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_device")),
    )
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.create_index("ix_device_admission", ["admission", "name"], unique=False)
        batch_op.create_index("ix_device_connectivity", ["connectivity", "name"], unique=False)
        batch_op.create_index("ix_device_document_digest", ["document_digest"], unique=False)
        batch_op.create_index("ix_device_platform", ["platform", "name"], unique=False)
        batch_op.create_index("ix_device_platform_set", ["platform_set", "document_digest"], unique=False)
        batch_op.create_index("ix_device_sync", ["sync", "name"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("channel", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("clears", sa.Boolean(), nullable=False),
        sa.Column("due_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("device", "channel", name=op.f("uq_outbox_device_channel")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_due_at", ["due_at", "id"], unique=False)

    op.create_table(
        "platform_set",
        sa.Column("digest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_platform_set")),
    )
    op.create_table(
        "tombstone",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("deleted_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "workload",
        sa.Column("uid", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("namespace", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("name", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("updated_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("observed_generation", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("failure_reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("failure_message", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("retry_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("uid", name=op.f("pk_workload")),
        sa.UniqueConstraint("namespace", "name", name=op.f("uq_workload_namespace_name")),
    )
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.create_index("ix_workload_retry_at", ["retry_at"], unique=False)

    op.create_table(
        "assignment",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("workload", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("platform", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("release", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("image_platform", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("child", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("config", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("held_reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("held_message", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("standing", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_assignment_device"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name=op.f("fk_assignment_workload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "workload", name=op.f("pk_assignment")),
    )
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_assignment_held",
            ["held_reason", "workload"],
            unique=False,
            sqlite_where=sa.text("held_reason IS NOT NULL"),
            postgresql_where=sa.text("held_reason IS NOT NULL"),
        )
        batch_op.create_index("ix_assignment_standing", ["workload", "platform", "standing"], unique=False)
        batch_op.create_index("ix_assignment_workload", ["workload", "device"], unique=False)

    op.create_table(
        "device_label",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("value", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_device_label_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "key", name=op.f("pk_device_label")),
    )
    with op.batch_alter_table("device_label", schema=None) as batch_op:
        batch_op.create_index("ix_device_label_key", ["key", "value", "device"], unique=False)

    op.create_table(
        "event",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("incarnation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("received_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("workload", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("release", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("message", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_event_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "incarnation", "seq", name=op.f("pk_event")),
        sa.UniqueConstraint("device", "number", name=op.f("uq_event_device_number")),
    )
    op.create_table(
        "incarnation",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("incarnation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("first_seen", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("superseded_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.Column("boot", sa.BigInteger(), nullable=False),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_incarnation_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "incarnation", name=op.f("pk_incarnation")),
    )
    op.create_table(
        "inventory",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("platform_source", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("agent_version", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("labels", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_inventory_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_inventory")),
    )
    op.create_table(
        "refusal",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("message", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_refusal_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "message", name=op.f("pk_refusal")),
    )
    op.create_table(
        "release",
        sa.Column("workload", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("release", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("created_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("resolved", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("manifest", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name=op.f("fk_release_workload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workload", "revision", name=op.f("pk_release")),
    )
    op.create_table(
        "report",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("incarnation", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("conditions", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_report_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_report")),
    )
    op.create_table(
        "telemetry",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("body", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_telemetry_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_telemetry")),
    )
    op.execute("INSERT INTO controller (id, epoch) VALUES (1, 1)")


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("telemetry")
    op.drop_table("report")
    op.drop_table("release")
    op.drop_table("refusal")
    op.drop_table("inventory")
    op.drop_table("incarnation")
    op.drop_table("event")
    with op.batch_alter_table("device_label", schema=None) as batch_op:
        batch_op.drop_index("ix_device_label_key")

    op.drop_table("device_label")
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.drop_index("ix_assignment_workload")
        batch_op.drop_index("ix_assignment_standing")
        batch_op.drop_index("ix_assignment_held")

    op.drop_table("assignment")
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.drop_index("ix_workload_retry_at")

    op.drop_table("workload")
    op.drop_table("tombstone")
    op.drop_table("platform_set")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_due_at")

    op.drop_table("outbox")
    with op.batch_alter_table("device", schema=None) as batch_op:
        batch_op.drop_index("ix_device_sync")
        batch_op.drop_index("ix_device_platform_set")
        batch_op.drop_index("ix_device_platform")
        batch_op.drop_index("ix_device_document_digest")
        batch_op.drop_index("ix_device_connectivity")
        batch_op.drop_index("ix_device_admission")

    op.drop_table("device")
    op.drop_table("controller")
    op.drop_table("content")
