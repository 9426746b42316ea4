"""The states of a device that do not come from a decision about its workloads."""

from enum import StrEnum


class Admission(StrEnum):
    """Whether a device may be given work."""

    ADMITTED = "admitted"
    PENDING = "pending"  # unknown to this controller, or deleted here and back again: an operator decides


class Connectivity(StrEnum):
    """Presence as last known; `unknown` before the first presence message."""

    ONLINE = "online"
    OFFLINE = "offline"
    UNKNOWN = "unknown"
