"""Rollouts, and what tells that a device has a release for good."""

from collections.abc import Sequence

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the step."""
    text = sqlmodel.sql.sqltypes.AutoString
    time = sqlmodel.sql.sqltypes.UTCDateTime
    op.create_table(
        "rollout",
        sa.Column("workload", text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("status", text(), nullable=False),
        sa.Column("in_effect", sa.Boolean(), nullable=False),
        sa.Column("body", text(), nullable=False),
        sa.Column("created_at", time(), nullable=False),
        sa.Column("ended_at", time(), nullable=True),
        sa.Column("due_at", time(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name="fk_rollout_workload", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workload", "number", name="pk_rollout"),
    )
    op.create_index("ix_rollout_due_at", "rollout", ["due_at"])
    op.create_table(
        "rollout_member",
        sa.Column("device", text(), nullable=False),
        sa.Column("workload", text(), nullable=False),
        sa.Column("platform", text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.BigInteger(), nullable=True),
        sa.Column("origin_attempt", sa.BigInteger(), nullable=False),
        sa.Column("joined", sa.Boolean(), nullable=False),
        sa.Column("state", text(), nullable=False),
        sa.Column("wave", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("released_at", time(), nullable=True),
        sa.Column("prefetching", sa.Boolean(), nullable=False),
        sa.Column("reason", text(), nullable=True),
        sa.Column("message", text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name="fk_rollout_member_device", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name="fk_rollout_member_workload", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "workload", name="pk_rollout_member"),
    )
    op.create_index("ix_rollout_member_workload", "rollout_member", ["workload", "device"])
    op.create_table(
        "rollout_record",
        sa.Column("workload", text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", time(), nullable=False),
        sa.Column("by", text(), nullable=False),
        sa.Column("platform", text(), nullable=True),
        sa.Column("what", text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name="fk_rollout_record_workload", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workload", "number", "seq", name="pk_rollout_record"),
    )
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_by", text(), server_default=sa.text("''"), nullable=False))
    with op.batch_alter_table("inventory", schema=None) as batch_op:
        batch_op.add_column(sa.Column("time_zone", text(), server_default=sa.text("''"), nullable=False))
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("attempt", sa.BigInteger(), server_default="1", nullable=False))
        batch_op.add_column(
            sa.Column("min_ready_seconds", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("available", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("prefetch", text(), nullable=True))
        batch_op.add_column(sa.Column("prefetched", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        for name in ("prefetched", "prefetch", "available", "min_ready_seconds", "attempt"):
            batch_op.drop_column(name)
    with op.batch_alter_table("inventory", schema=None) as batch_op:
        batch_op.drop_column("time_zone")
    with op.batch_alter_table("release", schema=None) as batch_op:
        batch_op.drop_column("created_by")
    op.drop_table("rollout_record")
    op.drop_table("rollout_member")
    op.drop_table("rollout")
