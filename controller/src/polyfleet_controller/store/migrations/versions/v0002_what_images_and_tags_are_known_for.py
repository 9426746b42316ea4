"""What is known against images, and against the tags that releases were cut from."""

from collections.abc import Sequence

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "image_failure",
        sa.Column("child", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("platform", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("message", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("workload", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("seen_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("child", "platform", "reason", name=op.f("pk_image_failure")),
    )
    with op.batch_alter_table("image_failure", schema=None) as batch_op:
        batch_op.create_index("ix_image_failure_seen_at", ["seen_at"], unique=False)

    op.create_table(
        "alarm",
        sa.Column("workload", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("message", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workload"], ["workload.uid"], name=op.f("fk_alarm_workload"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workload", name=op.f("pk_alarm")),
    )


def downgrade() -> None:
    """Take the step back."""
    op.drop_table("alarm")
    with op.batch_alter_table("image_failure", schema=None) as batch_op:
        batch_op.drop_index("ix_image_failure_seen_at")

    op.drop_table("image_failure")
