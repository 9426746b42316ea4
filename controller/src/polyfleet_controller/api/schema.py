"""Dataclasses as JSON Schema (2020-12), exactly as the codec reads and writes them.

The codec refuses unknown fields in what it reads and leaves out `None` in what it writes, so a class has one
schema as a request and another as an answer.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto
from typing import Any, Final

from polyfleet_shared.codec import TextValue, json_name
from polyfleet_shared.json_text import JsonValue

Schema: typing.TypeAlias = dict[str, JsonValue]
Refinements: typing.TypeAlias = Mapping[type, Mapping[str, Schema]]

_COMPONENTS: Final = "#/components/schemas/"
_INT64: Final[Schema] = {"type": "integer", "format": "int64"}
_TEXT: Final[Schema] = {"type": "string"}
_TEXT_WITHOUT_NUL: Final[Schema] = {"type": "string", "pattern": "^[^\\x00]*$"}
_SCALARS: Final[dict[object, Schema]] = {
    int: _INT64,
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}


class Direction(Enum):
    """Who writes the document."""

    REQUEST = auto()
    ANSWER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The schemas that a document of OpenAPI needs, collected while references to them are asked for.

    `refinements` adds, by class and field (JSON names), what an annotation cannot say: patterns and bounds.
    The field "" stands for the class itself.
    """

    direction: Direction
    refinements: Refinements = field(default_factory=dict)
    components: dict[str, JsonValue] = field(default_factory=dict)

    def refer(self, kind: object) -> Schema:
        """The schema for a value of this type; those of classes are put into `components`.

        Raises:
            TypeError: the codec does not know the type either.
        """
        if kind is str:
            return dict(_TEXT_WITHOUT_NUL if self.direction is Direction.REQUEST else _TEXT)
        if kind in _SCALARS:
            return dict(_SCALARS[kind])
        origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
        if isinstance(origin, type) and origin not in (tuple, Mapping, types.UnionType):
            return self._refer_class(origin, arguments)
        return self._refer_compound(origin, arguments)

    def _refer_compound(self, origin: object, arguments: tuple[Any, ...]) -> Schema:
        if origin in (types.UnionType, typing.Union):
            return self._refer_optional(arguments)
        if origin is tuple:
            return {"type": "array", "items": self.refer(arguments[0])}
        if origin is Mapping:
            return {"type": "object", "additionalProperties": self.refer(arguments[1])}
        raise TypeError(f"no schema for {origin!r}")

    def _refer_optional(self, arguments: tuple[Any, ...]) -> Schema:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        schema = self.refer(inner)
        if self.direction is Direction.ANSWER:
            return schema
        return {"anyOf": [schema, {"type": "null"}]}

    def _refer_class(self, kind: type, arguments: tuple[Any, ...]) -> Schema:
        name = "".join(argument.__name__ for argument in arguments) + kind.__name__
        if name not in self.components:
            describe = self._describer(kind)
            self.components[name] = {}  # a class may hold itself
            own = self.refinements.get(kind, {}).get("", {})
            self.components[name] = {**describe(kind, arguments), **_description(kind), **own}
        return {"$ref": _COMPONENTS + name}

    def _describer(self, kind: type) -> Callable[[type, tuple[Any, ...]], Schema]:
        if issubclass(kind, StrEnum):
            return _describe_choices
        if issubclass(kind, TextValue):
            return _describe_text
        if is_dataclass(kind):
            return self._describe_object
        raise TypeError(f"no schema for {kind!r}")

    def _describe_object(self, kind: type, arguments: tuple[Any, ...]) -> Schema:
        hints = typing.get_type_hints(kind)
        parameters: tuple[object, ...] = getattr(kind, "__parameters__", ())
        concrete = dict(zip(parameters, arguments, strict=True))
        properties: Schema = {}
        required: list[JsonValue] = []
        refinements = self.refinements.get(kind, {})
        for each in fields(kind):
            hint = _substitute(hints[each.name], concrete)
            name = json_name(each.name)
            schema = self.refer(hint)
            properties[name] = _refine(schema, refinements.get(name))
            optional = each.default is not MISSING or each.default_factory is not MISSING
            if self.direction is Direction.ANSWER:
                optional = types.NoneType in typing.get_args(hint)
            if not optional:
                required.append(name)
        schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if self.direction is Direction.REQUEST:
            schema["additionalProperties"] = False
        return schema


def merge_components(catalogues: Iterable[Catalogue]) -> Schema:
    """The components of several catalogues as one.

    Raises:
        ValueError: one name stands for two schemas, as a class that is both asked for and answered may.
    """
    merged: Schema = {}
    for catalogue in catalogues:
        for name, schema in catalogue.components.items():
            if merged.setdefault(name, schema) != schema:
                raise ValueError(f"{name} has two schemas; give the request and the answer each its class")
    return merged


def _substitute(hint: Any, concrete: Mapping[object, object]) -> object:  # noqa: ANN401 - a type is any object
    if hint in concrete:
        return concrete[hint]
    if typing.get_origin(hint) is tuple:
        inner = _substitute(typing.get_args(hint)[0], concrete)
        return tuple[inner, ...]  # type: ignore[valid-type] # built at run time
    return hint


def _refine(schema: Schema, refinement: Schema | None) -> Schema:
    if refinement is None:
        return schema
    alternatives = schema.get("anyOf")
    if isinstance(alternatives, list) and isinstance(alternatives[0], dict):
        return {"anyOf": [{**alternatives[0], **refinement}, *alternatives[1:]]}
    return {**schema, **refinement}


def _describe_choices(kind: type, _arguments: tuple[Any, ...]) -> Schema:
    return {"type": "string", "enum": [str(member) for member in typing.cast("type[StrEnum]", kind)]}


def _describe_text(_kind: type, _arguments: tuple[Any, ...]) -> Schema:
    return dict(_TEXT)


def _description(kind: type) -> Schema:
    text = inspect.getdoc(kind) if "__doc__" in vars(kind) else None
    if text is None or text.startswith(f"{kind.__name__}("):  # what a dataclass writes where there is none
        return {}
    return {"description": text}
