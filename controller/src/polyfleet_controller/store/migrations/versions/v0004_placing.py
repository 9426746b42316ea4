"""Which workloads lack replicas, and which are to be placed anew."""

from collections.abc import Sequence

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply the step."""
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.add_column(sa.Column("missing", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("place_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
        batch_op.create_index("ix_workload_place_at", ["place_at"], unique=False)


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("workload", schema=None) as batch_op:
        batch_op.drop_index("ix_workload_place_at")
        batch_op.drop_column("place_at")
        batch_op.drop_column("missing")
