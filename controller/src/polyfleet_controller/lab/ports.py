"""Free TCP ports on loopback."""

import random
import socket

from polyfleet_controller.lab.errors import LabError

LOOPBACK = "127.0.0.1"

# Below Linux's range for outgoing connections (ip_local_port_range, from 32768): a server that is stopped
# and started again finds its port still free.
FIRST_PORT, LAST_PORT = 20000, 29999
ATTEMPTS = 100


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens.

    Raises:
        LabError: none was found.
    """
    for _ in range(ATTEMPTS):
        port = random.SystemRandom().randint(FIRST_PORT, LAST_PORT)
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LabError(f"no free port between {FIRST_PORT} and {LAST_PORT} on {LOOPBACK}")


def is_listening(port: int) -> bool:
    """Say whether something accepts connections on the port of 127.0.0.1."""
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def require_free(port: int) -> None:
    """Make sure that what answers on the port of 127.0.0.1 later is not what was there before.

    Raises:
        LabError: something listens on it.
    """
    if is_listening(port):
        raise LabError(f"port {port} is taken: see `ss --listening --tcp --processes`")
