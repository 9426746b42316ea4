"""JSON text (RFC 8259) to documents and back, and what can be wrong with a document."""

import json
import math
import typing
from dataclasses import dataclass
from typing import Final, TypeAlias

from polyfleet_shared.errors import PolyfleetError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

_SHOWN: Final = 60

# A document's size bounds the work that it makes, these two the text that it makes.
MAX_PROBLEMS: Final = 100
_MAX_PROBLEMS_TOLD: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a document. `path` is empty for the document itself."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class DecodeError(PolyfleetError, ValueError):
    """A document that cannot be read, with what is wrong in it: all of it, up to a hundred problems.

    The text tells the first ten.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems[:MAX_PROBLEMS]
        told = "; ".join(str(problem) for problem in problems[:_MAX_PROBLEMS_TOLD])
        more = len(problems) - _MAX_PROBLEMS_TOLD
        shown = str(more) if len(problems) < MAX_PROBLEMS else "many"
        super().__init__(f"{told}; and {shown} more" if more > 0 else told)

    def under(self, prefix: str) -> "DecodeError":
        """The same problems, seen from the document around this one."""
        return DecodeError(
            tuple(
                Problem(path=_join(prefix, problem.path), message=problem.message)
                for problem in self.problems
            )
        )


def parse_json(data: bytes, *, limit: int) -> JsonValue:
    """Read JSON text (RFC 8259) of at most limit bytes; NaN and Infinity are refused.

    Raises:
        DecodeError: too large, no UTF-8, no JSON, or nested beyond reason.
    """
    if len(data) > limit:
        raise refused(f"{len(data)} bytes are more than the {limit} allowed")
    try:
        # As text: of bytes, Python would guess between UTF-8, UTF-16 and UTF-32.
        document: JsonValue = _PARSER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise refused(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise refused("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise refused(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except ValueError as error:  # a number with thousands of digits
        raise refused(f"not JSON: {error}") from None
    return document


def dump_json(document: JsonValue) -> bytes:
    """Compact JSON with sorted keys: equal documents give equal bytes, so they can be hashed."""
    return _WRITER.encode(document).encode()


def describe(value: object) -> str:
    """What a JSON value is, in a few words of bounded length; safe to log."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case str():
            shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
            return f"the text {json.dumps(shown)}"
        case int() | float():
            return f"the number {str(value)[:_SHOWN]}"
        case list():
            return "a list"
        case _:
            return "an object"


def refused(message: str) -> DecodeError:
    """The error for a document of which one thing is wrong."""
    return DecodeError((Problem(path="", message=message),))


def expected(what: str, got: object) -> DecodeError:
    """The error for a value of another type."""
    return refused(f"expected {what}, got {describe(got)}")


def _join(prefix: str, path: str) -> str:
    return prefix + path if not prefix or not path or path.startswith("[") else f"{prefix}.{path}"


def _refuse_constant(name: str) -> typing.NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


_PARSER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_parse_float)
_WRITER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
