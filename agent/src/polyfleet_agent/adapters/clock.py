"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """CLOCK_MONOTONIC for durations; the wall clock, in UTC, for people."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(tz=UTC)
