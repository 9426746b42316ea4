"""Rollouts, and the members of those that decide what devices are given."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import Row as ResultRow

from polyfleet_controller.domain.rollout.instructions import Record
from polyfleet_controller.domain.rollout.states import (
    Member,
    MemberChanges,
    MemberState,
    Rollout,
    RolloutStatus,
)
from polyfleet_controller.store.bulk import Values, bulk_upsert
from polyfleet_controller.store.rollout_tables import ROLLOUT, ROLLOUT_MEMBER, ROLLOUT_RECORD
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import ASSIGNMENT
from polyfleet_controller.store.values import read_json, read_platform, write_json
from polyfleet_shared.codec import decode
from polyfleet_shared.messages import Condition
from polyfleet_shared.reasons import Reason

_UPSERT_MEMBERS: Final = bulk_upsert(ROLLOUT_MEMBER)


def save_rollout(
    connection: Connection, rollout: Rollout, *, in_effect: bool, due_at: datetime | None
) -> None:
    """Write a rollout, new or changed, but for its members."""
    row = {
        "workload": rollout.workload,
        "number": rollout.number,
        "revision": rollout.revision,
        "status": rollout.status.value,
        "in_effect": in_effect,
        "body": write_json(rollout.without_members()),
        "created_at": rollout.created_at,
        "ended_at": rollout.ended_at,
        "due_at": due_at,
    }
    upsert(connection, ROLLOUT, [row])


def save_members(connection: Connection, workload: str, changes: MemberChanges) -> None:
    """Write what has become of the members of a workload's newest rollout."""
    _UPSERT_MEMBERS.execute(connection, [_list_values(workload, member) for member in changes.written])
    if changes.removed:
        statement = delete(ROLLOUT_MEMBER).where(
            ROLLOUT_MEMBER.c.workload == workload, ROLLOUT_MEMBER.c.device == bindparam("of")
        )
        connection.execute(statement, [{"of": device} for device in changes.removed])


def forget_members(connection: Connection, workload: str) -> None:
    """Forget what devices were given: all are given the newest release."""
    connection.execute(delete(ROLLOUT_MEMBER).where(ROLLOUT_MEMBER.c.workload == workload))


def load_rollout(connection: Connection, workload: str, number: int | None = None) -> Rollout | None:
    """A rollout of a workload, without members: that of this number, else the newest."""
    query = select(ROLLOUT.c.body).where(ROLLOUT.c.workload == workload)
    if number is not None:
        query = query.where(ROLLOUT.c.number == number)
    body = connection.execute(query.order_by(ROLLOUT.c.number.desc()).limit(1)).scalar()
    return None if body is None else _read_rollout(body)


def load_rollout_in_effect(connection: Connection, workload: str) -> Rollout | None:
    """The rollout that decides what a workload's devices are given, with its members; None if none does."""
    query = select(ROLLOUT.c.body).where(ROLLOUT.c.workload == workload, ROLLOUT.c.in_effect)
    body = connection.execute(query).scalar()
    if body is None:
        return None
    members = load_members(connection, [workload]).get(workload, {})
    return _read_rollout(body).with_members(members)


def load_rollouts_in_effect(connection: Connection, workloads: Collection[str]) -> dict[str, Rollout]:
    """Those of these workloads, without members."""
    query = select(ROLLOUT.c.workload, ROLLOUT.c.body).where(
        ROLLOUT.c.workload.in_(list(workloads)), ROLLOUT.c.in_effect
    )
    return {row.workload: _read_rollout(row.body) for row in connection.execute(query)}


def load_members(
    connection: Connection, workloads: Collection[str], devices: Iterable[str] | None = None
) -> dict[str, dict[str, Member]]:
    """The members of these workloads' rollouts, by workload and device: all, or of these devices."""
    query: Select[Any] = select(ROLLOUT_MEMBER).where(ROLLOUT_MEMBER.c.workload.in_(list(workloads)))
    if devices is not None:
        query = query.where(ROLLOUT_MEMBER.c.device.in_(list(devices)))
    found: dict[str, dict[str, Member]] = defaultdict(dict)
    for row in connection.execute(query.order_by(ROLLOUT_MEMBER.c.workload, ROLLOUT_MEMBER.c.device)):
        found[row.workload][row.device] = _read_member(row)
    return found


def list_rollouts(
    connection: Connection, workload: str, *, limit: int, before: int | None
) -> tuple[Rollout, ...]:
    """A workload's rollouts, newest first, from before a number; without members."""
    query = select(ROLLOUT.c.body).where(ROLLOUT.c.workload == workload)
    if before is not None:
        query = query.where(ROLLOUT.c.number < before)
    rows = connection.execute(query.order_by(ROLLOUT.c.number.desc()).limit(limit))
    return tuple(_read_rollout(body) for body in rows.scalars())


def load_statuses(
    connection: Connection, workload: str, revisions: Collection[int]
) -> dict[int, RolloutStatus]:
    """What has become of the rollouts to these releases of a workload, where there were any."""
    query = (
        select(ROLLOUT.c.revision, ROLLOUT.c.status)
        .where(ROLLOUT.c.workload == workload, ROLLOUT.c.revision.in_(list(revisions)))
        .order_by(ROLLOUT.c.number)
    )
    return {row.revision: RolloutStatus(row.status) for row in connection.execute(query)}


def find_last_number(connection: Connection, workload: str) -> int:
    """The number of a workload's newest rollout, 0 before the first."""
    query = select(func.max(ROLLOUT.c.number)).where(ROLLOUT.c.workload == workload)
    return int(connection.execute(query).scalar() or 0)


def add_records(connection: Connection, workload: str, number: int, records: Sequence[Record]) -> None:
    """Put lines at the end of a rollout's history."""
    if not records:
        return
    last = select(func.max(ROLLOUT_RECORD.c.seq)).where(
        ROLLOUT_RECORD.c.workload == workload, ROLLOUT_RECORD.c.number == number
    )
    first = int(connection.execute(last).scalar() or 0) + 1
    rows = [
        {
            "workload": workload,
            "number": number,
            "seq": seq,
            "at": record.at,
            "by": record.by,
            "platform": None if record.platform is None else str(record.platform),
            "what": record.what,
        }
        for seq, record in enumerate(records, start=first)
    ]
    connection.execute(insert(ROLLOUT_RECORD), rows)


def list_records(connection: Connection, workload: str, number: int, *, limit: int) -> tuple[Record, ...]:
    """The newest lines of a rollout's history, in the order in which they were written."""
    query = (
        select(ROLLOUT_RECORD)
        .where(ROLLOUT_RECORD.c.workload == workload, ROLLOUT_RECORD.c.number == number)
        .order_by(ROLLOUT_RECORD.c.seq.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return tuple(
        Record(
            at=row.at,
            by=row.by,
            platform=None if row.platform is None else read_platform(row.platform),
            what=row.what,
        )
        for row in reversed(rows)
    )


def count_updating(connection: Connection, workloads: Collection[str]) -> int:
    """How many devices are on their way to these workloads' targets, and have not proven them."""
    query = (
        select(func.count())
        .select_from(ROLLOUT_MEMBER)
        .where(ROLLOUT_MEMBER.c.workload.in_(list(workloads)))
        .where(ROLLOUT_MEMBER.c.state == MemberState.UPDATING.value)
    )
    return connection.execute(query).scalar_one()


def request_looks(connection: Connection, workloads: Collection[str], *, now: datetime) -> None:
    """Have the rollouts in effect of these workloads looked at again."""
    if workloads:
        _request(connection, ROLLOUT.c.workload.in_(list(workloads)), now)


def request_looks_for_devices(connection: Connection, devices: Collection[str], *, now: datetime) -> None:
    """Have the rollouts in effect looked at again of the workloads that these devices are to have."""
    if devices:
        theirs = select(ASSIGNMENT.c.workload).where(ASSIGNMENT.c.device.in_(list(devices)))
        _request(connection, ROLLOUT.c.workload.in_(theirs), now)


def list_rolling_workloads(connection: Connection) -> tuple[str, ...]:
    """The workloads that have a rollout in effect."""
    return tuple(connection.execute(select(ROLLOUT.c.workload).where(ROLLOUT.c.in_effect)).scalars())


def list_due_rollouts(connection: Connection, *, now: datetime) -> tuple[str, ...]:
    """The workloads whose rollout is to be looked at, the longest waiting first."""
    query = select(ROLLOUT.c.workload).where(ROLLOUT.c.due_at <= now).order_by(ROLLOUT.c.due_at)
    return tuple(connection.execute(query).scalars())


def _request(connection: Connection, condition: Any, now: datetime) -> None:  # noqa: ANN401 - SQLAlchemy's
    statement = update(ROLLOUT).where(
        ROLLOUT.c.in_effect, condition, or_(ROLLOUT.c.due_at.is_(None), ROLLOUT.c.due_at > now)
    )
    connection.execute(statement.values(due_at=now))


def _read_rollout(body: str) -> Rollout:
    return decode(Rollout, read_json(body))


def _read_member(row: ResultRow[Any]) -> Member:
    return Member(
        device=row.device,
        platform=read_platform(row.platform),
        revision=row.revision,
        attempt=row.attempt,
        origin=row.origin,
        origin_attempt=row.origin_attempt,
        joined=row.joined,
        state=MemberState(row.state),
        wave=row.wave,
        tries=row.tries,
        released_at=row.released_at,
        prefetching=row.prefetching,
        condition=None if row.reason is None else Condition(reason=Reason(row.reason), message=row.message),
    )


def _list_values(workload: str, member: Member) -> Values:
    """In the order of the table's columns."""
    condition = member.condition
    return (
        member.device,
        workload,
        str(member.platform),
        member.revision,
        member.attempt,
        member.origin,
        member.origin_attempt,
        member.joined,
        member.state.value,
        member.wave,
        member.tries,
        member.released_at,
        member.prefetching,
        None if condition is None else condition.reason.value,
        None if condition is None else condition.message,
    )
