"""Waiting until devices prove that they run what was applied; progress goes to stderr, a line per change."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from polyfleet_controller.cli.client import Client, UnreachableError
from polyfleet_controller.cli.failures import CommandError, tell
from polyfleet_controller.cli.humanized import humanize_duration
from polyfleet_controller.cli.progress import Progress, judge_progress
from polyfleet_controller.cli.rollout_reading import find_rollout
from polyfleet_controller.cli.session import name_workload
from polyfleet_controller.cli.workload_reading import read_workload
from polyfleet_controller.services.views import WorkloadView

_INTERVAL_SECONDS: Final = 0.5


@dataclass(slots=True)
class _Watch:
    """What is known, and was told, about one workload."""

    view: WorkloadView
    told: dict[str, str] = field(default_factory=dict)
    last: Progress | None = None

    @property
    def called(self) -> str:
        return name_workload(self.view.namespace, self.view.name)

    @property
    def is_over(self) -> bool:
        return self.last is not None and self.last.settled

    def look(self, client: Client) -> None:
        namespace, name = self.view.namespace, self.view.name
        _, detail = read_workload(client, namespace, name)
        rollout = find_rollout(client, namespace, name)
        self.last = judge_progress(detail, self.view.generation, None if rollout is None else rollout.rollout)
        for device, line in self.last.lines.items():
            if self.told.get(device) != line:
                tell(f"{self.called}: {line}")
                self.told[device] = line


def wait_until_proven(client: Client, workloads: Iterable[WorkloadView], timeout_seconds: float) -> None:
    """Return when every device that is covered and not offline proves every workload.

    Raises:
        CommandError: with the reasons, when the time is over or waiting does not help.
    """
    watches = [_Watch(view) for view in workloads]
    deadline = time.monotonic() + timeout_seconds
    while not _look(client, watches) and time.monotonic() < deadline:
        time.sleep(_INTERVAL_SECONDS)
    if not all(watch.last is not None and watch.last.done for watch in watches):
        raise CommandError(_summarize(watches, timeout_seconds))


def _look(client: Client, watches: list[_Watch]) -> bool:
    """Whether all is over; a controller that is away for a moment is waited for."""
    try:
        for watch in watches:
            if not watch.is_over:
                watch.look(client)
    except UnreachableError as error:
        tell(f"polyfleet: {error}")
    return all(watch.is_over for watch in watches)


def _summarize(watches: list[_Watch], timeout_seconds: float) -> str:
    lines = []
    for watch in watches:
        if watch.last is not None and watch.last.done:
            continue
        over = "and waiting does not help" if watch.is_over else f"after {humanize_duration(timeout_seconds)}"
        lines.append(f"{watch.called} does not run on every device that it is for, {over}:")
        reasons = ("the controller did not answer",) if watch.last is None else watch.last.reasons
        lines += [f"  {reason}" for reason in reasons]
    return "\n".join(lines)
