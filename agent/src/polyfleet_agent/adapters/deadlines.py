"""An end to waiting on a connection: a time-out on a socket begins anew with every byte that comes."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def hang_up_after(seconds: float, descriptor: int) -> Iterator[threading.Event]:
    """Shut the connection down unless the block is through by then; the event tells that it was done."""
    handle = socket.socket(fileno=os.dup(descriptor))
    expired = threading.Event()

    def hang_up() -> None:
        expired.set()
        with contextlib.suppress(OSError):  # the other side was faster
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
        handle.close()
