"""Whether a path of the device is what a workload needs. Podman itself would mount whatever is there."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.pods import HostPathType, HostPathVolume
from polyfleet_shared.reasons import Reason

_IS_OF: Final[dict[HostPathType, Callable[[int], bool]]] = {
    HostPathType.DIRECTORY: stat.S_ISDIR,
    HostPathType.FILE: stat.S_ISREG,
    HostPathType.SOCKET: stat.S_ISSOCK,
    HostPathType.CHARACTER_DEVICE: stat.S_ISCHR,
    HostPathType.BLOCK_DEVICE: stat.S_ISBLK,
}


def check_host_path(volume: HostPathVolume) -> None:
    """Compare what is there with what is wanted; what the agent may not look at is left to Podman.

    Raises:
        RuntimeFailure: start_failed, with the path.
    """
    try:
        mode = Path(volume.path).stat().st_mode
    except FileNotFoundError:
        raise RuntimeFailure(
            Reason.START_FAILED, f"hostPath {volume.path} is not on this device; make it there"
        ) from None
    except OSError:
        return
    if volume.type is not None and not _IS_OF[volume.type](mode):
        raise RuntimeFailure(
            Reason.START_FAILED, f"hostPath {volume.path} is on this device, but is no {volume.type}"
        )
