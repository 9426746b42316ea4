"""The controller's API, as the command line uses it."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import httpx2

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.operators import HEADER, name_operator
from polyfleet_shared.codec import UnknownFields, decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, dump_json, parse_json

T = TypeVar("T")

_TIMEOUT_SECONDS: Final = 30.0
_ANSWER_LIMIT: Final = 64 * 1024 * 1024
_PAGE_LIMIT: Final = 500
# A proxy from the environment never leads to this machine itself.
_DIRECT: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_INPUT_CODES: Final = frozenset(
    {"invalid_parameter", "invalid_json", "invalid_manifest", "mark_refused", "body_too_large"}
)


class UnreachableError(CommandError):
    """Nobody answers; it may be for a moment."""


class RefusedError(CommandError):
    """The controller's problem (RFC 9457); `problems` have paths in what was sent."""

    def __init__(
        self, code: str, detail: str, problems: tuple[Problem, ...], document: Mapping[str, JsonValue]
    ) -> None:
        super().__init__(detail, ExitCode.INPUT if code in _INPUT_CODES else ExitCode.FAILED)
        self.code = code
        self.problems = problems
        self.document = document


class Client:
    """Speaks with one controller. Every failure is a CommandError that says what to do."""

    def __init__(self, server: str) -> None:
        self._server = server.rstrip("/")
        self._operator = name_operator(os.environ)
        try:
            self._http = httpx2.Client(
                base_url=self._server,
                timeout=_TIMEOUT_SECONDS,
                mounts=dict.fromkeys(_DIRECT),
            )
        except httpx2.InvalidURL as error:
            raise self._no_address(str(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> JsonValue:
        """Read; a query value that is a list is given once for each of its items."""
        return self._ask("GET", path, query=query)

    def put(self, path: str, document: JsonValue, query: Mapping[str, Any] | None = None) -> JsonValue:
        """Create or change."""
        return self._ask("PUT", path, query=query, body=dump_json(document))

    def patch(self, path: str, change: JsonValue) -> JsonValue:
        """Change a part."""
        return self._ask("PATCH", path, body=dump_json(change))

    def post(self, path: str, document: JsonValue = None, *, timeout: float = _TIMEOUT_SECONDS) -> JsonValue:
        """Do, with what the document says if there is one."""
        body = None if document is None else dump_json(document)
        return self._ask("POST", path, body=body, timeout=timeout)

    def delete(self, path: str) -> None:
        """Delete."""
        self._ask("DELETE", path)

    def items(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[JsonValue]:
        """Every item of a list, page by page."""
        cursor: JsonValue = None
        while True:
            asked = {**(query or {}), "limit": _PAGE_LIMIT}
            page = self.get(path, asked if cursor is None else {**asked, "cursor": cursor})
            if not isinstance(page, dict) or not isinstance(page.get("items"), list):
                raise self._foreign("a list has no items")
            yield from page["items"]  # type: ignore[misc] # the line above has checked it
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    def read(self, kind: type[T], document: JsonValue) -> T:
        """An answer as a value; fields that a newer controller adds are passed over."""
        try:
            return decode(kind, document, unknown=UnknownFields.IGNORE)
        except DecodeError as error:
            raise self._foreign(str(error)) from None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> JsonValue:
        headers = {"accept": "application/json", HEADER: self._operator}
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            response = self._http.request(
                method, path, params=query, content=body, headers=headers, timeout=timeout
            )
        except httpx2.UnsupportedProtocol:
            raise self._no_address("it needs http:// or https://") from None
        except httpx2.ConnectError as error:
            raise self._unreachable(str(error)) from None
        except httpx2.TimeoutException:
            raise self._unreachable(f"no answer within {timeout:.0f} seconds") from None
        except httpx2.HTTPError as error:
            raise self._unreachable(str(error) or type(error).__name__) from None
        if response.is_success:
            return self._parse(response.content) if response.content else None
        raise self._refused(response)

    def _parse(self, content: bytes) -> JsonValue:
        try:
            return parse_json(content, limit=_ANSWER_LIMIT)
        except DecodeError as error:
            raise self._foreign(str(error)) from None

    def _refused(self, response: httpx2.Response) -> CommandError:
        if not response.headers.get("content-type", "").startswith("application/problem+json"):
            return self._foreign(f"HTTP status {response.status_code}")
        return self.read_problem(self._parse(response.content))

    def read_problem(self, document: JsonValue) -> CommandError:
        """A problem that is, or stands in, an answer."""
        if not isinstance(document, dict):
            return self._foreign("a problem that is no object")
        problems = decode(_Problems, {"problems": document.get("problems", [])}, unknown=UnknownFields.IGNORE)
        return RefusedError(
            str(document.get("code")), str(document.get("detail")), problems.problems, document
        )

    def _unreachable(self, cause: str) -> CommandError:
        return UnreachableError(
            f"no controller answers at {self._server} ({cause}): start one with "
            "`polyfleet-controller serve`, or name another with --server or POLYFLEET_SERVER"
        )

    def _no_address(self, cause: str) -> CommandError:
        return CommandError(
            f"{self._server!r} is no address of a controller ({cause}): write http://HOST:PORT",
            ExitCode.INPUT,
        )

    def _foreign(self, cause: str) -> CommandError:
        return CommandError(
            f"what answers at {self._server} is no controller that this program understands ({cause}): "
            "check --server, and compare the versions with `polyfleet version`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problems:
    problems: tuple[Problem, ...]
