"""What the columns of all tables are made of."""

from typing import Any, Final

from sqlalchemy import BigInteger, ForeignKeyConstraint, Integer, MetaData
from sqlmodel import Field, SQLModel
from sqlmodel.sql.sqltypes import UTCDateTime

METADATA: Final[MetaData] = SQLModel.metadata
METADATA.naming_convention = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite counts up only what it calls INTEGER, which has 64 bits there.
COUNTED: Final = BigInteger().with_variant(Integer(), "sqlite")


def whole_number(*, nullable: bool = False, primary_key: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    return Field(sa_type=BigInteger, nullable=nullable, primary_key=primary_key)


def moment(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    return Field(sa_type=UTCDateTime, nullable=nullable)


def of_device(*columns: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(columns or ("device",), ("device.name",), ondelete="CASCADE")


def of_workload() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(("workload",), ("workload.uid",), ondelete="CASCADE")
