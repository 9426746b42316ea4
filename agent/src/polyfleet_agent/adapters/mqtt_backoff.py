"""How long a device waits before it connects to the broker again. Pure."""

from dataclasses import dataclass, replace
from random import Random
from typing import Final, Self

_FIRST: Final = 1.0
_LONGEST: Final = 60.0
_EVICTED_FIRST: Final = 30.0
_EVICTED_LONGEST: Final = 300.0

# A connection that stood this long (seconds) ended a streak of failures, of evictions: longer than the
# longest wait, or two clones whose broker does not say that it evicts them would begin anew each time.
_STOOD: Final = _LONGEST
_UNDISTURBED: Final = 3 * _EVICTED_LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """What happened lately. An eviction is a connection that another client of the same name took over."""

    failures: int = 0
    evictions: int = 0
    evicted: bool = False

    def after(self, *, taken_over: bool, stood: float) -> Self:
        """Count the end of a connection that stood for so many seconds, 0 if it never came to be."""
        evictions = 0 if stood >= _UNDISTURBED else self.evictions
        if taken_over:
            return replace(self, failures=0, evictions=evictions + 1, evicted=True)
        failures = 0 if stood >= _STOOD else self.failures
        return replace(self, failures=failures + 1, evictions=evictions, evicted=False)

    def draw_delay(self, rng: Random) -> float:
        """Seconds to wait, with full jitter: a fleet whose broker was away does not come back all at once.

        Two clones that evict each other get out of each other's way for minutes.
        """
        if self.evicted:
            return rng.uniform(_EVICTED_FIRST, _double(_EVICTED_FIRST, self.evictions, _EVICTED_LONGEST))
        return rng.uniform(0.0, _double(_FIRST, self.failures - 1, _LONGEST))


def _double(first: float, times: int, longest: float) -> float:
    return min(longest, first * 2.0 ** max(0, min(times, 32)))
