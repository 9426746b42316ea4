"""What is worth a line in the device's history."""

from dataclasses import dataclass

from polyfleet_shared.messages import EventKind
from polyfleet_shared.reasons import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """An event before the spool gives it its place in the device's history."""

    kind: EventKind
    workload: str | None = None
    release: str | None = None
    reason: Reason | None = None
    message: str = ""
    size: int | None = None
    seconds: float | None = None
