"""Lanes: bounded sets of daemon threads, so that slow work of one kind delays none of another."""

import queue
import threading
from collections.abc import Callable


class Lane:
    """At most `width` pieces of work at a time, the others wait; threads start when first needed.

    The threads are daemons on purpose: a pull that hangs must not hold up the agent's end, and whatever is
    cut off is begun anew by the next start.
    """

    def __init__(self, name: str, width: int) -> None:
        self._name = name
        self._width = width
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Do it as soon as a thread is free. Called from one thread only; `work` must not raise."""
        if not self._idle.acquire(blocking=False) and self._started < self._width:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._run, name=name, daemon=True).start()
        self._work.put(work)

    @property
    def idle(self) -> bool:
        """Whether a thread stands ready, so that the next piece of work needs no new one."""
        free = self._idle.acquire(blocking=False)
        if free:
            self._idle.release()
        return free

    def _run(self) -> None:
        while True:
            work = self._work.get()
            work()
            self._idle.release()
