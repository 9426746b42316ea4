"""Maintenance windows: when something may begin on a device, by its own clock."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from polyfleet_controller.domain.rollout.strategy import Window


class Calendar:
    """Windows at one moment, worked out once for all devices of a time zone."""

    def __init__(self, windows: tuple[Window, ...], now: datetime) -> None:
        self._windows = windows
        self._now = now
        self._openings: dict[str, datetime | None] = {}

    def find_opening(self, zone: str) -> datetime | None:
        """When the first of the windows opens; None if one is open, or there are none."""
        if not self._windows:
            return None
        if zone not in self._openings:
            opening = min(self._find_openings(find_zone(zone)))
            self._openings[zone] = None if opening <= self._now else opening
        return self._openings[zone]

    def _find_openings(self, zone: tzinfo) -> Iterable[datetime]:
        for window in self._windows:
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
