"""Asks registries again: for releases that could not be cut at once, and for what tags gain and lose."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from polyfleet_controller.services.health import ComponentHealth
from polyfleet_controller.services.moved_tags import AlarmChange, MovedTags
from polyfleet_controller.services.releases import Releases
from polyfleet_controller.store.errors import StoreError

_log = logging.getLogger(__name__)

# A workload that was just applied is found this soon; asking costs one indexed query.
_POLL_SECONDS: Final = 2.0


class Resolver:
    """One thread; a registry that hangs delays nothing but other registries' answers."""

    def __init__(
        self,
        releases: Releases,
        moved_tags: MovedTags,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._releases = releases
        self._moved_tags = moved_tags
        self._now = now
        self._stopping = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="resolver")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the answer that is awaited, which comes within the registry client's own time."""
        self._stopping.set()
        self._thread.join()

    def check(self) -> ComponentHealth:
        return ComponentHealth(healthy=not self._trouble, message=self._trouble)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self._resolve())

    def _resolve(self) -> float:
        """Try all that are due; give the seconds until the next look."""
        try:
            due = self._releases.resolve_pending(now=self._now())
            changes = self._moved_tags.look(now=self._now())
        except StoreError as error:
            if not self._trouble:
                _log.warning("releases wait: %s", error)
            self._trouble = str(error)
            return _POLL_SECONDS
        self._trouble = ""
        for change in changes:
            _tell(change)
        if due is None:
            return _POLL_SECONDS
        return min(_POLL_SECONDS, max(0.0, (due - self._now()).total_seconds()))


def _tell(change: AlarmChange) -> None:
    workload = f"{change.namespace}/{change.name}"
    if change.alarm is None:
        _log.info("workload %s: the alarm is over, its tag has again what devices run", workload)
    else:
        _log.warning("workload %s: %s: %s", workload, change.alarm.reason, change.alarm.message)
