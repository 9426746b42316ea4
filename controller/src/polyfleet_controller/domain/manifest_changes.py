"""Where two documents differ: each place once, as deep as there is one value to compare with another.

Lists whose items have names (containers, variables, volumes) are compared name by name, so that one more in
front changes nothing about the others; a place in them is written `containers[main]`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from polyfleet_shared.json_text import JsonValue, dump_json

_NAME: Final = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field that is another one, as JSON texts; None where it is not there."""

    path: str
    before: str | None
    after: str | None


def find_changes(before: JsonValue, after: JsonValue) -> tuple[FieldChange, ...]:
    """All that differs, in the order of the fields; nothing where both are the same."""
    return tuple(_compare("", before, after))


def _compare(path: str, before: JsonValue, after: JsonValue) -> Iterator[FieldChange]:
    if _is_same(before, after):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _compare_parts(before, after, {key: _join(path, key) for key in (*before, *after)})
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _name_items(before), _name_items(after)
        if old is not None and new is not None and _keep_order(old, new):
            yield from _compare_parts(old, new, {name: f"{path}[{name}]" for name in (*old, *new)})
            return
    yield FieldChange(path=path, before=_write(before), after=_write(after))


def _compare_parts(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue], paths: Mapping[str, str]
) -> Iterator[FieldChange]:
    for key, path in paths.items():
        if key not in after:
            yield FieldChange(path=path, before=_write(before[key]), after=None)
        elif key not in before:
            yield FieldChange(path=path, before=None, after=_write(after[key]))
        else:
            yield from _compare(path, before[key], after[key])


def _name_items(items: Sequence[JsonValue]) -> dict[str, JsonValue] | None:
    """The items by their names; None where one has none, or two have the same."""
    named: dict[str, JsonValue] = {}
    for item in items:
        name = item.get(_NAME) if isinstance(item, dict) else None
        if not isinstance(name, str) or name in named:
            return None
        named[name] = item
    return named


def _keep_order(before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]) -> bool:
    """Whether what both have comes in the same order: what has moved is told as a whole."""
    return [name for name in before if name in after] == [name for name in after if name in before]


def _is_same(before: JsonValue, after: JsonValue) -> bool:
    """As JSON: to Python, 1 is true and 1.0."""
    return _write(before) == _write(after)


def _write(value: JsonValue) -> str:
    return dump_json(value).decode()


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
