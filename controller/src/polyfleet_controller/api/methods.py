"""Which methods a path takes: the router itself names only those of one route."""

import re
from typing import Final

from polyfleet_shared.json_text import JsonValue

_PARAMETER: Final = re.compile(r"\\\{[a-z_]+\\\}")


class Methods:
    """Read from the `paths` of an OpenAPI document."""

    def __init__(self, paths: JsonValue) -> None:
        self._known = [
            (re.compile(_PARAMETER.sub("[^/]+", re.escape(template))), sorted(map(str.upper, operations)))
            for template, operations in (paths.items() if isinstance(paths, dict) else ())
            if isinstance(operations, dict)
        ]

    def of(self, path: str) -> list[str]:
        """The methods of a path, sorted; none if the document has no such path."""
        return next((methods for template, methods in self._known if template.fullmatch(path)), [])
