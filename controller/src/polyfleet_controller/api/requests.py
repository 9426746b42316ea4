"""What comes in: bodies and query parameters, both through the strict codec."""

import re
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Final, TypeVar

from fastapi import Request

from polyfleet_controller.api.problems import ApiError, ProblemCode
from polyfleet_shared.codec import decode, json_name
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem, parse_json

BODY_LIMIT: Final = 1024 * 1024

T = TypeVar("T")

_TRUTHS: Final = {"true": True, "false": False}
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


async def read_body(request: Request) -> bytes:
    """The body of a request, as bytes.

    Raises:
        ApiError: no JSON by its content type, or larger than BODY_LIMIT.
    """
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        shown = f"not {given[:80]}" if given else "and say so in Content-Type"
        raise ApiError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, f"send application/json, {shown}")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_LIMIT:
            raise ApiError(ProblemCode.BODY_TOO_LARGE, f"a body has at most {BODY_LIMIT} bytes")
    return bytes(body)


def parse_body(body: bytes) -> JsonValue:
    """The JSON of a body; raises ApiError where it is none."""
    try:
        return parse_json(body, limit=BODY_LIMIT)
    except DecodeError as error:
        raise ApiError(ProblemCode.INVALID_JSON, str(error)) from None


def query_reader(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """A dependency that reads a request's query parameters as a value of `kind`.

    A field that is a tuple may be given several times, every other once; what `kind` does not know is
    refused by name.
    """
    hints = typing.get_type_hints(kind)
    expected = {json_name(field.name): hints[field.name] for field in fields(kind)}  # type: ignore[arg-type] # a dataclass

    async def read_query(request: Request) -> T:
        parameters = request.query_params
        document: dict[str, JsonValue] = {}
        problems: list[Problem] = []
        for name in dict.fromkeys(parameters.keys()):
            values = parameters.getlist(name)
            if name not in expected:
                problems.append(
                    Problem(path=name[:80], message=f"unknown parameter; known: {_list(expected)}")
                )
            elif typing.get_origin(expected[name]) is tuple:
                document[name] = list[JsonValue](values)
            elif len(values) > 1:
                problems.append(Problem(path=name, message="given more than once"))
            else:
                document[name] = _spell(expected[name], values[0])
        try:
            value = decode(kind, document)
        except DecodeError as error:
            raise _invalid((*problems, *error.problems)) from None
        if problems:
            raise _invalid(tuple(problems))
        return value

    return read_query


def _invalid(problems: tuple[Problem, ...]) -> ApiError:
    detail = "; ".join(str(problem) for problem in problems)
    return ApiError(ProblemCode.INVALID_PARAMETER, detail, problems)


def _list(expected: dict[str, object]) -> str:
    return ", ".join(expected) or "none"


def _spell(hint: object, value: str) -> JsonValue:
    """A number or a truth where one is wanted and the text is one; else the text, which the codec refuses."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    if bool in kinds and value in _TRUTHS:
        return _TRUTHS[value]
    return int(value) if int in kinds and _WHOLE_NUMBER.fullmatch(value) else value
