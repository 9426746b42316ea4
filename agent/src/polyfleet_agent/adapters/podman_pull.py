"""Pulling an image: progress read from Podman's stream, and a limit on silence.

The Docker-compatible endpoint is used, because only it tells bytes: every layer that moves gives a line a
second, in Podman 4.3 and 5 alike, while libpod's own is silent from a layer's start to its end. So silence
means that nothing moves. `tlsVerify` is not sent: the device's registries.conf decides.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, assert_never

from polyfleet_agent.adapters.podman_failures import classify_failure
from polyfleet_agent.adapters.podman_stream import Ended, Line, LineStream, Opened, Refused, StreamRequest
from polyfleet_agent.adapters.pull_secrets import Credentials
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.messages import PullProgress
from polyfleet_shared.reasons import Reason

# What an unknown failure of a pull counts as: it goes away by itself more often than not.
_OTHERWISE: Final = Reason.REGISTRY_UNREACHABLE
# containers/image copies so many layers at once: with fewer under way, all have been announced.
_LAYERS_AT_ONCE: Final = 6
_MAX_MESSAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PullLimits:
    """Seconds without a sign of life: from the registry while layers travel, from the disk after that."""

    registry: float = 120.0
    disk: float = 900.0


def pull(
    address: str,
    image: PinnedImage,
    limits: PullLimits,
    on_progress: Callable[[PullProgress], None],
    credentials: Credentials | None = None,
) -> int:
    """Pull `repository@child` and give the compressed bytes that travelled, as far as Podman tells.

    Without `credentials` Podman uses those that it has itself.

    Raises:
        RuntimeFailure: with the cause; a pull that stops moving is registry_unreachable.
    """
    ledger = PullLedger(image.size, config=image.config)
    request = StreamRequest(
        method="POST",
        path="/images/create",
        parameters={"fromImage": image.reference},
        headers={} if credentials is None else {"X-Registry-Auth": credentials.header},
        compatible=True,
    )
    with LineStream(address, request) as stream:
        while True:
            waiting = ledger.waits_for_registry
            item = stream.next(limits.registry if waiting else limits.disk)
            match item:
                case None:
                    raise _stuck(image, limits, waiting=waiting)
                case Opened():
                    pass
                case Line():
                    _take(item.text, image, ledger, on_progress)
                case Refused():
                    raise _failed(image, item.words)
                case Ended():
                    if item.failure is not None:
                        raise item.failure
                    return ledger.travelled
                case _:
                    assert_never(item)


def _take(
    text: bytes, image: PinnedImage, ledger: "PullLedger", on_progress: Callable[[PullProgress], None]
) -> None:
    if not text.strip():
        return
    try:
        entry = json.loads(text)
    except ValueError:
        return
    if not isinstance(entry, dict):
        return
    if entry.get("error"):
        raise _failed(image, str(entry["error"]))
    before = ledger.progress
    ledger.read(entry)
    if ledger.progress != before:
        on_progress(ledger.progress)


def _failed(image: PinnedImage, words: str) -> RuntimeFailure:
    # Podman 5 tells the innermost cause alone: "connection refused".
    message = words if image.repository in words else f"{image.reference}: {words}"
    return RuntimeFailure(classify_failure(words, otherwise=_OTHERWISE), message[:_MAX_MESSAGE])


def _stuck(image: PinnedImage, limits: PullLimits, *, waiting: bool) -> RuntimeFailure:
    if waiting:
        return RuntimeFailure(
            Reason.REGISTRY_UNREACHABLE,
            f"the pull of {image.reference} stopped moving for {limits.registry:g} s and was given up",
        )
    return RuntimeFailure(
        Reason.START_TIMEOUT,
        f"Podman has all of {image.reference} but did not finish storing it within {limits.disk:g} s",
    )


@dataclass(slots=True)
class _Layer:
    """`size` is None until Podman tells it, which it does only of a layer that takes over a second."""

    current: int = 0
    size: int | None = None
    finished: bool = False
    was_there: bool = False

    @property
    def remaining(self) -> int | None:
        if self.finished:
            return 0
        return None if self.size is None else self.size - self.current

    @property
    def moved(self) -> int:
        if self.was_there:
            return 0
        return self.size if self.finished and self.size is not None else self.current


class PullLedger:
    """What a pull's lines (Docker's `status`, `id`, `progressDetail`) say, added up. Pure."""

    def __init__(self, size: int, *, config: str) -> None:
        """`size` is the sum of the compressed layers; the config's blob is no layer."""
        self._size = size
        self._config = config.removeprefix("sha256:")
        self._layers: dict[str, _Layer] = {}
        self._config_seen = False
        self._done = 0

    def read(self, entry: dict[str, Any]) -> None:
        """Take one line."""
        name = entry.get("id")
        if not isinstance(name, str) or not name:
            return
        if self._config.startswith(name):
            self._config_seen = True  # it comes when every layer has been copied
        else:
            self._read_layer(self._layers.setdefault(name, _Layer()), entry)
        self._done = max(self._done, self._known_done())

    def _read_layer(self, layer: _Layer, entry: dict[str, Any]) -> None:
        match entry.get("status"):
            case "Already exists":
                layer.finished = True
                layer.was_there = layer.current == 0  # else: Podman itself began the pull anew
            case "Download complete":
                layer.finished = True
            case "Downloading":
                detail = entry.get("progressDetail") or {}
                layer.current = int(detail.get("current") or 0)
                layer.size = int(detail.get("total") or 0) or None
            case _:
                layer.finished = False

    @property
    def progress(self) -> PullProgress:
        return PullProgress(done=self._done, total=self._size)

    @property
    def waits_for_registry(self) -> bool:
        """Whether something is still to come over the network, rather than to be written to the disk."""
        return not self._layers or any(not layer.finished for layer in self._layers.values())

    @property
    def travelled(self) -> int:
        """Exact if all layers travelled or none; else at least this, small layers not counted."""
        if not any(layer.was_there for layer in self._layers.values()):
            return self._size if self._layers else 0
        return min(self._size, sum(layer.moved for layer in self._layers.values()))

    def _known_done(self) -> int:
        """Never more than is true."""
        if self._config_seen:
            return self._size
        remaining = [layer.remaining for layer in self._layers.values() if not layer.finished]
        known = [size for size in remaining if size is not None]
        if 0 < len(remaining) < _LAYERS_AT_ONCE and len(known) == len(remaining):
            return max(0, self._size - sum(known))
        return min(self._size, sum(layer.moved for layer in self._layers.values()))
