"""Alarms about the releases in force, one for each workload at most."""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from polyfleet_controller.domain.moved_tags import Alarm
from polyfleet_controller.store.statements import upsert
from polyfleet_controller.store.tables import ALARM, WORKLOAD
from polyfleet_shared.reasons import Reason


def load_alarms(connection: Connection, workloads: Iterable[str]) -> dict[str, Alarm]:
    """The alarms of these workloads, by uid. A new release ends what was raised about the one before."""
    query = (
        select(ALARM)
        .join(WORKLOAD, (WORKLOAD.c.uid == ALARM.c.workload) & (WORKLOAD.c.revision == ALARM.c.revision))
        .where(ALARM.c.workload.in_(list(workloads)))
    )
    return {
        row.workload: Alarm(reason=Reason(row.reason), message=row.message, since=row.since)
        for row in connection.execute(query)
    }


def save_alarm(connection: Connection, workload: str, revision: int, alarm: Alarm | None) -> None:
    """Raise an alarm about a release, or withdraw the one that there is."""
    if alarm is None:
        connection.execute(delete(ALARM).where(ALARM.c.workload == workload))
        return
    row = {
        "workload": workload,
        "revision": revision,
        "reason": alarm.reason.value,
        "message": alarm.message,
        "since": alarm.since,
    }
    upsert(connection, ALARM, [row])
