"""Parsed JSON whose shape is not known yet. What has another shape is passed over: the codec refuses it."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from polyfleet_shared.json_text import JsonValue, refused

JsonObject: TypeAlias = dict[str, JsonValue]

# In these a null is a value that is missing, not a field that is left out.
_MAPS: Final = frozenset({"annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector"})
_MAX_DEPTH: Final = 50


def object_at(document: JsonValue, *keys: str) -> JsonObject:
    """The object at a path; an empty one where there is none."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def list_at(document: JsonObject, key: str) -> list[JsonValue]:
    """The list in a field; an empty one where there is none."""
    found = document.get(key)
    return found if isinstance(found, list) else []


def texts_in(document: JsonValue) -> dict[str, str]:
    """Of an object, what is text."""
    return {key: value for key, value in object_at(document).items() if isinstance(value, str)}


def objects_in(items: JsonValue) -> Iterator[tuple[int, JsonObject]]:
    """Of a list, the objects, each with its position."""
    for position, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield position, item


def copy_without_nulls(document: JsonValue, *, depth: int = 0, keeps: bool = False) -> JsonValue:
    """A copy without fields that are null: in Kubernetes they are as good as left out.

    Raises:
        DecodeError: it is nested deeper than anything of Kubernetes.
    """
    if depth > _MAX_DEPTH:
        raise refused("nested too deeply")
    if isinstance(document, list):
        return [copy_without_nulls(item, depth=depth + 1) for item in document]
    if isinstance(document, dict):
        return {
            key: copy_without_nulls(item, depth=depth + 1, keeps=key in _MAPS)
            for key, item in document.items()
            if keeps or item is not None
        }
    return document
