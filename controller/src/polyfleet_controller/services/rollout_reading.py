"""Rollouts as they are shown."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from polyfleet_controller.domain.placement import Assignment
from polyfleet_controller.domain.rollout.instructions import Record
from polyfleet_controller.domain.rollout.states import Member, MemberState, Rollout, Stratum
from polyfleet_controller.domain.sightings import SeenDevice, find_report
from polyfleet_controller.domain.sync import Standing
from polyfleet_controller.domain.tallies import Place, Tally, tally
from polyfleet_controller.services.rollout_views import (
    MAX_FAILURES,
    AwaitedRelease,
    FailedDevice,
    RecordView,
    RolloutGlance,
    RolloutView,
    StratumGlance,
    StratumView,
    TallyView,
)
from polyfleet_controller.store.database import Connection
from polyfleet_controller.store.messages import load_reports
from polyfleet_controller.store.rollouts import load_rollouts_in_effect
from polyfleet_controller.store.sightings import list_seen_devices
from polyfleet_controller.store.workloads import StoredWorkload, load_releases
from polyfleet_shared.platforms import Platform

# Of so many devices on their way it is asked whether they pull, and how far they are.
_MAX_REPORTS: Final = 500


def view_rollout(
    connection: Connection, workload: StoredWorkload, rollout: Rollout, *, in_effect: bool
) -> RolloutView:
    """A rollout; with its members, if it is in effect."""
    names = _name_releases(connection, workload.uid, rollout)
    devices = _find_devices(connection, rollout) if in_effect else {}
    tallies = tally(rollout.members.values(), devices)
    return RolloutView(
        namespace=workload.namespace,
        name=workload.name,
        number=rollout.number,
        revision=rollout.revision,
        release=names.get(rollout.revision, ""),
        status=rollout.status,
        in_effect=in_effect,
        created_at=rollout.created_at,
        created_by=rollout.created_by,
        ended_at=rollout.ended_at,
        strata=tuple(
            StratumView(
                platform=stratum.platform,
                status=stratum.status,
                base=None if stratum.base is None else names.get(stratum.base),
                wave=stratum.wave,
                waves=len(rollout.strategy.waves),
                waits_for=stratum.waits_for if in_effect else "",
                reason=stratum.reason,
                tally=_view_tally(tallies[stratum.platform]) if stratum.platform in tallies else None,
                failures=_find_failures(rollout.members.values(), stratum.platform),
            )
            for stratum in _sort_strata(rollout)
        ),
    )


def glance_at_rollout(rollout: Rollout) -> RolloutGlance:
    """A rollout in effect; its members need not be known."""
    return RolloutGlance(
        number=rollout.number,
        status=rollout.status,
        waves=len(rollout.strategy.waves),
        strata=tuple(map(_glance_at_stratum, _sort_strata(rollout))),
    )


def find_awaited(connection: Connection, assignments: Iterable[Assignment]) -> dict[str, AwaitedRelease]:
    """The newest releases that rollouts have not given to a device, by workload."""
    given = {assignment.workload: assignment for assignment in assignments}
    rollouts = load_rollouts_in_effect(connection, given.keys())
    releases = load_releases(connection, [(uid, item.revision) for uid, item in rollouts.items()])
    awaited: dict[str, AwaitedRelease] = {}
    for (uid, _), stored in releases.items():
        stratum = rollouts[uid].strata.get(str(given[uid].platform))
        if stored.release.release != given[uid].release:
            awaited[uid] = AwaitedRelease(
                release=stored.release.release,
                rollout=rollouts[uid].number,
                stratum=None if stratum is None else _glance_at_stratum(stratum),
            )
    return awaited


def _sort_strata(rollout: Rollout) -> list[Stratum]:
    return sorted(rollout.strata.values(), key=lambda stratum: str(stratum.platform))


def _glance_at_stratum(stratum: Stratum) -> StratumGlance:
    return StratumGlance(
        platform=stratum.platform,
        status=stratum.status,
        wave=stratum.wave,
        waits_for=stratum.waits_for,
        reason=stratum.reason,
    )


def view_record(record: Record) -> RecordView:
    """A line of a rollout's history."""
    return RecordView(at=record.at, by=record.by, platform=record.platform, what=record.what)


def _name_releases(connection: Connection, workload: str, rollout: Rollout) -> dict[int, str]:
    bases = {stratum.base for stratum in rollout.strata.values() if stratum.base is not None}
    wanted = [(workload, revision) for revision in sorted({rollout.revision, *bases})]
    found = load_releases(connection, wanted)
    return {revision: stored.release.release for (_, revision), stored in found.items()}


def _find_devices(connection: Connection, rollout: Rollout) -> dict[str, SeenDevice]:
    """The workload's devices; those on their way with what they report of it."""
    devices = {device.name: device for device in list_seen_devices(connection, rollout.workload)}
    asked = [
        name
        for name, member in rollout.members.items()
        if member.state is MemberState.UPDATING
        and name in devices
        and devices[name].standing is not Standing.RUNNING
    ][:_MAX_REPORTS]
    reports = load_reports(connection, asked) if asked else {}
    told = {
        name: replace(devices[name], report=find_report(report.workloads, rollout.workload))
        for name, report in reports.items()
    }
    return {**devices, **told}


def _find_failures(members: Iterable[Member], platform: Platform) -> tuple[FailedDevice, ...]:
    failed = (
        FailedDevice(device=member.device, condition=member.condition)
        for member in members
        if member.platform == platform and member.state is MemberState.FAILED
    )
    return tuple(sorted(failed, key=lambda item: item.device)[:MAX_FAILURES])


def _view_tally(counted: Tally) -> TallyView:
    places = counted.places
    return TallyView(
        devices=sum(places.values()),
        **{place.value: places.get(place, 0) for place in Place},
        pulled=counted.pulled,
        to_pull=counted.to_pull,
    )
