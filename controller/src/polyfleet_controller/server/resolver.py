"""Asks registries again: for releases that could not be cut at once, and for what tags gain and lose."""

import logging
from collections.abc import Callable
from datetime import datetime

from polyfleet_controller.server.rounds import POLL_SECONDS, Rounds
from polyfleet_controller.services.moved_tags import AlarmChange, MovedTags
from polyfleet_controller.services.releases import Releases

_log = logging.getLogger(__name__)


def make_resolver(releases: Releases, moved_tags: MovedTags, now: Callable[[], datetime]) -> Rounds:
    """A registry that hangs delays nothing but other registries' answers."""

    def resolve() -> float:
        due = releases.resolve_pending(now=now())
        for change in moved_tags.look(now=now()):
            _tell(change)
        if due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, (due - now()).total_seconds()))

    return Rounds("resolver", "releases wait", resolve)


def _tell(change: AlarmChange) -> None:
    workload = f"{change.namespace}/{change.name}"
    if change.alarm is None:
        _log.info("workload %s: the alarm is over, its tag has again what devices run", workload)
    else:
        _log.warning("workload %s: %s: %s", workload, change.alarm.reason, change.alarm.message)
