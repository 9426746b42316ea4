"""What the services answer, and the API and the CLI show. Times are UTC; sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from polyfleet_controller.domain.device_labels import DeviceLabel, IgnoredLabel, LabelSource
from polyfleet_controller.domain.devices import Admission, Connectivity
from polyfleet_controller.domain.image_failures import ImageFailure
from polyfleet_controller.domain.manifest_changes import FieldChange
from polyfleet_controller.domain.moved_tags import Alarm
from polyfleet_controller.domain.rehearsal import PlannedPull
from polyfleet_controller.domain.release_status import ReleaseStatus
from polyfleet_controller.domain.sync import Standing, Sync
from polyfleet_controller.domain.taints import Effect, Taint
from polyfleet_controller.services.image_views import ImageCheck
from polyfleet_controller.services.rollout_views import AwaitedRelease, RolloutGlance
from polyfleet_shared.json_text import Problem
from polyfleet_shared.messages import Condition, HostFacts, PlatformSource, Telemetry, WorkloadReport
from polyfleet_shared.platforms import Platform, RunnablePlatform
from polyfleet_shared.reasons import Reason

__all__ = [
    "Admission",
    "Alarm",
    "Applied",
    "AssignmentView",
    "Change",
    "Child",
    "Connectivity",
    "DeviceDetail",
    "DeviceLabel",
    "DevicePlacement",
    "DeviceView",
    "DryRun",
    "Effect",
    "EventView",
    "FieldChange",
    "IgnoredLabel",
    "ImageCheck",
    "ImageFailure",
    "Incarnation",
    "LabelSource",
    "MarkOutcome",
    "Marked",
    "OtherImage",
    "Page",
    "PlannedPull",
    "PlatformCount",
    "ReleaseCount",
    "ReleaseDetail",
    "ReleaseStatus",
    "ReleaseView",
    "SomeDevices",
    "Standing",
    "Sync",
    "Taint",
    "WorkloadDetail",
    "WorkloadView",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list; `next_cursor` asks for the following one, None at the end."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A device in a list. `generation` is what it should run, `observed_generation` what it confirmed."""

    name: str
    admission: Admission
    connectivity: Connectivity
    since: datetime | None
    last_seen: datetime | None
    platform: Platform | None
    platform_source: PlatformSource | None
    agent_version: str | None
    labels: Mapping[str, str]
    epoch: int
    generation: int
    observed_epoch: int | None
    observed_generation: int | None
    sync: Sync
    conditions: tuple[Condition, ...]
    taints: tuple[Taint, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incarnation:
    """One life of a device's state directory; the one that is not superseded is in force."""

    incarnation: str
    first_seen: datetime
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentView:
    """One workload on one device: what is wanted, or why it is not given, and what is.

    `child` is of the first container's image, `other_children` of the further images. `awaits` is the newest
    release, where a rollout has not given it to the device.
    """

    uid: str
    namespace: str
    name: str
    release: str | None
    platform: Platform | None
    child: str | None
    held: Condition | None
    standing: Standing
    report: WorkloadReport | None
    other_children: tuple[str, ...] = ()
    awaits: AwaitedRelease | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """A line of a device's history. `at` is the device's clock, `received_at` ours."""

    device: str
    seq: int
    kind: str
    at: datetime
    received_at: datetime
    workload: str | None
    release: str | None
    reason: Reason | None
    message: str
    size: int | None
    seconds: float | None


class MarkOutcome(StrEnum):
    """What became of a change of labels or taints on one of several devices."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # a mark has another value, and the change does not overwrite
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """One of several devices that were to be marked; `problems` say why it was not."""

    device: str
    outcome: MarkOutcome
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetail:
    """Everything about one device. `refusals` are its latest messages that could not be taken, with why.

    `labels` say of each label who has set it, `ignored_labels` what its configuration says in vain.
    """

    device: DeviceView
    platforms: tuple[RunnablePlatform, ...]
    host: HostFacts | None
    telemetry: Telemetry | None
    incarnations: tuple[Incarnation, ...]
    assignments: tuple[AssignmentView, ...]
    events: tuple[EventView, ...]
    refusals: tuple[str, ...]
    labels: tuple[DeviceLabel, ...] = ()
    ignored_labels: tuple[IgnoredLabel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One platform of a release: what is pulled there."""

    platform: Platform
    child: str
    config: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherImage:
    """A further image of a release: the reference, and what it named."""

    image: str
    index: str
    children: tuple[Child, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseView:
    """An immutable snapshot of a workload; `image` is the reference it was cut from.

    That is the first container's image; `others` are the further ones. `created_by` is empty where that was
    not kept.
    """

    release: str
    workload: str
    revision: int
    created_at: datetime
    image: str
    index: str
    children: tuple[Child, ...]
    others: tuple[OtherImage, ...] = ()
    created_by: str = ""
    status: ReleaseStatus = ReleaseStatus.CURRENT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDetail:
    """A release with its manifest, as JSON text, and that of the release `previous` before it, if any was."""

    release: ReleaseView
    manifest: str
    previous: str | None
    previous_manifest: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCount:
    """How the devices of one platform stand, by proof; `held` are those that it cannot be given to.

    `running` and `completed` prove the newest release, `earlier` one before it, which they are still given.
    """

    platform: Platform
    devices: int
    running: int
    completed: int
    failing: int
    held: int
    earlier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCount:
    """How many devices prove a release."""

    release: str
    devices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadView:
    """A workload in a list. `generation` counts its manifests, `observed_generation` the one released last.

    `resource_version` names the state that it is in: a manifest that carries it is taken only in this state.
    `condition` says why the newest manifest has no release yet, None when it has. `alarm` says what the tag
    has lost that devices run, and asks an operator to act; nothing that runs changes for it. `image` is the
    first container's; `other_images` are the further ones. `release` is the newest; `earlier` are those that
    devices still run, and `rollout` what decides who is given which, None where all are given the newest.
    """

    uid: str
    namespace: str
    name: str
    generation: int
    resource_version: str
    observed_generation: int
    created_at: datetime
    updated_at: datetime
    image: str
    release: str | None
    condition: Condition | None
    platforms: tuple[PlatformCount, ...]
    alarm: Alarm | None = None
    other_images: tuple[str, ...] = ()
    earlier: tuple[ReleaseCount, ...] = ()
    rollout: RolloutGlance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlacement:
    """One device under a workload, for `workload show`.

    `child` is of the first container's image, `other_children` of the further images. `release` is what it
    is given, and what `standing` is about: not the newest, where a rollout has not come to it.
    """

    device: str
    connectivity: Connectivity
    platform: Platform | None
    child: str | None
    held: Condition | None
    standing: Standing
    report: WorkloadReport | None
    other_children: tuple[str, ...] = ()
    release: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadDetail:
    """Everything about one workload; `manifest` is the JSON text of the newest one, with its version.

    `placements` are one page of them, by the device's name; `next_cursor` asks for the following one.
    `failures` are what is known against the release's children, of any workload, newest first.
    """

    workload: WorkloadView
    manifest: str
    release: ReleaseView | None
    placements: tuple[DevicePlacement, ...]
    next_cursor: str | None
    failures: tuple[ImageFailure, ...] = ()


class Change(StrEnum):
    """What applying a manifest did."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    MOVED = "moved"  # the manifest is the same, but its tag names another image: a new release


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The answer to a manifest.

    `preflight` is what the image, as the registry has it now, means for the devices. Without an answer of the
    registry there is none, and `unanswered` says why.
    """

    workload: WorkloadView
    change: Change
    preflight: ImageCheck | None
    unanswered: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeDevices:
    """How many devices, and the first ten of their names."""

    devices: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What applying a manifest would do; nothing was changed.

    Devices `gained` and `lost` the workload; of those that keep it, the `changed` get another child, or none,
    and the `restarted` the same child in new containers. All others go on as before. `missing` replicas would
    find no device. `pulls` are what devices pull that are gained or changed. `preflight` and `unanswered` are
    as in the answer to a manifest.
    `stored` and `manifest` are JSON texts of the manifest now, None if there is none, and then, without what
    holds its default; `differences` are what differs between them.
    """

    namespace: str
    name: str
    change: Change
    preflight: ImageCheck | None
    unanswered: Condition | None
    gained: SomeDevices
    lost: SomeDevices
    changed: SomeDevices
    missing: int
    restarted: SomeDevices
    pulls: tuple[PlannedPull, ...]
    stored: str | None
    manifest: str
    differences: tuple[FieldChange, ...]
