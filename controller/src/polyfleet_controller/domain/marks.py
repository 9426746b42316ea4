"""Marks are what operators put on devices: labels and taints. This is how a change of them is refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.json_text import Problem

RESERVED_PREFIX: Final = "polyfleet.io/"

_SHOWN: Final = 80


class MarkRefusedError(PolyfleetError, ValueError):
    """A change that no operator may make, with everything that is wrong in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class MarkConflictError(MarkRefusedError):
    """A change that would take the place of marks that are there: it is made with `overwrite`."""


@dataclass(slots=True)
class Objections:
    """What speaks against a change, collected; `path` is where in the change."""

    _refusals: list[Problem] = field(default_factory=list)
    _conflicts: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, *messages: str) -> None:
        """Nobody may do this."""
        self._refusals += [Problem(path=path, message=message) for message in messages]

    def conflict(self, path: str, message: str) -> None:
        """Whoever does this should know what is there."""
        self._conflicts.append(Problem(path=path, message=message))

    def close(self) -> None:
        """Raise what was collected.

        Raises:
            MarkConflictError: with `overwrite`, it would be made.
            MarkRefusedError: it is not made in any case.
        """
        if self._refusals:
            raise MarkRefusedError(self._refusals + self._conflicts)
        if self._conflicts:
            raise MarkConflictError(self._conflicts)


def check_room(what: str, before: int, after: int, most: int) -> None:
    """Refuse to put more marks of a kind on a device than it may have; taking some away is always possible.

    Raises:
        MarkRefusedError: there would be too many.
    """
    if after > most and after > before:
        message = f"it would have {after} {what}, and may have {most}: remove some that nobody uses"
        raise MarkRefusedError([Problem(path="set", message=message)])


def set_path(key: str) -> str:
    """Where in a change of labels the value of a key stands."""
    return f"set[{json.dumps(key[:_SHOWN])}]"


def say(text: str) -> str:
    """A key or a value in a message, in a length that it bears; the empty one is seen as well."""
    return (text if len(text) <= _SHOWN else text[:_SHOWN] + "…") or "''"
