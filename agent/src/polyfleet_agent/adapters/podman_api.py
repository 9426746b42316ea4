"""Podman's API (libpod and its Docker-compatible half) over podman-py's session.

Its high level hides errors: a pull of a missing image raises nothing, a listed container's status raises a
TypeError. So requests are made here, on its `APIClient`, and every refusal is read.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from podman.api.client import APIClient, APIResponse

from polyfleet_agent.adapters.deadlines import hang_up_after
from polyfleet_agent.adapters.podman_failures import classify_failure
from polyfleet_agent.adapters.podman_session import open_session
from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.reasons import Reason

ANSWER_SECONDS: Final = 30.0

_FIRST_ERROR: Final = 400
_NOT_FOUND: Final = 404
_MAX_MESSAGE: Final = 1000
_CHUNK_BYTES: Final = 16 * 1024

_Received = TypeVar("_Received")

Parameters = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is the parsed JSON, as Podman documents it; None where there was none."""

    status: int
    body: Any

    @property
    def missing(self) -> bool:
        return self.status == _NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The first bytes of an answer's body."""

    headers: Mapping[str, str]
    content: bytes


class PodmanRefusal(RuntimeFailure):
    """Podman answered, and would not: the fault is in what was asked for, not in the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """What it means if Podman refuses with unknown words, and if it does not answer in time."""

    otherwise: Reason = Reason.PODMAN_UNAVAILABLE
    late: Reason = Reason.PODMAN_UNAVAILABLE


class PodmanApi:
    """Requests, each with a time-out. Safe in threads: each has a session, and so a connection, of its own.

    That something does not exist is an answer. All else that is no success raises RuntimeFailure:
    podman_unavailable without a connection; PodmanRefusal with what Podman's words stand for.
    """

    def __init__(self, address: str) -> None:
        """`address` is `unix:///path/of/the.sock`."""
        self.address = address
        self._own = threading.local()

    def get(self, path: str, parameters: Parameters | None = None) -> Answer:
        return self._ask(
            f"GET {path}",
            ANSWER_SECONDS,
            lambda session: session.get(path, params=parameters, timeout=ANSWER_SECONDS),
            Reasons(),
        )

    def read(self, path: str, parameters: Parameters, *, limit: int) -> Beginning | None:
        """Read at most so many bytes of an answer and hang up; None if what is asked for does not exist."""
        return self._exchange(
            f"GET {path}",
            ANSWER_SECONDS,
            lambda session: _read_beginning(
                session.get(path, params=parameters, timeout=ANSWER_SECONDS, stream=True), limit
            ),
            Reasons(),
        )

    def post(
        self,
        path: str,
        parameters: Parameters | None = None,
        *,
        body: object = None,
        seconds: float = ANSWER_SECONDS,
        reasons: Reasons = Reasons(),
    ) -> Answer:
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._ask(
            f"POST {path}",
            seconds,
            lambda session: session.post(
                path, params=parameters, data=data, headers=headers, timeout=seconds
            ),
            reasons,
        )

    def run_session(self, session: str, *, seconds: float, limit: int) -> bytes:
        """Start an exec session and give the beginning of its output, as far as it came in `seconds`.

        Raises:
            RuntimeFailure: podman_unavailable; PodmanRefusal.
        """

        def send(own: APIClient) -> bytes:
            try:
                response = own.post(
                    f"/exec/{session}/start",
                    data=json.dumps({"Detach": False, "Tty": False}),
                    headers={"Content-Type": "application/json"},
                    timeout=seconds,
                    stream=True,
                )
            except OSError as error:
                if is_timeout(error):
                    return b""
                raise
            return _read_output(response, seconds, limit)

        return self._exchange(f"POST /exec/{session}/start", seconds, send, Reasons())

    def put_archive(self, path: str, parameters: Parameters, archive: bytes, *, reasons: Reasons) -> Answer:
        headers = {"Content-Type": "application/x-tar"}
        return self._ask(
            f"PUT {path}",
            ANSWER_SECONDS,
            lambda session: session.put(
                path, params=parameters, data=archive, headers=headers, timeout=ANSWER_SECONDS
            ),
            reasons,
        )

    def delete(
        self,
        path: str,
        parameters: Parameters | None = None,
        *,
        seconds: float = ANSWER_SECONDS,
        reasons: Reasons = Reasons(),
    ) -> Answer:
        return self._ask(
            f"DELETE {path}",
            seconds,
            lambda session: session.delete(path, params=parameters, timeout=seconds),
            reasons,
        )

    def _ask(
        self,
        what: str,
        seconds: float,
        send: Callable[[APIClient], APIResponse],
        reasons: Reasons,
    ) -> Answer:
        response = self._exchange(what, seconds, send, reasons)
        _raise_refusal(response, reasons)
        return Answer(status=response.status_code, body=_parse(response.text))

    def _exchange(
        self, what: str, seconds: float, send: Callable[[APIClient], _Received], reasons: Reasons
    ) -> _Received:
        try:
            return send(self._session())
        except OSError as error:
            if is_timeout(error):
                raise RuntimeFailure(
                    reasons.late, f"Podman did not answer {what} within {seconds:g} s"
                ) from error
            raise unavailable(self.address, error) from error

    def _session(self) -> APIClient:
        session: APIClient | None = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = open_session(self.address)
        return session


def _read_beginning(response: APIResponse, limit: int) -> Beginning | None:
    with contextlib.closing(response):
        _raise_refusal(response, Reasons())
        if response.status_code == _NOT_FOUND:
            return None
        content = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            content += chunk
            if len(content) >= limit:
                break
        return Beginning(headers=response.headers, content=bytes(content[:limit]))


def _read_output(response: APIResponse, seconds: float, limit: int) -> bytes:
    """What comes until its sender has said all, `limit` is reached or the time is over."""
    content = bytearray()
    with contextlib.closing(response), hang_up_after(seconds, response.raw.fileno()):
        _raise_refusal(response, Reasons(otherwise=Reason.START_FAILED))
        with contextlib.suppress(OSError):  # where it was hung up
            for chunk in response.iter_content(1):
                content += chunk
                if len(content) >= limit:
                    break
    return bytes(content)


def _raise_refusal(response: APIResponse, reasons: Reasons) -> None:
    if is_refused(response) and response.status_code != _NOT_FOUND:
        words = read_refusal(response.text)
        raise PodmanRefusal(classify_failure(words, otherwise=reasons.otherwise), words)


def is_refused(response: APIResponse) -> bool:
    return bool(response.status_code >= _FIRST_ERROR)


def read_refusal(text: str) -> str:
    """Podman's own words in an error's body: `message` is the whole, `cause` its innermost part."""
    body = _parse(text)
    words = body.get("message") or body.get("cause") if isinstance(body, dict) else text.strip()
    return str(words or "Podman gave no reason")[:_MAX_MESSAGE]


def unavailable(address: str, error: BaseException | None = None) -> RuntimeFailure:
    """The failure for a socket that nobody serves, or a service that went away in the middle."""
    cause = "the connection ended" if error is None else _describe(_chain(error)[-1])
    return RuntimeFailure(
        Reason.PODMAN_UNAVAILABLE,
        f"Podman's API on {address} does not answer: {cause}; check `systemctl status podman.socket`",
    )


def is_timeout(error: BaseException) -> bool:
    """Whether a time-out is at the bottom of it: podman-py and requests each wrap it in their own."""
    return any(isinstance(link, TimeoutError) for link in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None and link not in links:
        links.append(link)
    return links


def _describe(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _parse(text: str) -> Any:  # noqa: ANN401 - JSON as Podman documents it
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return None
