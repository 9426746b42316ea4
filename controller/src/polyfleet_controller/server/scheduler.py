"""Places workloads anew when room or time asks for it."""

from collections.abc import Callable
from datetime import datetime

from polyfleet_controller.server.rounds import POLL_SECONDS, Rounds
from polyfleet_controller.services.rescheduling import Rescheduling


def make_scheduler(rescheduling: Rescheduling, now: Callable[[], datetime]) -> Rounds:
    """Beside the resolver, so that no registry's silence keeps a replica from moving."""

    def look() -> float:
        rescheduling.look(now=now())
        return POLL_SECONDS

    return Rounds("scheduler", "replicas wait", look)
