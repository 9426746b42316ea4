"""Maintenance windows: when something may begin on a device, by its own clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from polyfleet_controller.domain.rollout.strategy import Window


class Calendar:
    """The windows at one moment, each worked out once for all devices of a time zone."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._openings: dict[tuple[tuple[Window, ...], str], datetime | None] = {}

    def find_opening(self, windows: tuple[Window, ...], zone: str) -> datetime | None:
        """When the first of these windows opens; None if one is open, or there are none."""
        if not windows:
            return None
        key = (windows, zone)
        if key not in self._openings:
            openings = sorted(self._find_openings(windows, find_zone(zone)))
            self._openings[key] = None if openings[0] <= self._now else openings[0]
        return self._openings[key]

    def _find_openings(self, windows: Iterable[Window], zone: tzinfo) -> Iterable[datetime]:
        for window in windows:
            # Whatever opened later than this is open still.
            after = self._now - timedelta(seconds=window.duration_seconds)
            opening = window.schedule.find_next(after.astimezone(zone))
            yield datetime.max.replace(tzinfo=UTC) if opening is None else opening.astimezone(UTC)


@cache
def find_zone(name: str) -> tzinfo:
    """The time zone of this IANA name. A device that says none, or one that is not known, is at UTC."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, KeyError):  # no key, no file, or a directory: all say that it is none
        return UTC
