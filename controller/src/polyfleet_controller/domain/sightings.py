"""Devices as a rollout sees them: what each is given and says of it, and what the target would change."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from polyfleet_controller.domain.placement import Assigned, Share, ShareKey, Workload, place
from polyfleet_controller.domain.rollout.events import Sighting
from polyfleet_controller.domain.sync import Standing
from polyfleet_shared.messages import Condition, Phase, WorkloadReport
from polyfleet_shared.platforms import RunnablePlatform


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDevice:
    """A device that is to have the workload. `platform_set` names its `platforms`: same name, same list.

    `report` is what it says of the workload, None if that is not known; of one that does well it need not be.
    It `is_current` if the device works by the newest document that was made for it.
    """

    name: str
    platform_set: str
    platforms: tuple[RunnablePlatform, ...]
    online: bool
    is_current: bool
    standing: Standing
    available: bool
    prefetched: bool
    time_zone: str = ""
    topology: str | None = None
    report: WorkloadReport | None = None


def sight(workload: Workload, devices: Iterable[SeenDevice]) -> dict[str, Sighting]:
    """The devices, by name, that a rollout to the workload's newest release is about.

    Those that this release has nothing for are held for that, and not waited for.
    """
    return _Sight(workload).see(devices)


class _Sight:
    """What devices have in common is worked out once."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._hashes: dict[tuple[str, ShareKey], str | None] = {}

    def see(self, devices: Iterable[SeenDevice]) -> dict[str, Sighting]:
        newest = self._workload.release
        if newest is None:
            return {}
        return {item.name: self._sight(item) for item in devices if newest.covers(item.platforms)}

    def _sight(self, device: SeenDevice) -> Sighting:
        share = self._workload.find_share(device.name, device.platforms)
        report = _find_report_of(device, share)
        return Sighting(
            platform=device.platforms[0].platform,
            online=device.online,
            revision=None if share.release is None else share.release.revision,
            attempt=share.attempt,
            unaffected=self._is_unaffected(device, share),
            standing=device.standing,
            available=device.available,
            condition=_find_condition(report),
            rolled_back=report is not None and report.phase is Phase.ROLLED_BACK,
            prefetched=device.prefetched,
            time_zone=device.time_zone,
            topology=device.topology,
        )

    def _is_unaffected(self, device: SeenDevice, share: Share) -> bool:
        """Whether the newest release would change nothing that runs on it."""
        if share.release is None:
            return False
        newest = replace(share, release=self._workload.release, prefetches=False)
        return self._find_hash(device, share) == self._find_hash(device, newest)

    def _find_hash(self, device: SeenDevice, share: Share) -> str | None:
        key = (device.platform_set, share.key)
        if key not in self._hashes:
            decision = place(self._workload, device.platforms, share)
            self._hashes[key] = decision.workload.spec_hash if isinstance(decision, Assigned) else None
        return self._hashes[key]


def _find_report_of(device: SeenDevice, share: Share) -> WorkloadReport | None:
    """Its report, if it is about what the device is given now.

    It says nothing of a release that is not its own. Of which attempt it is, only the document tells by which
    the device works.
    """
    report = device.report
    if not device.is_current or report is None or share.release is None:
        return None
    return report if report.release == share.release.release else None


def _find_condition(report: WorkloadReport | None) -> Condition | None:
    if report is None or report.reason is None:
        return None
    return Condition(reason=report.reason, message=report.message)


def find_report(reports: Iterable[WorkloadReport], workload: str) -> WorkloadReport | None:
    """What a device says of one workload."""
    return next((report for report in reports if report.uid == workload), None)
