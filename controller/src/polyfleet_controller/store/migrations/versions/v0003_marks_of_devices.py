"""What operators put on devices, and what placement looks at in them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# As the rules were when this step was made; later ones have steps of their own.
_KEY: Final = re.compile(
    r"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
)
_VALUE: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_RESERVED: Final = "polyfleet.io/"
_SITE: Final = "polyfleet.io/site"
_VARIANT: Final = "polyfleet.io/variant"
_HOSTNAME: Final = "kubernetes.io/hostname"

_DEVICE: Final = sa.table("device", sa.column("name"), sa.column("platform"))
_INVENTORY: Final = sa.table(
    "inventory",
    sa.column("device"),
    sa.column("labels"),
    sa.column("body"),
    sa.column("cpu_count", sa.BigInteger()),
    sa.column("memory_total", sa.BigInteger()),
)
_LABEL: Final = sa.table("device_label", sa.column("device"), sa.column("key"), sa.column("value"))


def upgrade() -> None:
    """Apply the step."""
    op.create_table(
        "operator_label",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("value", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_operator_label_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "key", name=op.f("pk_operator_label")),
    )
    op.create_table(
        "taint",
        sa.Column("device", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("key", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("effect", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("value", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("since", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device"], ["device.name"], name=op.f("fk_taint_device"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device", "key", "effect", name=op.f("pk_taint")),
    )
    with op.batch_alter_table("inventory", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cpu_count", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("memory_total", sa.BigInteger(), nullable=True))

    _read_inventories(op.get_bind())
    with op.batch_alter_table("inventory", schema=None) as batch_op:
        batch_op.alter_column("cpu_count", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("memory_total", existing_type=sa.BigInteger(), nullable=False)


def downgrade() -> None:
    """Take the step back."""
    with op.batch_alter_table("inventory", schema=None) as batch_op:
        batch_op.drop_column("memory_total")
        batch_op.drop_column("cpu_count")

    op.drop_table("taint")
    op.drop_table("operator_label")


def _read_inventories(connection: sa.Connection) -> None:
    """Find in the inventories that are there what a new one would be read for."""
    query = sa.select(_INVENTORY.c.device, _INVENTORY.c.labels, _INVENTORY.c.body, _DEVICE.c.platform)
    for row in connection.execute(query.join(_DEVICE, _DEVICE.c.name == _INVENTORY.c.device)).all():
        host, before = json.loads(row.body)["host"], json.loads(row.labels)["labels"]
        after = dict(_keep_labels(row.device, before))
        variant = row.platform.split("/")[2:]
        if variant:
            after[_VARIANT] = variant[0]
        values: dict[str, Any] = {"cpu_count": host["cpuCount"], "memory_total": host["memoryTotal"]}
        if after != before:
            values["labels"] = json.dumps({"labels": after}, sort_keys=True)
            _index_labels(connection, row.device, after)
        connection.execute(sa.update(_INVENTORY).where(_INVENTORY.c.device == row.device).values(values))


def _keep_labels(device: str, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What still counts of what counted; the host's name where it is no label is the device's."""
    for key, value in labels.items():
        if _VALUE.fullmatch(value) is None:
            if key == _HOSTNAME:
                yield key, device
        elif _KEY.fullmatch(key) is not None and (key == _SITE or not key.startswith(_RESERVED)):
            yield key, value


def _index_labels(connection: sa.Connection, device: str, labels: Mapping[str, str]) -> None:
    connection.execute(sa.delete(_LABEL).where(_LABEL.c.device == device))
    rows = [{"device": device, "key": key, "value": value} for key, value in labels.items()]
    connection.execute(sa.insert(_LABEL), rows)
