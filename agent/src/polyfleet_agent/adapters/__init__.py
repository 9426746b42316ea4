"""The parts of the world that the agent touches: broker, Podman, disk, systemd, host.

podman-py, imported whole, is the largest part of an idle agent; the agent uses only its HTTP half.
So two things are left out before any adapter imports it; `make bench` shows what that is worth.
"""

import importlib.util
import sys
import warnings
from typing import Final

_PODMAN: Final = "podman"
_CHARSET_DETECTION: Final = "charset_normalizer"


def _leave_out_managers() -> None:
    """Let `podman.api` be imported without podman's own __init__, which imports its whole high level."""
    spec = importlib.util.find_spec(_PODMAN)
    if _PODMAN not in sys.modules and spec is not None:
        sys.modules[_PODMAN] = importlib.util.module_from_spec(spec)


def _leave_out_charset_detection() -> None:
    """Let requests, below podman, be imported without what guesses encodings: 3 MiB; Podman speaks UTF-8.

    requests can do without, and then takes UTF-8, but warns.
    """
    if _CHARSET_DETECTION in sys.modules or "requests" in sys.modules:
        return
    sys.modules[_CHARSET_DETECTION] = None  # type: ignore[assignment]  # "cannot be imported" (sys.modules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("requests")
    finally:
        del sys.modules[_CHARSET_DETECTION]


_leave_out_managers()
_leave_out_charset_detection()
