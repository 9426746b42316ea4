"""What applying manifests would change, by the rules that apply them; nothing is written.

Of several, each is tried on the state that those before it would leave. A change that goes through the fleet
in waves is shown as it is in the end.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from polyfleet_controller.domain.images import Layer, NamedImage
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.domain.manifest_changes import find_changes
from polyfleet_controller.domain.manifest_writing import write_manifest
from polyfleet_controller.domain.placement import Decision, Release, Share, Workload, place
from polyfleet_controller.domain.rehearsal import Moves, Plan, find_moves, play
from polyfleet_controller.services.applying import Intent, judge_manifest
from polyfleet_controller.services.errors import ConflictError, DevicesUncoveredError
from polyfleet_controller.services.placements import Snapshot, take_snapshot
from polyfleet_controller.services.views import DryRun, SomeDevices
from polyfleet_controller.store.database import Connection
from polyfleet_shared.json_text import dump_json
from polyfleet_shared.messages import Condition

# Of the devices of one kind; their number says how many more there are.
MAX_NAMES: Final = 10

Outcome: TypeAlias = tuple[NamedImage, ...] | Condition
Trial: TypeAlias = tuple[WorkloadManifest, Outcome]
Verdict: TypeAlias = DryRun | ConflictError | DevicesUncoveredError


def try_manifest(
    connection: Connection, manifest: WorkloadManifest, outcome: Outcome, *, now: datetime
) -> DryRun:
    """Say what a manifest would change, with what its images name now or why that is not known.

    Raises:
        ConflictError: the manifest was made of another state than the workload is in.
        DevicesUncoveredError: devices get nothing of an image, and the manifest does not say what then.
    """
    intent, played = _play(connection, take_snapshot(connection), (manifest, outcome), now=now)
    return _view(intent, played, outcome)


def try_manifests(connection: Connection, trials: Iterable[Trial], *, now: datetime) -> tuple[Verdict, ...]:
    """The same for several workloads, in turn; one that is refused changes nothing for the next."""
    snapshot = take_snapshot(connection)
    played: _Played | None = None
    verdicts: list[Verdict] = []
    for trial in trials:
        snapshot = snapshot if played is None else _leave(snapshot, played)
        played = None
        try:
            intent, played = _play(connection, snapshot, trial, now=now)
        except (ConflictError, DevicesUncoveredError) as refusal:
            verdicts.append(refusal)
        else:
            verdicts.append(_view(intent, played, trial[1]))
    return tuple(verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    """What would become of a workload; `plan` is None if it is not placed anew."""

    workload: Workload | None
    plan: Plan | None
    moves: Moves
    missing: int


def _play(
    connection: Connection, snapshot: Snapshot, trial: Trial, *, now: datetime
) -> tuple[Intent, _Played]:
    """Compare what devices are to run with what they would be; only a release places them anew."""
    intent = judge_manifest(connection, snapshot, *trial, now=now)
    uid = intent.after.uid
    known = snapshot.workloads.get(uid)
    if not intent.images or not intent.is_released:
        missing = 0 if known is None else known.missing
        return intent, _Played(workload=None, plan=None, moves=Moves(), missing=missing)
    release = Release(release="", revision=0, manifest=intent.after.manifest, images=intent.images)
    workload = Workload(
        uid=uid,
        namespace=intent.after.namespace,
        name=intent.after.name,
        manifest=intent.after.manifest,
        release=release,
        failure=None,
    )
    selection = snapshot.select(workload.request, now=now)
    plan = Plan(
        uid=uid,
        chosen=selection.chosen,
        decisions=_decide(snapshot, workload, Share(release=release), selection.chosen),
        images=intent.images,
    )
    moves = find_moves(plan, snapshot.members, snapshot.contents, _find_layers(snapshot.workloads.values()))
    return intent, _Played(workload=workload, plan=plan, moves=moves, missing=selection.missing)


def _decide(
    snapshot: Snapshot, workload: Workload, share: Share, chosen: frozenset[str]
) -> dict[str, Decision]:
    """By list of platforms. With a release, something is decided for every device."""
    platforms = {
        member.platform_set: member.platforms for member in snapshot.members if member.name in chosen
    }
    decisions = {name: place(workload, each, share) for name, each in platforms.items()}
    return {name: decision for name, decision in decisions.items() if decision is not None}


def _find_layers(workloads: Iterable[Workload]) -> dict[str, tuple[Layer, ...]]:
    """Those of all children that devices may be given."""
    return {
        child.child: child.layers
        for workload in workloads
        for release in (workload.release, *workload.earlier.values())
        if release is not None
        for child in release.children
    }


def _leave(snapshot: Snapshot, played: _Played) -> Snapshot:
    """The state after it."""
    if played.plan is None or played.workload is None:
        return snapshot
    members, contents = play(played.plan, snapshot.members, snapshot.contents)
    return Snapshot.of({**snapshot.workloads, played.plan.uid: played.workload}, members, contents)


def _view(intent: Intent, played: _Played, outcome: Outcome) -> DryRun:
    stored = None if intent.before is None else write_manifest(intent.before.manifest)
    manifest = write_manifest(intent.after.manifest)
    moves = played.moves
    return DryRun(
        namespace=intent.after.namespace,
        name=intent.after.name,
        change=intent.change,
        preflight=intent.preflight,
        unanswered=outcome if isinstance(outcome, Condition) else None,
        gained=_name_some(moves.gained),
        lost=_name_some(moves.lost),
        changed=_name_some(moves.changed),
        restarted=_name_some(moves.restarted),
        missing=played.missing,
        pulls=moves.pulls,
        stored=None if stored is None else dump_json(stored).decode(),
        manifest=dump_json(manifest).decode(),
        differences=() if stored is None else find_changes(stored, manifest),
    )


def _name_some(devices: Collection[str]) -> SomeDevices:
    names: Sequence[str] = sorted(devices)
    return SomeDevices(devices=len(names), names=tuple(names[:MAX_NAMES]))
