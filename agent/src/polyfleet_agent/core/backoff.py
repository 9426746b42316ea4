"""How long to wait before trying again."""

import hashlib
from typing import Final

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 300.0


def delay(failures: int, *, seed: str) -> float:
    """Seconds to wait after so many failures in a row (from 1): doubling, jittered by up to a half, bounded.

    The jitter is drawn from `seed`, so that the same history gives the same delay, and a fleet whose
    registry went away does not come back to it all at once.
    """
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 30))
    drawn = hashlib.sha256(f"{seed}/{failures}".encode()).digest()[0] / 255
    return ceiling * (0.5 + drawn / 2)
