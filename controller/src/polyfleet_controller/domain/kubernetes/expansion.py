"""`$(NAME)` in a container's command, args and env, as Kubernetes replaces it.

A name that is not set stays as it is written, and `$$` is a `$` that begins no name (Kubernetes' API,
Container, "command" and "args"; EnvVar, "value").
"""

import re
from collections.abc import Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")
_AMBIGUOUS: Final = re.compile(r"\$(?=[$(])")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with every variable's value for its name; what a value holds is not looked at again."""

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(replace, text)


def find_names(text: str) -> tuple[str, ...]:
    """The names that a text refers to."""
    return tuple(match["name"] for match in _REFERENCE.finditer(text) if match["name"] is not None)


def escape(text: str) -> str:
    """The text of which `expand` makes this one, whatever is set."""
    return _AMBIGUOUS.sub("$$", text)
