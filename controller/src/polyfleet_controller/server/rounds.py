"""Work that comes round again and again: each kind in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from polyfleet_controller.services.health import ComponentHealth
from polyfleet_controller.store.errors import StoreError

_log = logging.getLogger(__name__)

# What was just asked for is found this soon; looking costs a few indexed queries.
POLL_SECONDS: Final = 2.0


class Rounds:
    """Calls `work` until it is stopped; `work` says in how many seconds it wants to be called next.

    While the database does not answer it is called again all the same, and `what` waits.
    """

    def __init__(self, name: str, what: str, work: Callable[[], float]) -> None:
        self._what = what
        self._work = work
        self._stopping = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is under way."""
        self._stopping.set()
        self._thread.join()

    def check(self) -> ComponentHealth:
        return ComponentHealth(healthy=not self._trouble, message=self._trouble)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self._go_round())

    def _go_round(self) -> float:
        try:
            pause = self._work()
        except StoreError as error:
            if not self._trouble:
                _log.warning("%s: %s", self._what, error)
            self._trouble = str(error)
            return POLL_SECONDS
        self._trouble = ""
        return pause
