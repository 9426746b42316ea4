"""Other spellings of the same manifest: numbers where the codec wants text, as YAML has both."""

from collections.abc import Callable
from typing import Final, TypeAlias

from polyfleet_controller.domain.pod_probes import PROBE_FIELDS

_Respell: TypeAlias = Callable[[object], object]

_POD: Final = ("spec", "template", "spec")
_QUANTITIES: Final = (
    *(
        (*_POD, containers, "*", "resources", kind, "*")
        for containers in ("containers", "initContainers")
        for kind in ("limits", "requests")
    ),
    (*_POD, "volumes", "*", "emptyDir", "sizeLimit"),
)
_PORTS: Final = tuple(
    (*_POD, containers, "*", probe, action, "port")
    for containers in ("containers", "initContainers")
    for probe in PROBE_FIELDS
    for action in ("httpGet", "tcpSocket")
)
_WAVE: Final = ("spec", "rollout", "waves", "*")
_AMOUNTS: Final = ((*_WAVE, "devices"), ("spec", "rollout", "maxUnavailable"))


def respell(document: object) -> object:
    """The document as the codec reads it.

    Kubernetes takes `cpu: 1` and `cpu: "1"` alike; a probe's port is `80` or `http`, a number of devices `1`
    or `10%`; a wave of which nothing else is said is its devices.
    """
    for path in (*_QUANTITIES, *_PORTS):
        document = _map(document, path, _spell_number)
    document = _map(document, _WAVE, _spell_wave)
    for path in _AMOUNTS:
        document = _map(document, path, _spell_number)
    return document


def _spell_number(value: object) -> object:
    return repr(value) if type(value) in (int, float) else value


def _spell_wave(value: object) -> object:
    return {"devices": value} if type(value) in (int, float, str) else value


def _map(document: object, path: tuple[str, ...], change: _Respell) -> object:
    if not path:
        return change(document)
    head, *rest = path
    tail = tuple(rest)
    if isinstance(document, list) and head == "*":
        return [_map(item, tail, change) for item in document]
    if isinstance(document, dict):
        return {
            key: _map(item, tail, change) if head in (key, "*") else item for key, item in document.items()
        }
    return document
