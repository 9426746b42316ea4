"""Times, durations and sizes as people say them. `-o json` and `-o yaml` stay exact."""

from datetime import datetime
from itertools import pairwise
from typing import Final

_STEPS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_BYTES: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KIB: Final = 1024
_ROUND: Final = 10


def humanize_duration(seconds: float) -> str:
    """`2 h 5 min`: the two largest units of at least a second, the second one only beside a small first."""
    rest = int(seconds)
    for (unit, size), (next_unit, next_size) in pairwise(_STEPS):
        if rest >= size:
            count, rest = divmod(rest, size)
            minor = rest // next_size
            return f"{count} {unit} {minor} {next_unit}" if minor and count < _ROUND else f"{count} {unit}"
    return f"{rest} s"


def humanize_age(moment: datetime, now: datetime) -> str:
    """`3 min ago`; a moment ahead of this machine's clock is `in 3 min`."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 1:
        return "just now"
    return f"{humanize_duration(seconds)} ago" if seconds > 0 else f"in {humanize_duration(-seconds)}"


def humanize_bytes(size: int) -> str:
    """`12.3 MiB`."""
    amount, unit = float(size), 0
    while amount >= _KIB and unit < len(_BYTES) - 1:
        amount /= _KIB
        unit += 1
    return f"{size} {_BYTES[0]}" if unit == 0 else f"{amount:.1f} {_BYTES[unit]}"


def exact_time(moment: datetime) -> str:
    """`2024-05-01 10:00:03Z`."""
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
