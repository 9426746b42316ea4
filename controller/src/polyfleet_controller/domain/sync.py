"""How what a device reports stands to what it should run. Never in sync without proof."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from polyfleet_controller.domain.observation import Lag
from polyfleet_shared.messages import ContainerReport, Phase, WorkloadReport
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason


class Sync(StrEnum):
    """The state of a device as a whole. Never `in_sync` without proof."""

    IN_SYNC = "in_sync"  # it works by the newest document and every workload runs its pinned child
    WORKING = "working"  # it has the newest document and is not there yet
    BEHIND = "behind"  # it has not confirmed the newest document
    FAILING = "failing"  # a workload on it has a reason why it does not run
    HELD = "held"  # all that it is given runs; a workload that is meant for it cannot be given to it
    UNASSIGNED = "unassigned"  # no document was ever made for it


class Standing(StrEnum):
    """The state of one workload on one device."""

    HELD = "held"  # the controller does not give it to the device, for the stated reason
    PENDING = "pending"  # given, and neither proven nor failing yet
    RUNNING = "running"  # proven: the pinned child runs and is ready
    COMPLETED = "completed"  # proven: the pinned child ran and ended well
    FAILING = "failing"  # the device says why it does not run


# The pinned child of what is given runs, or ran and ended well.
PROVEN: Final = frozenset({Standing.RUNNING, Standing.COMPLETED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePin:
    """What a device must prove of one image: the child and config digest of each container that is of it.

    `platform` is the child's. `containers` are the names of those that run together; None where it was not
    kept, then it is any.
    """

    platform: Platform
    child: str
    config: str
    containers: frozenset[str] | None = None

    def is_met(self, container: ContainerReport) -> bool:
        """Whether a container that was reported proves it."""
        concerns = self.containers is None or container.name in self.containers
        return concerns and container.image_id == self.config and container.child == self.child


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What a device must prove: the release, and each of its images."""

    release: str
    images: tuple[ImagePin, ...]

    @property
    def containers(self) -> frozenset[str]:
        """The names of all that run together, as far as they are known."""
        none: frozenset[str] = frozenset()
        return none.union(*(image.containers or none for image in self.images))

    def is_met(self, container: ContainerReport) -> bool:
        """Whether a container that was reported is one of them, and of its own image's child."""
        return any(image.is_met(container) for image in self.images)


def judge_workload(pin: Pin | None, report: WorkloadReport | None) -> Standing:
    """The standing of a workload; a pin of None is one that the controller holds.

    A report about another release says nothing about this one. On a device that has rolled it back, what
    runs is another, whatever its image. What runs and is not ready is starting, or failing if it was ready.
    """
    if pin is None:
        return Standing.HELD
    if report is None or report.release != pin.release:
        return Standing.PENDING
    if report.phase is Phase.ROLLED_BACK or (
        report.phase is Phase.RUNNING and report.reason is Reason.PROBE_FAILED
    ):
        return Standing.FAILING
    if _proves_running(pin, report):
        return Standing.RUNNING
    if report.phase is Phase.COMPLETED and _proves_completion(pin, report.containers):
        return Standing.COMPLETED
    return Standing.PENDING if report.reason is None else Standing.FAILING


def is_available(standing: Standing, report: WorkloadReport | None, *, min_ready_seconds: int) -> bool:
    """Whether it is proven, and has been ready for so long; what has ended well is."""
    if standing is Standing.COMPLETED:
        return True
    return standing is Standing.RUNNING and report is not None and report.ready_seconds >= min_ready_seconds


def has_prefetched(children: frozenset[str], report: WorkloadReport | None) -> bool:
    """Whether a device has all of these on its disk, if there are any."""
    return bool(children) and report is not None and children <= set(report.prefetched)


def judge_device(lag: Lag, standings: Iterable[Standing], *, impeded: bool) -> Sync:
    """The state of a device; `impeded` if something keeps the controller from giving it its document."""
    if lag is Lag.UNASSIGNED:
        return Sync.UNASSIGNED
    if lag is not Lag.CURRENT:
        return Sync.BEHIND
    seen = set(standings)
    if impeded or Standing.FAILING in seen:
        return Sync.FAILING
    if Standing.PENDING in seen:
        return Sync.WORKING
    return Sync.HELD if Standing.HELD in seen else Sync.IN_SYNC


def _proves_running(pin: Pin, report: WorkloadReport) -> bool:
    """An old container may lie stopped beside the new ones, but must not run beside them.

    Every container runs, and has been ready; where the device calls the workload running, one may have ended
    well instead.
    """
    running = [container for container in report.containers if container.running]
    proven = {container.name for container in running}
    if report.phase is Phase.RUNNING:
        proven |= _find_completed(pin, report.containers)
    if report.phase is Phase.STARTING:
        return False
    return bool(running) and all(pin.is_met(container) for container in running) and pin.containers <= proven


def _proves_completion(pin: Pin, containers: tuple[ContainerReport, ...]) -> bool:
    completed = _find_completed(pin, containers)
    return (
        not any(container.running for container in containers)
        and bool(completed)
        and pin.containers <= completed
    )


def _find_completed(pin: Pin, containers: tuple[ContainerReport, ...]) -> set[str]:
    return {
        container.name
        for container in containers
        if pin.is_met(container) and not container.running and container.exit_code == 0
    }
