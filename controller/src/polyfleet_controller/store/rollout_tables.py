"""The tables of rollouts."""

from datetime import datetime
from typing import Final

from sqlalchemy import Index, Table
from sqlmodel import Field, SQLModel

from polyfleet_controller.store.columns import METADATA, moment, of_device, of_workload, whole_number


class _Rollout(SQLModel, table=True):
    """`body` is the rollout but for its members. It is looked at again at `due_at`, if that is set.

    Only the newest of a workload can be `in_effect`: it decides which release devices are given.
    """

    __tablename__ = "rollout"
    __table_args__ = (of_workload(), Index("ix_rollout_due_at", "due_at"))

    workload: str = Field(primary_key=True)
    number: int = whole_number(primary_key=True)
    revision: int = whole_number()
    status: str
    in_effect: bool
    body: str
    created_at: datetime = moment()
    ended_at: datetime | None = moment(nullable=True)
    due_at: datetime | None = moment(nullable=True)


class _RolloutMember(SQLModel, table=True):
    """A device in the newest rollout of a workload: what it is given, and how it does with it."""

    __tablename__ = "rollout_member"
    __table_args__ = (of_device(), of_workload(), Index("ix_rollout_member_workload", "workload", "device"))

    device: str = Field(primary_key=True)
    workload: str = Field(primary_key=True)
    platform: str
    revision: int | None = whole_number(nullable=True)
    attempt: int = whole_number()
    origin: int | None = whole_number(nullable=True)
    origin_attempt: int = whole_number()
    joined: bool
    state: str
    wave: int | None = whole_number(nullable=True)
    tries: int = whole_number()
    released_at: datetime | None = moment(nullable=True)
    prefetching: bool
    reason: str | None
    message: str | None


class _RolloutRecord(SQLModel, table=True):
    """A line of a rollout's history: who did what, about one platform or about all."""

    __tablename__ = "rollout_record"
    __table_args__ = (of_workload(),)

    workload: str = Field(primary_key=True)
    number: int = whole_number(primary_key=True)
    seq: int = whole_number(primary_key=True)
    at: datetime = moment()
    by: str
    platform: str | None
    what: str


ROLLOUT: Final[Table] = METADATA.tables["rollout"]
ROLLOUT_MEMBER: Final[Table] = METADATA.tables["rollout_member"]
ROLLOUT_RECORD: Final[Table] = METADATA.tables["rollout_record"]
