"""Probes of Kubernetes' manifests, whose empty values are its defaults, and back."""

from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.pod_probes import PROBE_FIELDS

_NUMBERS: Final = (
    "initialDelaySeconds",
    "periodSeconds",
    "timeoutSeconds",
    "successThreshold",
    "failureThreshold",
)
_TEXTS: Final = ("host", "scheme", "path")
_HANDLERS: Final = ("httpGet", "tcpSocket")


def settle_probes(container: JsonObject) -> None:
    """Take out what is nought or empty, and begin paths with '/', as a request does."""
    for field in PROBE_FIELDS:
        probe = object_at(container, field)
        for name in _NUMBERS:
            if type(probe.get(name)) is int and not probe[name]:
                del probe[name]
        for handler in _HANDLERS:
            action = object_at(probe, handler)
            for name in _TEXTS:
                if action.get(name) == "":
                    del action[name]
            path = action.get("path")
            if isinstance(path, str) and not path.startswith("/"):
                action["path"] = f"/{path}"


def write_ports(container: JsonObject) -> None:
    """Numbers of ports as numbers: as text Kubernetes takes them for names."""
    for field in PROBE_FIELDS:
        for handler in _HANDLERS:
            action = object_at(container, field, handler)
            port = action.get("port")
            if isinstance(port, str) and port.isdigit():
                action["port"] = int(port)
