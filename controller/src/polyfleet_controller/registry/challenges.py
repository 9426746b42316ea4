"""What a registry asks for before it answers (RFC 9110, section 11.6.1; RFC 6750, section 3)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word for a name
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_SEPARATORS: Final = re.compile(r"[ \t,]*")
_SCHEME: Final = re.compile(rf"({_TOKEN})(?=[ \t,]|$)")
_TOKEN68: Final = re.compile(r"[ \t]+[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))")
_PARAMETER: Final = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*({_QUOTED}|{_TOKEN})(?=[ \t,]|$)")
_QUOTED_PAIR: Final = re.compile(r"\\(.)")

_MAX_LENGTH: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way in. `scheme` and the names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Read the WWW-Authenticate headers of an answer, in their order, up to what cannot be read."""
    text = ", ".join(headers)[:_MAX_LENGTH]
    challenges: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = _end(_SEPARATORS.match(text), 0)
    while position < len(text):
        parameter = _PARAMETER.match(text, position) if challenges else None
        scheme = _SCHEME.match(text, position)
        if parameter is not None:
            parameters.setdefault(parameter[1].lower(), _unquote(parameter[2]))
            position = parameter.end()
        elif scheme is not None:
            parameters = {}
            challenges.append(Challenge(scheme=scheme[1].lower(), parameters=MappingProxyType(parameters)))
            position = _end(_TOKEN68.match(text, scheme.end()), scheme.end())
        else:
            break
        position = _end(_SEPARATORS.match(text, position), position)
    return tuple(challenges)


def choose_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """Choose the one to answer: a token tells the registry less than a password does."""
    known = [
        challenge
        for challenge in challenges
        if challenge.scheme == "basic" or (challenge.scheme == "bearer" and "realm" in challenge.parameters)
    ]
    return min(known, key=lambda challenge: challenge.scheme != "bearer", default=None)


def _unquote(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def _end(found: re.Match[str] | None, default: int) -> int:
    return default if found is None else found.end()
