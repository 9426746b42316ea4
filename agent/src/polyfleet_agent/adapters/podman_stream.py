"""Answers of Podman's API that come line by line for as long as it takes: a pull's progress, the events."""

import contextlib
import os
import queue
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from podman.api.client import APIClient

from polyfleet_agent.adapters.podman_api import is_refused, read_refusal, unavailable
from polyfleet_agent.adapters.podman_session import open_session
from polyfleet_agent.ports import RuntimeFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """`compatible` takes the Docker-compatible half of the API instead of libpod's.

    `headers` are in addition to those that every request has, and not shown.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    compatible: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Podman took the request; lines may follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the answer, without its end."""

    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Podman did not take the request, in its own words. Nothing follows."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Nothing follows. `failure` is None if the answer is complete."""

    failure: RuntimeFailure | None


StreamItem = Opened | Line | Refused | Ended


class LineStream:
    """A request whose answer a thread of its own reads, so that the user can look up from a quiet stream.

    With a time-out on the socket instead, the first one would end it: a socket that timed out is not read on.
    """

    def __init__(self, address: str, request: StreamRequest) -> None:
        self._address = address
        self._request = request
        self._items: queue.SimpleQueue[StreamItem] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._handle: socket.socket | None = None
        # A daemon, because of a Podman that takes the connection and never says a word.
        threading.Thread(target=self._read, name=f"podman{request.path}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next(self, seconds: float) -> StreamItem | None:
        """Wait for what comes next; None if nothing came within `seconds`."""
        try:
            return self._items.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Hang up; Podman notices, and stops a pull. Idempotent."""
        with self._lock:
            self._closed = True
            if self._handle is not None:
                _shut_down(self._handle)

    def _read(self) -> None:
        session = open_session(self._address)
        try:
            self._receive(session)
        except OSError as error:
            self._items.put(Ended(failure=unavailable(self._address, error)))
        finally:
            self._release()
            session.close()

    def _receive(self, session: APIClient) -> None:
        request = self._request
        send = {"GET": session.get, "POST": session.post}[request.method]
        response = send(
            request.path,
            params=request.parameters,
            headers=dict(request.headers),
            stream=True,
            compatible=request.compatible,
        )
        with contextlib.closing(response):
            self._hold(response.raw.fileno())
            if is_refused(response):
                self._items.put(Refused(words=read_refusal(response.text)))
                return
            self._items.put(Opened())
            for line in response.iter_lines():
                self._items.put(Line(text=line))
            self._items.put(Ended(failure=None))

    def _hold(self, descriptor: int) -> None:
        """Keep a handle of our own on the connection: the session's belongs to the reading thread alone."""
        with self._lock:
            self._handle = socket.socket(fileno=os.dup(descriptor))
            if self._closed:
                _shut_down(self._handle)

    def _release(self) -> None:
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None


def _shut_down(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        handle.shutdown(socket.SHUT_RDWR)
