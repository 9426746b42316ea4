"""The one strict codec between frozen dataclasses and JSON.

Strict means: `"7"` is no int, `true` is no int, `7.0` is no int, a number that does not fit 64 bits is
refused, so are NUL and lone surrogates in text (no database takes them). Every problem in a document is
found in one go, and each names its path (`spec.containers[0].image`). Times come out in UTC.

Names are snake_case in Python and camelCase in JSON; `None` is left out. The supported types are those of
the wire: str, int, float, bool, datetime (RFC 3339, with an offset), StrEnum, TextValue (as Platform is),
`X | None`, `tuple[X, ...]`, `Mapping[str, X]` and dataclasses of these.
"""

import json
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import MAX_PROBLEMS, DecodeError, JsonValue, Problem, expected, refused

T = TypeVar("T")

_Decode: TypeAlias = Callable[[object], typing.Any]
_Encode: TypeAlias = Callable[[typing.Any], JsonValue]

_INT64: Final = 2**63
_SHOWN: Final = 60

# RFC 3339, section 5.6; Python itself takes more of ISO 8601 than that.
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


@typing.runtime_checkable
class TextValue(typing.Protocol):
    """A value that JSON has as text: `parse` reads it and raises PolyfleetError, `str()` writes it."""

    @classmethod
    def parse(cls, text: str) -> typing.Self: ...


class UnknownFields(StrEnum):
    """What an unknown field means: a typing error downward, a newer sender upward (design: compatibility)."""

    REFUSE = "refuse"
    IGNORE = "ignore"


def decode(kind: type[T], document: object, *, unknown: UnknownFields = UnknownFields.REFUSE) -> T:
    """Build a value of the dataclass `kind` from parsed JSON.

    Raises:
        DecodeError: with every problem and its path.
    """
    value: T = _decoder(kind, unknown)(document)
    return value


def encode(value: object, *, omit_defaults: bool = False) -> dict[str, JsonValue]:
    """The JSON object for a dataclass value; `decode` gives the value back.

    `omit_defaults` leaves out each field that holds its default: what uses nothing new then reads the same
    to a receiver that does not know the new fields, and hashes the same.
    """
    document = _encoder(type(value), omit_defaults=omit_defaults)(value)
    if not isinstance(document, dict):
        raise TypeError(f"{type(value).__name__} is no dataclass")
    return document


def json_name(name: str) -> str:
    """`ready_seconds` as JSON has it: `readySeconds`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _printable(key: str) -> str:
    """A key as its own text where that is safe to log and to store, else as JSON escapes it."""
    shown = key[:_SHOWN]
    return shown if shown.isascii() and shown.isprintable() else json.dumps(shown)


# -- decoding


def _decode_text(document: object) -> str:
    if type(document) is not str:
        raise expected("a text", document)
    if "\0" in document:
        raise refused("a text must not hold the character NUL")
    if not document.isascii():
        try:
            document.encode()
        except UnicodeEncodeError:
            raise refused("a text must not hold half a surrogate pair") from None
    return document


def _decode_int(document: object) -> int:
    if type(document) is not int:
        raise expected("a whole number", document)
    if not -_INT64 <= document < _INT64:
        raise refused("the number does not fit 64 bits")
    return document


def _decode_float(document: object) -> float:
    if type(document) is float:
        return document
    if type(document) is int and -_INT64 <= document < _INT64:
        return float(document)
    raise expected("a number", document)


def _decode_bool(document: object) -> bool:
    if type(document) is not bool:
        raise expected("true or false", document)
    return document


def _decode_datetime(document: object) -> datetime:
    text = _decode_text(document)
    if _RFC_3339.fullmatch(text) is None:
        raise expected("a time with its offset from UTC, as RFC 3339 has it", document)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):  # a thirteenth month; a time before the year 1 in UTC
        raise expected("a time that exists", document) from None


_SCALARS: Final[dict[object, _Decode]] = {
    str: _decode_text,
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
    datetime: _decode_datetime,
}


_decoders: Final[dict[tuple[object, UnknownFields], _Decode]] = {}


def _decoder(kind: object, unknown: UnknownFields) -> _Decode:
    known = _decoders.get((kind, unknown))
    if known is None:
        known = _decoders[kind, unknown] = _build_decoder(kind, unknown)
    return known


def _build_decoder(kind: object, unknown: UnknownFields) -> _Decode:
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        inner = [argument for argument in arguments if argument is not types.NoneType]
        if len(inner) == 1 and len(arguments) > 1:
            return _optional_decoder(_decoder(inner[0], unknown))
    elif origin is tuple and len(arguments) > 1 and arguments[1] is Ellipsis:
        return _tuple_decoder(_decoder(arguments[0], unknown))
    elif origin is Mapping and arguments[0] is str:
        return _mapping_decoder(_decoder(arguments[1], unknown))
    elif isinstance(kind, type):
        return _class_decoder(kind, unknown)
    raise TypeError(f"the codec does not know {kind!r}")


def _class_decoder(kind: type, unknown: UnknownFields) -> _Decode:
    if issubclass(kind, StrEnum):
        return _enum_decoder(kind)
    if issubclass(kind, TextValue):
        return _text_decoder(kind)
    if is_dataclass(kind):
        return _object_decoder(kind, unknown)
    raise TypeError(f"the codec does not know {kind!r}")


def _optional_decoder(inner: _Decode) -> _Decode:
    return lambda document: None if document is None else inner(document)


def _tuple_decoder(inner: _Decode) -> _Decode:
    def decode_tuple(document: object) -> tuple[object, ...]:
        if type(document) is not list:
            raise expected("a list", document)
        values: list[object] = []
        problems: list[Problem] = []
        for position, item in enumerate(document):
            try:
                values.append(inner(item))
            except DecodeError as error:
                problems += error.under(f"[{position}]").problems
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise DecodeError(tuple(problems))
        return tuple(values)

    return decode_tuple


def _mapping_decoder(inner: _Decode) -> _Decode:
    def decode_mapping(document: object) -> dict[str, object]:
        if type(document) is not dict:
            raise expected("an object", document)
        values: dict[str, object] = {}
        problems: list[Problem] = []
        for key, item in document.items():
            try:
                values[_decode_text(key)] = inner(item)
            except DecodeError as error:
                problems += error.under(f"[{json.dumps(key[:_SHOWN])}]").problems
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise DecodeError(tuple(problems))
        return values

    return decode_mapping


def _enum_decoder(kind: type[StrEnum]) -> _Decode:
    members = {member.value: member for member in kind}
    choices = ", ".join(members)

    def decode_enum(document: object) -> StrEnum:
        if type(document) is not str or document not in members:
            raise expected(f"one of {choices}", document)
        return members[document]

    return decode_enum


def _text_decoder(kind: type[TextValue]) -> _Decode:
    def decode_text_value(document: object) -> TextValue:
        try:
            return kind.parse(_decode_text(document))
        except DecodeError:
            raise
        except PolyfleetError as error:
            raise refused(str(error)) from None

    return decode_text_value


def _object_decoder(kind: type, unknown: UnknownFields) -> _Decode:
    hints = typing.get_type_hints(kind)
    plan = {
        json_name(field.name): (field.name, _decoder(hints[field.name], unknown)) for field in fields(kind)
    }
    undefaulted = [field.name for field in fields(kind) if not _has_default(field)]
    # Encoding leaves `None` out, so what may be None is None where it is left out.
    absent: dict[str, object] = {name: None for name in undefaulted if _may_be_none(hints[name])}
    required = tuple(json_name(name) for name in undefaulted if name not in absent)

    def decode_object(document: object) -> object:
        if type(document) is not dict:
            raise expected("an object", document)
        values = dict(absent)
        refused: list[Problem] = []
        problems = [Problem(path=key, message="missing") for key in required if key not in document]
        for key, item in document.items():
            if key in plan:
                name, inner = plan[key]
                try:
                    values[name] = inner(item)
                except DecodeError as error:
                    problems += error.under(key).problems
            elif unknown is UnknownFields.REFUSE:
                refused.append(Problem(path=_printable(key), message="unknown field"))
        if problems:
            raise DecodeError((*refused, *problems))
        return _construct(kind, values, tuple(refused))

    return decode_object


def _construct(kind: type, values: dict[str, object], refused: tuple[Problem, ...]) -> object:
    """Make the value, so that what contradicts in it is told beside the fields that are refused."""
    try:
        value: object = kind(**values)
    except DecodeError as error:
        raise DecodeError((*refused, *error.problems)) from None
    except PolyfleetError as error:
        raise DecodeError((*refused, Problem(path="", message=str(error)))) from None
    if refused:
        raise DecodeError(refused)
    return value


def _has_default(field: "Field[typing.Any]") -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _may_be_none(hint: object) -> bool:
    return types.NoneType in typing.get_args(hint)


# -- encoding


_ENCODED_AS_THEY_ARE: Final = (str, int, float, bool, types.NoneType)
_encoders: Final[dict[tuple[type, bool], _Encode]] = {}


def _encoder(kind: type, *, omit_defaults: bool) -> _Encode:
    known = _encoders.get((kind, omit_defaults))
    if known is None:
        known = _encoders[kind, omit_defaults] = _build_encoder(kind, omit_defaults=omit_defaults)
    return known


def _build_encoder(kind: type, *, omit_defaults: bool) -> _Encode:
    encoder: _Encode
    if kind in _ENCODED_AS_THEY_ARE:
        encoder = _encode_itself
    elif issubclass(kind, StrEnum | TextValue):
        encoder = str
    elif kind is datetime:
        encoder = _encode_datetime
    elif kind is tuple:
        encoder = _tuple_encoder(omit_defaults=omit_defaults)
    elif issubclass(kind, Mapping):
        encoder = _mapping_encoder(omit_defaults=omit_defaults)
    elif is_dataclass(kind):
        encoder = _object_encoder(kind, omit_defaults=omit_defaults)
    else:
        raise TypeError(f"the codec does not know {kind!r}")
    return encoder


def _encode_itself(value: JsonValue) -> JsonValue:
    return value


def _encode_datetime(value: datetime) -> JsonValue:
    if value.tzinfo is None:
        raise TypeError("a time without its offset from UTC is no point in time")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _tuple_encoder(*, omit_defaults: bool) -> _Encode:
    def encode_tuple(value: tuple[object, ...]) -> JsonValue:
        return [_encoder(type(item), omit_defaults=omit_defaults)(item) for item in value]

    return encode_tuple


def _mapping_encoder(*, omit_defaults: bool) -> _Encode:
    def encode_mapping(value: Mapping[str, object]) -> JsonValue:
        return {key: _encoder(type(item), omit_defaults=omit_defaults)(item) for key, item in value.items()}

    return encode_mapping


def _object_encoder(kind: type, *, omit_defaults: bool) -> _Encode:
    plan = tuple(
        (field.name, json_name(field.name), field.default if omit_defaults else MISSING)
        for field in fields(kind)
    )

    def encode_object(value: object) -> JsonValue:
        document: dict[str, JsonValue] = {}
        for name, key, default in plan:
            item = getattr(value, name)
            if item is not None and item != default:
                document[key] = _encoder(type(item), omit_defaults=omit_defaults)(item)
        return document

    return encode_object
