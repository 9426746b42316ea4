"""Who the controller's history will name: a claim, as the local machine knows its user."""

import getpass
import os
import socket
from collections.abc import Mapping
from typing import Final

HEADER: Final = "Polyfleet-Operator"
VARIABLE: Final = "POLYFLEET_OPERATOR"
_LENGTH: Final = 128


def name_operator(environment: Mapping[str, str]) -> str:
    """What POLYFLEET_OPERATOR says, else user@host; in ASCII, as headers and histories want it."""
    claim = environment.get(VARIABLE, "").strip() or f"{_find_user()}@{socket.gethostname()}"
    text = claim.encode("unicode_escape").decode()
    return text[:_LENGTH].strip()


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid-{os.getuid()}"
