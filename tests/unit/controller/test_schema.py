"""The schemas of the API's documents say what the codec takes and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

import pytest

from polyfleet_controller.api.schema import Catalogue, Direction, merge_components
from polyfleet_shared.platforms import Platform

T = TypeVar("T")


class Colour(StrEnum):
    """What it is painted with."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    size: int
    hub: "Wheel | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    """A thing with wheels."""

    given_name: str
    nick: str | None = None
    load: float = 0.0
    is_full: bool
    built_at: datetime
    platform: Platform
    colour: Colour = Colour.RED
    wheels: tuple[Wheel, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf(Generic[T]):
    items: tuple[T, ...]
    first: T


def test_an_answer_has_every_field_that_is_not_optional() -> None:
    catalogue = Catalogue(direction=Direction.ANSWER)
    assert catalogue.refer(Cart) == {"$ref": "#/components/schemas/Cart"}
    platform = catalogue.components.pop("Platform")
    assert isinstance(platform, dict)
    assert platform["type"] == "string"
    assert catalogue.components == {
        "Cart": {
            "type": "object",
            "description": "A thing with wheels.",
            "properties": {
                "givenName": {"type": "string"},
                "nick": {"type": "string"},
                "load": {"type": "number"},
                "isFull": {"type": "boolean"},
                "builtAt": {"type": "string", "format": "date-time"},
                "platform": {"$ref": "#/components/schemas/Platform"},
                "colour": {"$ref": "#/components/schemas/Colour"},
                "wheels": {"type": "array", "items": {"$ref": "#/components/schemas/Wheel"}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": [
                "givenName",
                "load",
                "isFull",
                "builtAt",
                "platform",
                "colour",
                "wheels",
                "labels",
            ],
        },
        "Colour": {"type": "string", "enum": ["red", "blue"], "description": "What it is painted with."},
        "Wheel": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "format": "int64"},
                "hub": {"$ref": "#/components/schemas/Wheel"},
            },
            "required": ["size"],
        },
    }


def test_a_request_needs_what_has_no_default_and_takes_nothing_else() -> None:
    catalogue = Catalogue(
        direction=Direction.REQUEST,
        refinements={Wheel: {"": {"title": "Round"}, "size": {"minimum": 1}, "hub": {"title": "Inner"}}},
    )
    assert catalogue.refer(Wheel) == {"$ref": "#/components/schemas/Wheel"}
    assert catalogue.components == {
        "Wheel": {
            "type": "object",
            "title": "Round",
            "properties": {
                "size": {"type": "integer", "format": "int64", "minimum": 1},
                "hub": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/Wheel", "title": "Inner"},
                        {"type": "null"},
                    ]
                },
            },
            "required": ["size"],
            "additionalProperties": False,
        }
    }


def test_a_text_that_is_asked_for_holds_no_nul() -> None:
    assert Catalogue(direction=Direction.REQUEST).refer(str) == {
        "type": "string",
        "pattern": "^[^\\x00]*$",
    }


def test_a_generic_class_is_called_after_what_it_holds() -> None:
    catalogue = Catalogue(direction=Direction.ANSWER)
    assert catalogue.refer(Shelf[Wheel]) == {"$ref": "#/components/schemas/WheelShelf"}
    assert catalogue.components["WheelShelf"] == {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/components/schemas/Wheel"}},
            "first": {"$ref": "#/components/schemas/Wheel"},
        },
        "required": ["items", "first"],
    }


@pytest.mark.parametrize("kind", [bytes, list[int], dict[str, int]])
def test_what_the_codec_does_not_know_has_no_schema(kind: object) -> None:
    with pytest.raises(TypeError, match="no schema for"):
        Catalogue(direction=Direction.ANSWER).refer(kind)


def test_one_name_stands_for_one_schema() -> None:
    request, answer = Catalogue(direction=Direction.REQUEST), Catalogue(direction=Direction.ANSWER)
    request.refer(Wheel)
    answer.refer(Wheel)
    with pytest.raises(ValueError, match="Wheel has two schemas"):
        merge_components((request, answer))
