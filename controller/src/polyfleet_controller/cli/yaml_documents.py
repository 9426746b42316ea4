"""YAML (1.1, as PyYAML reads it) as JSON: only JSON's types, no key twice, and the line of everything."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import JsonValue, Problem

_MAX_NODES: Final = 50_000  # aliases count each time that they are used
_TAG: Final = "tag:yaml.org,2002:"
_SCALARS: Final = frozenset({f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null")})


class YamlError(PolyfleetError):
    """What cannot be read, with its line, its document counted from 1, and its path if it has one."""

    def __init__(self, line: int, number: int, message: str, path: str = "") -> None:
        super().__init__(f"{line}: document {number}: {Problem(path=path, message=message)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """`lines` has the line of every path, as the codec writes paths."""

    document: JsonValue
    lines: Mapping[str, int]

    def line_of(self, path: str) -> int:
        """The line of what the path names, or of the nearest that there is around it."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]


class _Loader(yaml.SafeLoader):
    """Dates stay text: a manifest has none, and labels may look like one."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_TAG}timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(content: bytes) -> tuple[tuple[int, YamlDocument], ...]:
    """Every document that is not empty, with its number from 1.

    Raises:
        YamlError: no YAML, or YAML that JSON cannot say.
    """
    loader = _open(content)
    documents: list[tuple[int, YamlDocument]] = []
    for number in count(1):
        root = _compose(loader, number)
        if root is None:
            break
        if not _is_empty(root):
            documents.append((number, _Conversion(loader, number).convert(root)))
    return tuple(documents)


def _open(content: bytes) -> _Loader:
    try:
        return _Loader(content)
    except yaml.YAMLError as error:
        raise YamlError(1, 1, f"no text in UTF-8: {error}".replace("\n", " ")) from None


def _compose(loader: _Loader, number: int) -> Node | None:
    try:
        return loader.get_node() if loader.check_node() else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise YamlError(line, number, f"no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise YamlError(1, number, f"no YAML: {error}".replace("\n", " ")) from None
    except RecursionError:
        raise YamlError(1, number, "nested too deeply") from None


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == f"{_TAG}null" and not node.value


class _Conversion:
    """One document's nodes as JSON."""

    def __init__(self, loader: _Loader, number: int) -> None:
        self._loader = loader
        self._number = number
        self._lines: dict[str, int] = {}
        self._nodes = 0

    def convert(self, root: Node) -> YamlDocument:
        """The whole document."""
        try:
            document = self._convert(root, "")
        except RecursionError:
            raise self._error(root, "", "nested too deeply, or an alias that holds itself") from None
        return YamlDocument(document=document, lines=self._lines)

    def _convert(self, node: Node, path: str) -> JsonValue:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise self._error(node, path, f"more than {_MAX_NODES} values in one document")
        self._lines[path] = _line(node)
        match node:
            case MappingNode(tag="tag:yaml.org,2002:map"):
                return self._convert_mapping(node, path)
            case SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [
                    self._convert(item, f"{path}[{position}]") for position, item in enumerate(node.value)
                ]
            case ScalarNode() if node.tag in _SCALARS:
                return self._convert_scalar(node, path)
            case _:
                raise self._error(node, path, f"{node.tag} is no type of JSON")

    def _convert_mapping(self, node: MappingNode, path: str) -> JsonValue:
        values: dict[str, JsonValue] = {}
        for key_node, value_node in node.value:
            key = self._convert_key(key_node, path)
            place = f"{path}.{key}" if path else key
            if key in values:
                raise self._error(key_node, place, "the key is there already")
            values[key] = self._convert(value_node, place)
            self._lines[place] = _line(key_node)
        return values

    def _convert_key(self, node: Any, path: str) -> str:  # noqa: ANN401 - PyYAML has no types for pairs
        if node.tag == f"{_TAG}merge":
            raise self._error(node, path, "merge keys (<<) are not taken: write the values out")
        if not isinstance(node, ScalarNode) or node.tag != f"{_TAG}str":
            shown = node.value if isinstance(node, ScalarNode) else "a list or an object"
            raise self._error(node, path, f"a key is a text, not {shown!r}: put it in quotes")
        return str(node.value)

    def _convert_scalar(self, node: ScalarNode, path: str) -> JsonValue:
        try:
            value: JsonValue = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError):  # what PyYAML makes of a tag that does not fit
            raise self._error(node, path, f"{node.value!r:.80} is no {node.tag.removeprefix(_TAG)}") from None
        if isinstance(value, float) and (value - value != 0):
            raise self._error(node, path, f"{node.value} is no number of JSON")
        return value

    def _error(self, node: Any, path: str, message: str) -> YamlError:  # noqa: ANN401 - PyYAML's nodes
        return YamlError(_line(node), self._number, message, path)


def _line(node: Any) -> int:  # noqa: ANN401 - PyYAML has no types for marks
    return int(node.start_mark.line) + 1
