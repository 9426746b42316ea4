"""Ending in good order: what a command made, it removes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM set an event, which the command looks at."""
    interrupted = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: interrupted.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
