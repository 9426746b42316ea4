"""Refused messages on the log: each is named, but a fleet that all errs does not drown the rest."""

import logging
from collections.abc import Iterable
from typing import Final

from polyfleet_controller.services.ingest import Refusal

_log = logging.getLogger(__name__)

_PERIOD_SECONDS: Final = 60.0
_LINES_PER_PERIOD: Final = 30


class RefusalLog:
    """At most so many lines in a period, and then how many more there were.

    `now` is in seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self._period_end = 0.0
        self._lines = 0
        self._omitted = 0

    def write(self, refusals: Iterable[Refusal], *, now: float) -> None:
        """Log refusals that are new."""
        if now >= self._period_end:
            self._begin_period(now)
        for refusal in refusals:
            if self._lines < _LINES_PER_PERIOD:
                self._lines += 1
                _log.warning(
                    "refused a message on %s: %s", _printable(refusal.topic), _printable(refusal.message)
                )
            else:
                self._omitted += 1

    def _begin_period(self, now: float) -> None:
        if self._omitted:
            _log.warning("refused %d more; `polyfleet device show` lists a device's", self._omitted)
        self._period_end = now + _PERIOD_SECONDS
        self._lines = self._omitted = 0


def _printable(text: str) -> str:
    """What devices write must not look like lines of ours."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
