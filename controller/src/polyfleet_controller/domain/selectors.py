"""Selectors over labels, in Kubernetes' syntax: `site=north,tier in (a,b),!retired`.

Equality-based and set-based requirements (Kubernetes' documentation, "Labels and Selectors"), all of which
must hold. As there, `!=` and `notin` hold for what does not have the label at all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from polyfleet_controller.domain.requirements import InvalidRequirementError, Operator, Requirement
from polyfleet_shared.errors import PolyfleetError

_TOKEN: Final = re.compile(r"\s*(?P<token>==|!=|[=!(),]|[^\s=!(),]+)")
_MARKS: Final = frozenset({"==", "!=", "=", "!", "(", ")", ","})
_END: Final = ""
_SHOWN: Final = 80
_MAX_LENGTH: Final = 4096
_SYNTAX: Final = (
    "write key=value, key!=value, key in (a,b), key notin (a,b), key or !key, separated by commas"
)


class InvalidSelectorError(PolyfleetError, ValueError):
    """Text that is no selector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Requirements that must all hold; without any, everything is selected."""

    requirements: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        if any(item.operator in (Operator.GT, Operator.LT) for item in self.requirements):
            raise InvalidSelectorError("a selector compares no numbers")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a selector; text of spaces alone selects everything.

        Raises:
            InvalidSelectorError: it says where the text is none.
        """
        if len(text) > _MAX_LENGTH:
            raise InvalidSelectorError(f"a selector has at most {_MAX_LENGTH} characters")
        tokens = _Tokens(text)
        if tokens.peek() == _END:
            return cls()
        try:
            requirements = [_read_requirement(tokens)]
            while tokens.take_if(","):
                requirements.append(_read_requirement(tokens))
        except InvalidRequirementError as error:
            raise InvalidSelectorError(str(error)) from None
        if tokens.peek() != _END:
            raise tokens.refuse("a comma")
        return cls(requirements=tuple(requirements))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether something with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


class _Tokens:
    def __init__(self, text: str) -> None:
        self._text = text
        self._rest = [found["token"] for found in _TOKEN.finditer(text)][::-1]

    def peek(self) -> str:
        return self._rest[-1] if self._rest else _END

    def take(self) -> str:
        return self._rest.pop() if self._rest else _END

    def take_if(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self.take()
        return True

    def take_word(self, what: str) -> str:
        if self.peek() in _MARKS or self.peek() == _END:
            raise self.refuse(what)
        return self.take()

    def refuse(self, expected: str) -> InvalidSelectorError:
        found = f"{self.peek()[:_SHOWN]!r}" if self.peek() else "the end"
        return InvalidSelectorError(
            f"{self._text[:_SHOWN]!r} is no selector: expected {expected}, got {found}; {_SYNTAX}"
        )


def _read_requirement(tokens: _Tokens) -> Requirement:
    if tokens.take_if("!"):
        return Requirement(key=tokens.take_word("a label's key"), operator=Operator.DOES_NOT_EXIST)
    key = tokens.take_word("a label's key")
    match tokens.peek():
        case "=" | "==":
            tokens.take()
            return Requirement(key=key, operator=Operator.IN, values=(_read_value(tokens),))
        case "!=":
            tokens.take()
            return Requirement(key=key, operator=Operator.NOT_IN, values=(_read_value(tokens),))
        case "in":
            tokens.take()
            return Requirement(key=key, operator=Operator.IN, values=tuple(_read_values(tokens)))
        case "notin":
            tokens.take()
            return Requirement(key=key, operator=Operator.NOT_IN, values=tuple(_read_values(tokens)))
        case _:
            return Requirement(key=key, operator=Operator.EXISTS)


def _read_value(tokens: _Tokens) -> str:
    """A value; nothing before a comma or the end is the empty one, as in Kubernetes."""
    return "" if tokens.peek() in (",", ")", _END) else tokens.take_word("a value")


def _read_values(tokens: _Tokens) -> Iterator[str]:
    if not tokens.take_if("("):
        raise tokens.refuse("'('")
    yield _read_value(tokens)
    while tokens.take_if(","):
        yield _read_value(tokens)
    if not tokens.take_if(")"):
        raise tokens.refuse("')'")
